"""Transcripts that exist already, beside the media: ``NAME.txt``, ``.docx``, ``.srt``, ``.vtt``.

NAME is the media file's name, with its extension or without.
"""

import hashlib
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

from opentr_pipeline.archive import references
from opentr_pipeline.archive.beside import TextBeside, bytes_beside, decoded, find_beside
from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.archive.storage import Storage
from opentr_pipeline.errors import ReferenceTextError
from opentr_pipeline.settings.addresses import Place

# Where there are several, the first counts: subtitles are written to the sound.
SUFFIXES = (".vtt", ".srt", ".docx", ".txt")
NOUN = "transcript beside the media"
# What the sound of three days says as a document of Word takes a fifth of it.
MAX_XML_BYTES = 50_000_000
DOCUMENT = "word/document.xml"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# A name before a colon at the beginning of a line, of four words at most.
NAMED_LINE = re.compile(r"\s*([^\W\d_][\w.'’-]*(?: [\w.'’-]+){0,3}):(?:\s+|$)")
MAX_NAME_LENGTH = 40
# What one begins with never stands inside another, so that a damaged file is read in one go.
VOICE_TAG = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>\s][^<>\n]*)>")
# Stand for a voice tag while the other signs of subtitles are taken away.
VOICE = "\x02{}\x03"
VOICES = re.compile("\x02([^\x02\x03]*)\x03")


# From when to when, in seconds.
Span = tuple[float, float]


@dataclass(frozen=True)
class Passage:
    """A line of a text, or what one person says in a cue.

    Attributes:
        text: as it is given, without the name in front.
        speaker: who says it, where the text names them; else empty.
        span_s: from when to when, roughly, where the text says so.
    """

    text: str
    speaker: str = ""
    span_s: Span | None = None


@dataclass(frozen=True)
class ProvidedText:
    """A transcript that exists already.

    Attributes:
        path: in the archive.
        fingerprint: SHA-256 of the file.
    """

    path: str
    fingerprint: str
    passages: tuple[Passage, ...]


def find_provided(archive: Place, partitioning: Partitioning) -> dict[str, list[TextBeside]]:
    """The transcripts in the archive, by the partition of the media beside them.

    Reads folders, and the size and time of what matters.
    """
    return find_beside(archive, partitioning, SUFFIXES, others=references.SUFFIXES)


def fingerprint(storage: Storage, path: str) -> str:
    """SHA-256 of a transcript that exists already.

    Raises:
        ReferenceTextError: it cannot be read, or is too large.
    """
    return hashlib.sha256(bytes_beside(storage, path, NOUN)).hexdigest()


def read_provided(storage: Storage, path: str) -> ProvidedText:
    """A transcript that exists already.

    Raises:
        ReferenceTextError: it cannot be read, is too large, is not what its name says, or holds
            no words.
    """
    raw = bytes_beside(storage, path, NOUN)
    kind = PurePosixPath(path).suffix.lower().lstrip(".")
    if kind in ("srt", "vtt"):
        tagged = VOICE_TAG.sub(lambda tag: VOICE.format(tag[1].strip()), decoded(raw, NOUN))
        passages = _named_cues(references.subtitle_cues(tagged, kind))
    else:
        text = document_text(raw) if kind == "docx" else decoded(raw, NOUN)
        passages = _named([(line, None) for line in text.splitlines()], goes_on=True)
    found = tuple(passage for passage in passages if passage.text.strip())
    if not any(references.comparable_words(passage.text) for passage in found):
        raise ReferenceTextError(f"The {NOUN} holds no words.")
    return ProvidedText(path, hashlib.sha256(raw).hexdigest(), found)


def _named(lines: Sequence[tuple[str, Span | None]], *, goes_on: bool) -> Iterator[Passage]:
    """Lines with who says them: named in capitals, or in front of several lines.

    Args:
        lines: as they are, with when they are said, where that is known.
        goes_on: whether a line without a name is said by who was named last.
    """
    matches = [NAMED_LINE.match(line) for line, _ in lines]
    counts = Counter(match[1] for match in matches if match)
    speaker = ""
    for (line, span_s), match in zip(lines, matches, strict=True):
        is_name = match is not None and len(match[1]) <= MAX_NAME_LENGTH
        if match and is_name and (match[1].isupper() or counts[match[1]] > 1):
            speaker = match[1]
            yield Passage(line[match.end() :], speaker, span_s)
        else:
            yield Passage(line, speaker if goes_on else "", span_s)


def _named_cues(cues: Iterable[references.Cue]) -> Iterator[Passage]:
    plain: list[tuple[str, Span | None]] = []
    for cue in cues:
        span_s = cue.start_s, cue.end_s
        if not VOICES.search(cue.text):
            plain.append((cue.text, span_s))
            continue
        yield from _named(plain, goes_on=False)
        plain.clear()
        before, *tagged = VOICES.split(cue.text)
        yield Passage(before, span_s=span_s)
        for name, text in zip(tagged[::2], tagged[1::2], strict=True):
            yield Passage(text, name, span_s)
    yield from _named(plain, goes_on=False)


def document_text(raw: bytes, noun: str = NOUN) -> str:
    """The paragraphs of a document of Word, a line each.

    Args:
        raw: the document.
        noun: what it is to who reads that it is none.

    Raises:
        ReferenceTextError: it is none, or is too large when it is unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as document, document.open(DOCUMENT) as stream:
            xml = stream.read(MAX_XML_BYTES + 1)
        # Whoever writes one has no need of entities, which can be made to fill the memory.
        if len(xml) > MAX_XML_BYTES or b"<!DOCTYPE" in xml:
            raise ValueError("too large")
        return "".join(_said_in(ElementTree.fromstring(xml)))
    except (
        *(zipfile.BadZipFile, KeyError, ValueError, ElementTree.ParseError, RuntimeError),
        *(NotImplementedError, OSError, EOFError, RecursionError, zlib.error),
    ):
        raise ReferenceTextError(
            f"The {noun} is no document of Word that can be read; save it as text in UTF-8."
        ) from None


def _said_in(element: ElementTree.Element) -> Iterator[str]:
    """The text of an element; what was deleted by tracked changes is not in it."""
    tag = element.tag
    if tag == f"{_WORD}t":
        yield element.text or ""
    elif tag == f"{_WORD}tab":
        yield "\t"
    elif tag in (f"{_WORD}br", f"{_WORD}cr"):
        yield "\n"
    elif tag == f"{_WORD}noBreakHyphen":
        yield "-"
    elif tag not in (f"{_COMPATIBILITY}Fallback", f"{_WORD}tabs", f"{_WORD}moveFrom"):
        for inner in element:
            yield from _said_in(inner)
        if tag == f"{_WORD}p":
            yield "\n"
