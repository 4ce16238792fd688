"""What a person makes of published words, kept and published."""

from collections.abc import Callable

from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.overlay import put_corrections
from opentr_pipeline.transcripts.store import TranscriptStore


def keep(
    store: TranscriptStore, media_fingerprint: str, path: str, make: Callable[[], EditMaker]
) -> tuple[EditMaker, list[str]]:
    """Keep what somebody makes of a recording, and publish it.

    One at a time on a host. Where another host has kept something meanwhile it is made anew, of
    what is published then: nobody corrects words that they have not seen, and nobody waits.

    Args:
        store: of the archive.
        media_fingerprint: of the recording.
        path: of it.
        make: makes the edits, of what is published when it is called; may refuse by raising.

    Returns:
        What it made, and the partitions that changed.

    Raises:
        StoreError: the disk is full, or a file of edits is damaged.
    """
    files, changed = EditFiles(store), set[str]()
    with files.alone():
        while True:
            # What was kept, and cut short before it was published, would be kept again.
            changed.update(publish(store, {media_fingerprint}))
            seen = files.fingerprint(media_fingerprint)
            maker = make()
            if not maker.edits or files.add(media_fingerprint, path, maker.edits, seen):
                break
        changed.update(publish(store, {media_fingerprint}) if maker.edits else ())
    return maker, sorted(changed)


def publish(store: TranscriptStore, media: set[str]) -> list[str]:
    """Put what is kept for some media into the tables; the partitions that changed.

    Raises:
        StoreError: the disk is full, or a file of edits is damaged.
    """
    return put_corrections(store, store.partitions_with(media))


def publish_all(store: TranscriptStore) -> list[str]:
    """The same for all media, such as after git has brought corrections.

    Raises:
        StoreError: the disk is full, or a file of edits is damaged.
    """
    files = EditFiles(store)
    with files.alone():
        files.exchange()
        return put_corrections(store, store.partition_keys())
