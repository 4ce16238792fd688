"""The bytes of a media file: a file of this machine, or a stream that somebody else has opened."""

import io
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from opentr_pipeline.plain_files import open_regular

# A stream can seek, stays its owner's, and has the file's name; where it stands, nobody relies on.
Media = Path | BinaryIO


def reading(media: Media) -> AbstractContextManager[BinaryIO]:
    """A stream of the bytes, from their beginning; a file is opened here, and closed at the end.

    Raises:
        OSError: the file cannot be opened, or is no regular file.
    """
    if isinstance(media, Path):
        return open_regular(media)
    media.seek(0)
    return nullcontext(media)


def size_of(stream: BinaryIO) -> int:
    """How many bytes a stream has."""
    return stream.seek(0, io.SEEK_END)


def suffix_of(media: Media) -> str:
    """The extension, in small letters, with its dot."""
    return Path(media if isinstance(media, Path) else media.name).suffix.lower()
