"""Where a container ends, by the sizes that it says of itself: a reader for each kind.

Sizes that stand for any size are no claim. Source: the specifications of the formats; only what
tells the size is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from opentr_pipeline.audio.media_streams import size_of

TAIL_BYTES = 1 << 17
# The pages of a day of sound, or the packets of a film.
MAX_LOOKS = 5_000_000
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
VOC = b"Creative Voice File\x1a"
FLV, FLV_TAGS = b"FLV\1", (8, 9, 18)
EBML, SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
OGG_PAGE, OGG_BEGINS, OGG_ENDS = b"OggS", 2, 4
PACK, PACKS_END = bytes.fromhex("000001ba"), bytes.fromhex("000001b9")
MP4_BEGINS = (b"ftyp", b"styp")


@dataclass(frozen=True)
class Extent:
    """A container in a file, in bytes from the file's beginning.

    Attributes:
        end: where the file or the next container begins to be something else.
        is_cut: it says that it goes on where the file ends.
        num_left: bytes after the end that it says, which belong to no container; more than tags.
        is_wave: what is left is sound of the same kind: the header of a WAV is written last.
        in_parts: the sound of a WAV is in more than one chunk. FFmpeg's libraries begin with the
            last one, unless they cannot seek.
    """

    start: int
    end: int
    is_cut: bool = False
    num_left: int = 0
    is_wave: bool = False
    in_parts: bool = False


class Bytes:
    """A file that is looked into here and there."""

    def __init__(self, file: BinaryIO) -> None:
        """Keep the file, which stays its owner's."""
        self._file = file
        self._num_looks = 0
        self.size = size_of(file)

    def read(self, at: int, count: int) -> bytes:
        """So many bytes, fewer at the end.

        Raises:
            EndlessError: whoever asks has asked more often than the parts of any recording need.
        """
        self._num_looks += 1
        if self._num_looks > MAX_LOOKS:
            raise EndlessError
        self._file.seek(at)
        return self._file.read(count)

    def number(self, at: int, count: int, order: str) -> int:
        """An unsigned number, its lowest byte first (``<``) or last."""
        return int.from_bytes(self.read(at, count), "little" if order == "<" else "big")


class EndlessError(Exception):
    """A file of millions of tiny parts, made to keep us busy."""


def is_placeholder(size_bytes: int) -> bool:
    """Whether it is none, or near the largest there is, as streams and dead recorders leave it."""
    near_31_bits = 0x7FFFEF00 <= size_bytes <= 0x7FFFFFFF
    near_32_bits = 0xFFFFEF00 <= size_bytes <= 0xFFFFFFFF
    return size_bytes == 0 or near_31_bits or near_32_bits or size_bytes >= 1 << 60


def _riff(file: Bytes, start: int) -> Extent | int | None:
    order = ">" if file.read(start, 4) == b"RIFX" else "<"
    if file.read(start + 8, 4) != b"WAVE":
        return _film(file, start)
    end, num_sounds = _chunks(file, start + 12, order, _long_size(file, start))
    return end if end is None or num_sounds < 2 else Extent(start, end, in_parts=True)


def _film(file: Bytes, start: int) -> int | None:
    """An AVI, which goes on in further parts where it is long."""
    end = start
    while end == start or file.read(end, 12)[8:] == b"AVIX":
        part = file.number(end + 4, 4, "<")
        if is_placeholder(part):
            return None
        end += 8 + part + part % 2
        if end >= file.size:
            break
    return end


def _long_size(file: Bytes, start: int) -> int:
    """The size of the sound in a WAV of more than 4 GB."""
    if file.read(start, 4) in (b"RF64", b"BW64") and file.read(start + 12, 4) == b"ds64":
        return file.number(start + 28, 8, "<")
    return 0


def _chunks(file: Bytes, at: int, order: str, long_size: int) -> tuple[int | None, int]:
    """The end of the last chunk of a WAV, and how many of them are sound."""
    num_sounds = 0
    while at + 8 <= file.size and _is_name(name := file.read(at, 4)):
        if name in READERS:  # another file begins
            break
        length = file.number(at + 4, 4, order)
        if name == b"data":
            num_sounds += 1
            length = long_size if length == 0xFFFFFFFF and long_size else length
            if is_placeholder(length) and not (length == 0 and _is_wave(file, at + 8)):
                return (file.size if num_sounds > 1 else None), num_sounds
            if at + 8 + length >= file.size:
                return at + 8 + length, num_sounds
        elif at + 8 + length > file.size:  # no chunk, or tags that are cut
            break
        at += 8 + length
        # Some writers leave out the byte that makes the length even.
        at += length % 2 and not _is_name(file.read(at, 4))
    return at, num_sounds


def _is_wave(file: Bytes, at: int) -> bool:
    return file.read(at, 4) in (b"RIFF", b"RIFX") and file.read(at + 8, 4) == b"WAVE"


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= letter < 0x7F for letter in name)


def _form(file: Bytes, start: int) -> int | None:
    length = file.number(start + 4, 4, ">")
    return None if is_placeholder(length) else start + 8 + length + length % 2


def _w64(file: Bytes, start: int) -> int | None:
    length = file.number(start + 16, 8, "<")
    return None if is_placeholder(length) else start + length


