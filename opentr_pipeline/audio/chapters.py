"""Chapters that a container holds: when each begins, and what it is called."""

from pathlib import Path
from typing import NamedTuple

from opentr_pipeline.audio.probe import open_media

MAX_CHAPTERS = 500
MAX_TITLE_LETTERS = 200


class ChapterMark(NamedTuple):
    """Where a chapter of a recording begins."""

    start_s: float
    title: str


def chapters_of(path: Path) -> list[ChapterMark]:
    """The chapters of a media file, by time; none where it has one at most, or cannot be read."""
    import av

    try:
        with open_media(path) as container:
            marks = [_mark(one) for one in container.chapters()[:MAX_CHAPTERS]]
    except (av.FFmpegError, OSError, ValueError):  # pages are made of what there is
        return []
    named = sorted(mark for mark in marks if mark.title)
    return named if len(named) > 1 else []


def _mark(chapter: dict[str, object]) -> ChapterMark:
    start, base, metadata = chapter["start"], chapter["time_base"], chapter["metadata"]
    title = " ".join(str(dict(metadata).get("title", "")).split())  # type: ignore[call-overload]
    return ChapterMark(round(float(start * base), 2), title[:MAX_TITLE_LETTERS])  # type: ignore[operator]
