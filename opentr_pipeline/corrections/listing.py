"""What people have corrected, as the tables have it, and taking it back."""

from collections.abc import Iterable
from dataclasses import dataclass

from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.edit_lines import kept_in
from opentr_pipeline.corrections.importing import recordings
from opentr_pipeline.corrections.keeping import publish
from opentr_pipeline.errors import StoreError
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import dictionaries


@dataclass(frozen=True)
class ListedCorrection:
    """A correction of a recording; see the table ``corrections``."""

    path: str
    edit_id: str
    kind: str
    state: str
    reason: str
    start_s: float
    end_s: float
    before: str
    old: str
    new: str
    after: str
    found: str
    speaker: str
    who: str
    made_at: str
    why: str


def listed_corrections(store: TranscriptStore, path: str = "") -> list[ListedCorrection]:
    """All corrections, recordings with conflicts first, and in each of them these.

    Args:
        store: of the archive.
        path: of one recording; else of all.
    """
    paths = {one.recording_id: one.path for one in recordings(store)}
    names = [name for name in ListedCorrection.__dataclass_fields__ if name != "path"]
    found = [
        ListedCorrection(
            paths.get(row["recording_id"], ""),
            **{**{name: row[name] for name in names}, "made_at": row["made_at"].isoformat()},
        )
        for row in dictionaries(store.read("corrections"))
        if not path or paths.get(row["recording_id"]) == path
    ]
    doubtful = {one.path for one in found if one.state == "conflict"}
    return sorted(
        found,
        key=lambda one: (one.path not in doubtful, one.path, one.state != "conflict", one.start_s),
    )


def undo(store: TranscriptStore, edit_ids: Iterable[str], who: str, why: str) -> list[str]:
    """Take corrections back; the partitions that changed.

    Raises:
        StoreError: one is not known, or the disk is full.
    """
    files = EditFiles(store)
    with files.alone():
        files.follow()
        media_of = {
            kept.edit.edit_id: media
            for media in files.media()
            for kept in kept_in(files.lines(media))  # followed just now, all at once
        }
        by_media: dict[str, list[str]] = {}
        for edit_id in edit_ids:
            if edit_id not in media_of:
                raise StoreError(f"No correction is called {edit_id}; the list has their names.")
            by_media.setdefault(media_of[edit_id], []).append(edit_id)
        for media, ids in by_media.items():
            files.undo(media, ids, who, why)
        return publish(store, set(by_media))
