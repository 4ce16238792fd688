"""How times, sizes, shares and paths are written for people; pure."""

import os
import re
from datetime import UTC, datetime

# What moves a cursor, breaks a line or turns text round, and is not shown itself: C0, C1, the
# separators of lines and paragraphs, the embeddings, overrides and isolates of bidirectional text;
# and bytes that are no text. Source: Unicode, general categories Cc, Zl, Zp; UAX #9, table 4.
_UNSEEN = "\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_INVISIBLE = re.compile(f"[\n{_UNSEEN}]")
_INVISIBLE_IN_LINE = re.compile(f"[{_UNSEEN}]")
# Select Graphic Rendition. Source: ECMA-48, 8.3.117.
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# What would read as an escape of ours, and is none.
_LIKE_AN_ESCAPE = re.compile(r"\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})")
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")


def hours(seconds: float) -> str:
    """Hours with enough digits to see small ones move."""
    value = seconds / 3600
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def number_text(number: int, noun: str) -> str:
    """``1 partition``, ``3 partitions``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def duration_text(seconds: float) -> str:
    """``0:07``, ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def now() -> str:
    """The time as ``Transcript.transcribed_at`` keeps it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def uncoloured(text: str) -> str:
    """A line of a program that writes its colours into files too."""
    return _COLOUR.sub("", text)


def visible(text: str) -> str:
    r"""Text of others as one line of a terminal or a log: control characters as ``\x1b``."""
    return _INVISIBLE.sub(_escape, text)


def visible_lines(text: str) -> str:
    """The same for text whose line breaks are ours."""
    return _INVISIBLE_IN_LINE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xDC80 <= number < 0xDD00:  # how Python keeps a byte that is not UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x80 else f"\\u{number:04x}"


def readable(path: str) -> str:
    r"""A path of the archive as text that any table, terminal or file name takes.

    What ``visible`` makes visible is, bytes that are not UTF-8 are ``\xe9``, and a backslash that
    would make ordinary letters look like that is ``\x5c``. So no two paths become the same, and
    ``path_of`` gives each back.
    """
    return visible(_LIKE_AN_ESCAPE.sub(r"\\x5c", path))


def path_of(text: str) -> str:
    """The path that ``readable`` made text of, as the file system has it."""
    return os.fsdecode(_ESCAPE.sub(_unescape, text.encode(errors="surrogateescape")))


def _unescape(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else chr(int(found[2], 16)).encode()


def length_text(seconds: float) -> str:
    """An amount of sound: ``48 s``, ``12 min``, ``3.4 h``, ``12,345 h``."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 59.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h" if seconds < 100 * 3600 else f"{seconds / 3600:,.0f} h"


def percent_text(share: float | None) -> str:
    """A share: ``7.5 %``, ``93 %``; never 100 % where something is missing."""
    if share is None:
        return "–"
    if 0.0 < share < 0.1 or 0.99 <= share < 1.0:
        return f"{min(100 * share, 99.9):.1f} %"
    return f"{100 * share:.0f} %"


def size_text(num_bytes: int) -> str:
    """``812 kB``, ``1.4 GB``."""
    if num_bytes < 1e6:
        return f"{num_bytes / 1e3:,.0f} kB"
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes < 1e9 else f"{num_bytes / 1e9:,.1f} GB"


def gigabytes(num_bytes: float) -> str:
    """For people: ``3.5 GB``."""
    return f"{num_bytes / 1e9:.1f} GB"