def _caf(file: Bytes, start: int) -> int | None:
    at = start + 8
    while at + 12 <= file.size and _is_name(name := file.read(at, 4)) and name not in READERS:
        length = file.number(at + 4, 8, ">")
        if is_placeholder(length):
            return None
        at += 12 + length
    return at


def _au(file: Bytes, start: int) -> int | None:
    length = file.number(start + 8, 4, ">")
    return None if is_placeholder(length) else start + file.number(start + 4, 4, ">") + length


def _flv(file: Bytes, start: int) -> Extent | None:
    """That it is cut its header says, by its length."""
    at = start + 13
    while at + 11 <= file.size and file.number(at, 1, ">") & 0x1F in FLV_TAGS:
        at += 11 + file.number(at + 1, 3, ">") + 4
    return Extent(start, at) if file.read(at, 4) == FLV else None


def _voc(file: Bytes, start: int) -> Extent | int:
    at, kind = start + file.number(start + 20, 2, "<"), 0
    while at + 4 <= file.size and 0 < (kind := file.number(at, 1, "<")) <= 9:
        at += 4 + file.number(at + 1, 3, "<")
    if at > file.size:  # of which kind of block soever
        return Extent(start, file.size, is_cut=True)
    return at + 1 if at < file.size and kind == 0 else at


def _asf(file: Bytes, start: int) -> int | None:
    """The last of the objects; one without a size is a broadcast's."""
    at = start
    while at + 24 <= file.size and not (at > start and file.read(at, 16) == ASF_HEADER):
        length = file.number(at + 16, 8, "<")
        if length < 24 or is_placeholder(length):
            return None if file.read(at, 16) == ASF_DATA else at
        at += length
    return at


def _matroska(file: Bytes, start: int) -> int | None:
    header = _vint(file, start + 4)
    if header is None or file.read(header[0] + header[1], 4) != SEGMENT:
        return None
    segment = _vint(file, header[0] + header[1] + 4)
    return None if segment is None else sum(segment)


def _vint(file: Bytes, at: int) -> tuple[int, int] | None:
    """Where the content of an element begins, and its length, where it says one."""
    first = file.number(at, 1, ">")
    count = 9 - first.bit_length()
    if count > 8:
        return None
    length = file.number(at, count, ">") & ~(1 << 7 * count)
    return None if length == (1 << 7 * count) - 1 else (at + count, length)


def boxes(file: Bytes, start: int) -> Extent | int | None:
    """An MP4; that it is cut the boxes say of one in fragments, of others the index."""
    at, is_fragmented = start, False
    while at + 8 <= file.size and _is_name(name := file.read(at + 4, 4)):
        if name == b"ftyp" and at > start:
            return Extent(start, at)
        is_fragmented |= name == b"moof"
        length = file.number(at, 4, ">")
        length = file.number(at + 8, 8, ">") if length == 1 else length
        if length < 8:
            return None
        at += length
    return Extent(start, file.size, is_cut=at > file.size) if is_fragmented else None


def _ogg(file: Bytes, start: int) -> Extent | None:
    """One link of a chain; a page that the file ends within was cut, unless all had ended."""
    at, is_begun, open_streams = start, False, set[bytes]()
    while at < file.size:
        page = file.read(at, 27 + 255)
        if not page.startswith(OGG_PAGE):
            if not OGG_PAGE.startswith(page):
                at = _next_page(file, at)
                continue
            break
        if len(page) < 27:
            break
        flags, stream = page[5], page[14:18]
        if flags & OGG_BEGINS and is_begun:
            return Extent(start, at)
        is_begun |= not flags & OGG_BEGINS
        table = page[27 : 27 + page[26]]
        end = at + 27 + page[26] + sum(table)
        if end > file.size:
            break
        (open_streams.discard if flags & OGG_ENDS else open_streams.add)(stream)
        at = end
    return Extent(start, file.size, is_cut=at < file.size and bool(open_streams))


def _next_page(file: Bytes, at: int) -> int:
    """Where the next page begins, or the file ends."""
    at += 1
    while block := file.read(at, TAIL_BYTES):
        if (found := block.find(OGG_PAGE)) >= 0:
            return at + found
        at += len(block) - 3 if len(block) == TAIL_BYTES else len(block)
    return at


def _packs(file: Bytes, start: int) -> Extent | None:
    """An MPEG program stream, of which only the last packs are read."""
    begin = max(start, file.size - TAIL_BYTES)
    tail = file.read(begin, file.size - begin)
    at = tail.rfind(PACK)
    if at < 0:
        return None
    is_second = at + 4 < len(tail) and tail[at + 4] >> 6 == 1
    at += 14 + (tail[at + 13] & 7) if is_second and at + 14 <= len(tail) else 12
    while at + 6 <= len(tail) and tail.startswith(b"\0\0\1", at) and tail[at + 3] > PACKS_END[3]:
        at += 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
    return Extent(start, file.size, is_cut=at > len(tail))


READERS: dict[bytes, Callable[[Bytes, int], Extent | int | None]] = {
    b"RIFF": _riff,
    b"RIFX": _riff,
    b"RF64": _riff,
    b"BW64": _riff,
    b"FORM": _form,
    b"caff": _caf,
    b".snd": _au,
    b"OggS": _ogg,
    W64_RIFF: _w64,
    VOC: _voc,
    FLV: _flv,
    ASF_HEADER: _asf,
    EBML: _matroska,
    PACK: _packs,
}
