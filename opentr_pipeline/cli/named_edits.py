"""What becomes of corrections that name somebody who is called otherwise, or is forgotten."""

from opentr_pipeline.corrections.edit_files import EditFiles, rename_speaker, says_speaker
from opentr_pipeline.corrections.importing import recordings
from opentr_pipeline.corrections.overlay import put_corrections
from opentr_pipeline.speakers.confirming import Speakers, check_name
from opentr_pipeline.speakers.people import Person, tidy


def merge(known: Speakers, person: Person, into: str) -> list[str]:
    """Make one person of two, or call one otherwise, in corrections too; what changed.

    Raises:
        SpeakerError: no name that can be shown.
        StoreError: the disk is full, or a file is damaged.
    """
    check_name(into)
    other = known.people.named(into)
    is_other = other and other.person_id != person.person_id
    name = other.name if other and is_other else tidy(into)
    files = EditFiles(known.store)
    # Corrections first: where this is cut short, the same command still finds the person.
    with files.alone():
        rename_speaker(files, person.name, lambda _: (name, ()))
        changed = known.merge(person, into)
        return sorted({*changed, *put_corrections(known.store, _corrected(known))})


def to_forget(known: Speakers, name: str) -> Person:
    """The person of a name, who has no voice where corrections alone name them.

    Raises:
        SpeakerError: nobody is called so.
        StoreError: a file is damaged.
    """
    if not known.people.named(name) and says_speaker(EditFiles(known.store), name):
        return known.without_voice(name)
    return known.person(name)


def forget(known: Speakers, person: Person) -> list[str]:
    """Remove a person, from corrections too; the partitions that may show them.

    Raises:
        StoreError: the disk is full, or a file is damaged.
    """
    voices = {voice.media_fingerprint: voice for voice in person.voices}

    def meant(media: str) -> tuple[str, tuple[tuple[float, float], ...]]:
        voice = voices.get(media)
        return (voice.speaker, voice.spans) if voice else ("", ())

    files = EditFiles(known.store)
    # Corrections first, as long as it is known which voice was theirs.
    with files.alone():
        rename_speaker(files, person.name, meant)
        spoke_in = known.forget(person)
        corrected = _corrected(known)
        put_corrections(known.store, corrected)
    return sorted({*spoke_in, *corrected})


def _corrected(known: Speakers) -> set[str]:
    """The partitions with media in which somebody has corrected something."""
    media = EditFiles(known.store).media()
    found = recordings(known.store) if media else ()
    return {one.partition_key for one in found if one.media_fingerprint in media}
