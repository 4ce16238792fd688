"""Where the containers in a media file begin and end.

FFmpeg's libraries read a container as far as there is one, and say neither that the file was cut
before its end nor that something follows it.
"""

import errno
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from opentr_pipeline.audio.ceilings import MAX_PARTS
from opentr_pipeline.audio.container_sizes import (
    MP4_BEGINS,
    READERS,
    Bytes,
    EndlessError,
    Extent,
    boxes,
)
from opentr_pipeline.audio.media_streams import Media, reading

# Writers round, and count their own header or not.
MAX_MISSING_SHARE = 0.02
# Of what follows a container's end. Less may be tags; a second of sound is more.
MIN_REST_BYTES = 8000
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", bytes(64))


def extents_of(media: Media) -> list[Extent]:
    """The containers in a file, one after the other; nearly always one, of the whole file.

    What comes after ``MAX_PARTS`` of them is one more.

    Raises:
        OSError: the file cannot be read.
    """
    with reading(media) as stream:
        return list(_extents(Bytes(stream)))


def is_one_part(media: Media) -> bool:
    """Whether the file is one container that holds no more than it says.

    Raises:
        OSError: the file cannot be read.
    """
    with reading(media) as stream:
        file = Bytes(stream)
        extent = next(_extents(file))
        is_more = extent.in_parts or (extent.is_wave and extent.num_left)
        return extent.end >= file.size and not is_more


def _extents(file: Bytes) -> Iterator[Extent]:
    start, num_found = 0, 0
    while True:
        try:
            extent = _extent(file, start) if num_found < MAX_PARTS else Extent(start, file.size)
        except EndlessError:
            extent = Extent(start, file.size)
        yield extent
        if extent.end >= file.size:
            return
        start, num_found = extent.end, num_found + 1


def _extent(file: Bytes, start: int) -> Extent:
    """The container that begins here."""
    whole = Extent(start, file.size)
    begin = file.read(start, 40)
    reader = next((ends for magic, ends in READERS.items() if begin.startswith(magic)), None)
    if begin[4:8] in MP4_BEGINS:
        reader = boxes
    if reader is None:
        return whole
    found = reader(file, start)
    if isinstance(found, Extent):
        if not found.in_parts:
            return found
        whole, found = replace(whole, in_parts=True), found.end
    if found is None or found <= start:  # it does not say, or makes no sense
        return whole
    if found >= file.size:
        is_cut = found - file.size > MAX_MISSING_SHARE * (found - start)
        return replace(whole, is_cut=is_cut)
    follows = file.read(found, 64)
    if follows.startswith(tuple(READERS)):
        return replace(whole, end=found)
    is_tag = follows.startswith(TAGS)
    num_left = 0 if is_tag or file.size - found < MIN_REST_BYTES else file.size - found
    return replace(whole, num_left=num_left, is_wave=begin[8:12] == b"WAVE")


class Slice(io.RawIOBase):
    """A container in a file, as if it were a file; its ``name`` is the file's."""

    def __init__(self, file: BinaryIO, extent: Extent) -> None:
        """Keep the file, which stays its owner's."""
        self._file, self._extent = file, extent
        self.name = file.name
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is, unless FFmpeg's libraries would pass over sound."""
        return not self._extent.in_parts

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file, but before the beginning: FFmpeg goes on after its number of an error."""
        length = self._extent.end - self._extent.start
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: length}[whence]
        if at < 0:
            return -errno.EINVAL
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        """As of any file."""
        left = self._extent.end - self._extent.start - self._at
        if left <= 0:  # however far: more than a file can be
            return b""
        self._file.seek(self._extent.start + self._at)
        content = self._file.read(left if size < 0 else min(size, left))
        self._at += len(content)
        return content
