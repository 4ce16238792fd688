"""What is published of recordings, and what the page of one says of it and of its transcript."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.chapters import ChapterMark, chapters_of
from opentr_pipeline.exports.documents import about
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.exports.titles import tags_of
from opentr_pipeline.pages.lists import LIST_COLUMNS, ListEntry
from opentr_pipeline.pages.paragraphs import (
    DOUBTFUL_PROBABILITY,
    paragraphs_of,
    speakers_of,
    strip_of,
)
from opentr_pipeline.settings.addresses import BucketAddress, Place
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.transcript import HEARD, STATUSES, Transcript
from opentr_pipeline.wording import path_of

if TYPE_CHECKING:
    from opentr_pipeline.transcripts.store import TranscriptStore

# What the container itself says of a recording, in the order in which it is shown.
TAGS = ("artist", "album")
# What media files say of their parts, by their content.
Chapters = dict[str, list[ChapterMark]]
UNKNOWN_MEDIA = {"in_archive": True, "has_video": False, "tags": ()}


def published_rows(store: "TranscriptStore", key: str) -> list[dict[str, Any]]:
    """What is published of a partition's recordings that are not gone, by path."""
    columns = ["recording_id", "in_archive", "has_video", "tags"]
    found = store.read_partition("recordings", key).select(columns).to_pylist()
    media = {row["recording_id"]: row for row in found}
    published = store.read_partition("transcripts", key).select(list(LIST_COLUMNS)).to_pylist()
    rows = [{**UNKNOWN_MEDIA, **row, **media.get(row["recording_id"], {})} for row in published]
    here = [row for row in rows if row["in_archive"] is not False]
    return sorted(here, key=lambda row: str(row["path"]))


def facts_of(
    entry: ListEntry, transcript: Transcript, has_video: bool, layout: SubtitleSettings
) -> dict[str, Any]:
    """What the page of a recording says about its transcript."""
    # What the model wrote where nobody speaks stays in the tables.
    is_silent = transcript.status == "no_speech"
    paragraphs = [] if is_silent else paragraphs_of(transcript)
    captions = ""
    if has_video and paragraphs:
        vtt = FORMATS["vtt"](Document(entry.path, transcript, layout))
        note = f"WEBVTT\n\nNOTE {about(transcript)}\n".encode()
        vtt = vtt.replace(b"WEBVTT\n", note, 1)
        # In the page: browsers load no captions from a file beside it on a disk.
        captions = f"data:text/vtt;base64,{base64.b64encode(vtt).decode()}"
    return {
        "meaning": STATUSES[transcript.status],
        "reason": transcript.reason,
        "model": Path(transcript.model).name,
        "is_heard": transcript.status in HEARD,
        "task": transcript.task,
        "transcribed_at": transcript.transcribed_at,
        "has_video": has_video,
        "captions": captions,
        "paragraphs": paragraphs,
        "speakers": [] if is_silent else list(speakers_of(transcript).values()),
        "num_doubts": sum(one.num_doubts for one in paragraphs),
        "strip": strip_of(transcript),
        "doubtful_probability": f"{DOUBTFUL_PROBABILITY:.0%}",
    }


def shown_tags(tags: Iterable[tuple[str, str]] | None) -> list[str]:
    """What the container itself says, in the order in which it is shown."""
    said = tags_of(tags)
    return [said[name] for name in TAGS if name in said]


def all_chapters(rows: Iterable[dict[str, Any]], archive: Place, noted: Chapters) -> Chapters:
    """The chapters of each recording's content; media of a folder are opened that are new."""
    if isinstance(archive, BucketAddress):
        return {}
    known = {}
    for row in rows:
        content = row["media_fingerprint"]
        found = noted.get(content)
        if found is None:
            found = chapters_of(archive / path_of(row["path"]), archive)
        if found is not None:
            known[content] = found
    return known
