"""References: what is really said, written beside the media, and the errors measured by them.

``NAME.reference.txt``, ``.srt`` or ``.vtt``; NAME is the media file's name, with its extension or
without. This is the door of jiwer and pysubs2.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from opentr_pipeline.archive.beside import TextBeside, bytes_beside, decoded, find_beside
from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.archive.storage import Storage
from opentr_pipeline.errors import ReferenceTextError
from opentr_pipeline.settings.addresses import Place

# Where there are several, the first counts.
SUFFIXES = (".reference.txt", ".reference.srt", ".reference.vtt")
NOUN = "reference"
# Written without spaces between words; each character counts as a word does elsewhere: Thai, Lao,
# Tibetan, Myanmar, Khmer, Japanese and Chinese.
# Source: the blocks of The Unicode Standard.
UNSPACED = re.compile(
    "([\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
APOSTROPHES = str.maketrans("", "", "'`´ʼ‘’＇")
# Times of single words in WebVTT; two in a line make pysubs2 1.8 take it for the times of a cue.
TIME_TAGS = re.compile(r"<[\d:.]+>")
# What begins no sign of form is said; a sign that no text has stands for it meanwhile.
NO_TAG = re.compile(r"<(?!/?(?:[ibuscv]|font|ruby|rt|lang)(?:[\s.>]|$)|[\d:.]+>)", re.IGNORECASE)
LESS = "\x04"
# A number in a line of its own is said, unless it is that of a cue; the same for it.
NUMBER, SAID_NUMBER = re.compile(r" *\d+ *"), "\x05"
TIMES = re.compile(r"\s*[\d:.,]+\s*-->\s*[\d:.,]+")
# Of WebVTT: a note to whoever edits the file.
NOTE = re.compile(r"(?:^|(?<=\n\n))NOTE(?:[ \t].*)?\n(?:.+(?:\n|$))*")
EMPTY_LINES = re.compile(r"\n{3,}")
# Of the interval of a word error rate, drawn again and again from the recordings.
# Source: Bisani and Ney, Bootstrap estimates for confidence intervals in ASR performance
# evaluation, ICASSP 2004.
NUM_RESAMPLES = 1000
MAX_DRAWN_AT_ONCE = 1_000_000  # recordings; 16 MB
INTERVAL_PERCENTILES = (2.5, 97.5)
RESAMPLING_SEED = 20_040_517  # any; the same data give the same interval


def find_references(archive: Place, partitioning: Partitioning) -> dict[str, list[TextBeside]]:
    """The references in the archive, by the partition of the media beside them.

    Reads folders, and the size and time of what matters; one without media beside it is nobody's.
    """
    return find_beside(archive, partitioning, SUFFIXES)


def read_reference(storage: Storage, path: str) -> list[str]:
    """The words of a reference, ready to be compared.

    Raises:
        ReferenceTextError: it cannot be read, is too large, is no text, or holds no words.
    """
    text = decoded(bytes_beside(storage, path, NOUN), NOUN)
    kind = PurePosixPath(path).suffix.lower().lstrip(".")
    if kind != "txt":
        text = "\n".join(cue.text for cue in subtitle_cues(text, kind))
    words = comparable_words(text)
    if not words:
        raise ReferenceTextError("The reference holds no words.")
    return words


class Cue(NamedTuple):
    """What subtitles say at a time.

    Attributes:
        text: without signs of form; lines within it are parted.
        start_s: as it is given, however rough.
    """

    text: str
    start_s: float
    end_s: float


def subtitle_cues(text: str, kind: str) -> list[Cue]:
    """The cues of subtitles.

    Args:
        text: of the file.
        kind: ``srt`` or ``vtt``.
    """
    import pysubs2

    # In what is left open, and in rows of empty lines, pysubs2 1.8 looks for an end from each one.
    lines = NO_TAG.sub(LESS, text).splitlines()
    whole = EMPTY_LINES.sub("\n\n", "\n".join(map(_closed, lines)))
    whole = NOTE.sub("", whole) if kind == "vtt" else whole
    closed = "\n".join(_said_lines(whole.split("\n"), kind))
    subtitles = pysubs2.SSAFile.from_string(TIME_TAGS.sub("", closed), format_=kind)
    return [
        Cue(_unmarked(event.plaintext), event.start / 1000, event.end / 1000)
        for event in subtitles
        if event.is_text
    ]


def _said_lines(lines: Sequence[str], kind: str) -> Iterator[str]:
    """Lines without the names of cues; a number that is said is marked, else it is taken for one.

    pysubs2 1.8 takes each number that ends a cue for that of the next one, and other names of cues
    for words of the cue before. An empty line may part a number from the times below it.
    """
    for number, line in enumerate(lines):
        is_alone = not "".join(lines[max(0, number - 1) : number]).strip()
        is_number = bool(NUMBER.fullmatch(line))
        after = lines[number + 1 : number + (3 if is_number and is_alone else 2)]
        is_before_times = bool(TIMES.match(next(filter(str.strip, after), "")))
        if is_number and not is_before_times:
            yield SAID_NUMBER + line
        elif not (is_before_times and kind == "vtt" and is_alone):
            yield line


def _unmarked(text: str) -> str:
    return html.unescape(text).replace(LESS, "<").replace(SAID_NUMBER, "")


def _closed(line: str) -> str:
    """A line without the signs that begin what does not end in it."""
    for opening, closing in ("{}", "<>"):
        whole, end, rest = line.rpartition(closing)
        line = whole + end + rest.replace(opening, "")
    return line


def comparable_words(text: str) -> list[str]:
    """The words of a text in any language, without case, punctuation and forms of a letter.

    In scripts without spaces each character is one, so that the word error rate over them is the
    character error rate.
    """
    # Some letters fold into a form that is not composed; hence twice.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (
        character if unicodedata.category(character)[0] in "LMN" else " "
        for character in folded.translate(APOSTROPHES)
    )
    return UNSPACED.sub(r" \1 ", "".join(kept)).split()


def num_errors(reference: Sequence[str], said: Sequence[str]) -> int:
    """Words to replace, add and remove until a transcript says what its reference does.

    Args:
        reference: at least one word.
        said: from ``comparable_words``.
    """
    import jiwer

    compared = jiwer.process_words(" ".join(reference), " ".join(said))
    return compared.substitutions + compared.deletions + compared.insertions


@dataclass(frozen=True)
class WordErrors:
    """How wrong some recordings are by their references.

    Attributes:
        rate: errors of a word; 0.1 is one word in ten.
        low: where the interval begins that 95 in 100 such intervals have the true rate in; None
            where the recordings leave it open: fewer than two of them, or without any error.
        high: where it ends.
    """

    num_recordings: int
    num_words: int
    num_errors: int
    rate: float
    low: float | None = None
    high: float | None = None


def word_errors(counted: Iterable[tuple[int, int]]) -> WordErrors | None:
    """The word error rate of some recordings, with its interval; None without any.

    Recordings are drawn, not words: the errors of a recording come together.

    Args:
        counted: of each recording the words of its reference, at least one, and the errors.
    """
    import numpy as np

    rows = np.array(sorted(counted), dtype=np.int64).reshape(-1, 2)
    if not len(rows):
        return None
    num_words, errors = rows.sum(axis=0).tolist()
    whole = (len(rows), num_words, errors, errors / num_words)
    if len(rows) < 2 or not errors:
        return WordErrors(*whole)
    random = np.random.default_rng(RESAMPLING_SEED)
    num_at_once = min(NUM_RESAMPLES, max(1, MAX_DRAWN_AT_ONCE // len(rows)))
    sums = [
        rows[random.integers(len(rows), size=(num_at_once, len(rows)))].sum(axis=1)
        for _ in range(-(-NUM_RESAMPLES // num_at_once))
    ]
    words_drawn, errors_drawn = np.concatenate(sums)[:NUM_RESAMPLES].T
    low, high = np.percentile(errors_drawn / words_drawn, INTERVAL_PERCENTILES).tolist()
    return WordErrors(*whole, low, high)
