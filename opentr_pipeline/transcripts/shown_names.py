"""What people are shown of who speaks: the name that somebody has given, else the label; pure."""

from collections.abc import Iterable

from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import label


def names_of(transcript: Transcript) -> dict[str, str]:
    """What each speaker of a recording is called, by label, in the order of the labels."""
    labels = {segment.speaker for segment in transcript.segments if segment.speaker}
    given = {label(voice.speaker): voice.name for voice in transcript.voices}
    return {one: given.get(one) or one for one in sorted(labels.union(given))}


def told_names(transcript: Transcript) -> dict[str, str]:
    """The same of those that are worth telling: who speaks alone and has no name is not."""
    names = names_of(transcript)
    is_nobody = len(names) < 2 and all(one == name for one, name in names.items())
    return {} if is_nobody else names


def changes_of(speakers: Iterable[str]) -> list[bool]:
    """Where somebody else begins to speak; who speaks without being known is nobody else."""
    changes, last = [], ""
    for speaker in speakers:
        changes.append(bool(speaker) and speaker != last)
        last = speaker or last
    return changes
