"""Chapters that a container holds: when each begins, and what it is called."""

import os
from pathlib import Path
from typing import NamedTuple

from opentr_pipeline.audio.probe import open_media
from opentr_pipeline.plain_files import open_regular

MAX_CHAPTERS = 500
MAX_TITLE_LETTERS = 200


class ChapterMark(NamedTuple):
    """Where a chapter of a recording begins."""

    start_s: float
    title: str


def chapters_of(path: Path, archive: Path) -> list[ChapterMark] | None:
    """The chapters of a media file, by time; none where it has one at most, or makes no sense.

    Args:
        path: of the file.
        archive: which no link may leave.

    Returns:
        None where the file cannot be read now; another time it may be.
    """
    import av

    try:
        with (
            open_regular(path, os.path.realpath(archive)) as stream,
            open_media(stream) as container,
        ):
            marks = [_mark(one) for one in container.chapters()[:MAX_CHAPTERS]]
    except (av.FFmpegError, ValueError):  # pages are made of what there is
        return []
    except OSError:
        return None
    named = sorted(mark for mark in marks if mark.title)
    return named if len(named) > 1 else []


def _mark(chapter: dict[str, object]) -> ChapterMark:
    start, base, metadata = chapter["start"], chapter["time_base"], chapter["metadata"]
    title = " ".join(str(dict(metadata).get("title", "")).split())  # type: ignore[call-overload]
    return ChapterMark(round(float(start * base), 2), title[:MAX_TITLE_LETTERS])  # type: ignore[operator]
