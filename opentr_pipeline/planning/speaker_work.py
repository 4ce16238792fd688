"""Whose speakers are left to be told apart: what is wanted less what is published."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.planning.plan import Selection
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_options import (
    ArchiveSpeakers,
    archive_speakers,
    settings_name_speakers,
)
from opentr_pipeline.transcripts.published_rows import PublishedRow, StoreIndex
from opentr_pipeline.transcripts.transcript import HEARD, Content
from opentr_pipeline.wording import hours, number_text

# ``unwanted``: published, and asked for no more.
SpeakerState = Literal["done", "missing", "stale", "failed", "unwanted"]


@dataclass(frozen=True)
class SpeakerWork:
    """A recording whose words are published, and how its speakers stand.

    Attributes:
        content: its bytes, and what decides who is heard when; without that nobody is wanted.
    """

    recording: Recording
    content: Content
    state: SpeakerState

    @property
    def audio_s(self) -> float:
        """Seconds of audio to be heard, as the headers claim."""
        return 0.0 if self.state == "unwanted" else self.recording.probe.duration_s or 0.0

    def is_selected(self, selection: Selection) -> bool:
        """Whether a run with this selection takes it."""
        if selection == "failed":
            return self.state == "failed"
        return self.state not in ("done", "failed")


@dataclass(frozen=True)
class SpeakersToDo:
    """What is to be done about speakers, in numbers.

    Attributes:
        num_recordings: in which they are to be told apart.
        audio_s: seconds of audio of these.
        num_taken_back: recordings in which nobody asks who speaks any more.
    """

    num_recordings: int = 0
    audio_s: float = 0.0
    num_taken_back: int = 0

    def __str__(self) -> str:
        """``to be told apart in 3 recordings, 0.8 h of audio``; empty where there is nothing."""
        parts = []
        if self.num_recordings:
            num = number_text(self.num_recordings, "recording")
            parts.append(f"told apart in {num}, {hours(self.audio_s)} h of audio")
        if self.num_taken_back:
            parts.append(f"taken back in {number_text(self.num_taken_back, 'recording')}")
        return f"to be {' and '.join(parts)}" if parts else ""


def speakers_to_do(setup: Setup, recordings: Iterable[Recording]) -> SpeakersToDo:
    """What there is to do, with what is to be transcribed first; no model is asked about it.

    Args:
        setup: of the archive.
        recordings: all of it.

    Raises:
        SettingsError: the folder file is not there or makes no sense.
    """
    if not speakers_matter(setup):
        return SpeakersToDo()
    speakers, all_recordings = archive_speakers(setup.settings), list(recordings)
    index = setup.store.index({one.partition_key for one in all_recordings})
    works = judge_speakers(all_recordings, index, speakers)
    left = [one for one in works if one.is_selected("pending")]
    heard = [one.recording for one in left if one.state != "unwanted"]
    num_back = len(left) - len(heard)
    for one in all_recordings:
        row = index.by_recording.get((one.partition_key, one.recording_id))
        has_words = row is not None and row.media_fingerprint == one.media_fingerprint
        if not has_words and one.probe.status == "ok" and speakers.of(one).are_wanted:
            heard.append(one)
    return SpeakersToDo(len(heard), sum(one.probe.duration_s or 0.0 for one in heard), num_back)


def judge_speakers(
    recordings: Iterable[Recording], index: StoreIndex, speakers: ArchiveSpeakers
) -> list[SpeakerWork]:
    """How the speakers of each recording stand; of one that has no words there is nothing to do."""
    found = []
    for recording in recordings:
        row = index.by_recording.get((recording.partition_key, recording.recording_id))
        if row and row.media_fingerprint == recording.media_fingerprint:
            content = speakers.content(recording)
            if state := _state(row, content[1]):
                found.append(SpeakerWork(recording, content, state))
    return found


def _state(row: PublishedRow, wanted: str) -> SpeakerState | None:
    if not wanted:
        return "unwanted" if row.speakers_fingerprint else None
    if row.status not in HEARD or row.status == "no_speech":
        return None
    if row.speakers_fingerprint == wanted:
        return "failed" if row.speakers_reason else "done"
    return "stale" if row.speakers_fingerprint else "missing"


def speakers_matter(setup: Setup) -> bool:
    """Whether there may be anything to do about speakers; where nobody ever asked there is not.

    Reads no more than names: what is wrong in a folder file, a run says.
    """
    was_on = (setup.workspace.output / "turns").is_dir()
    return was_on or settings_name_speakers(setup.settings)


def speaker_work(setup: Setup, recordings: Iterable[Recording]) -> list[SpeakerWork]:
    """How the speakers of some recordings stand.

    Raises:
        SettingsError: the folder file is not there or makes no sense.
    """
    if not speakers_matter(setup):
        return []
    all_recordings = list(recordings)
    keys = {one.partition_key for one in all_recordings}
    return judge_speakers(all_recordings, setup.store.index(keys), archive_speakers(setup.settings))
