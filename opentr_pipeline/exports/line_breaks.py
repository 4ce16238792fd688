"""Where a text may break, in any script, and even lines of it; pure.

Chinese and Japanese break between any two characters, except where that would put closing
punctuation at the start of a line or an opening bracket at its end (kinsoku). Thai, Lao, Burmese
and Khmer would need a dictionary: they break at spaces and between the words that the model gave.
Everything else, Korean and the scripts from right to left among it, breaks at spaces. The order of
letters is never touched: whoever shows a text turns it round.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

# All white space but that which forbids a break.
SPACES = re.compile("[^\\S\u00a0\u202f\u2007]+")
# Full-width characters have the room of two and a half letters.
# Source: Netflix's guides: 42 letters a line and 20 a second in English; 16 and 9 in Chinese.
HALVES_OF_LETTER = 2
HALVES_OF_WIDE = 5
_FIRST_WIDE = "\u2e80"  # no script before the CJK radicals breaks between characters
# Source: JIS X 4051; W3C, Requirements for Japanese Text Layout (characters not starting a line).
_NEVER_FIRST = frozenset(
    "!),.:;?]}%…‥℃°"
    "、。，．！？：；）］｝〉》」』】〕〗〙〛｠｡､･゠〜～・ー々〻ゝゞヽヾ％‼⁇⁈⁉"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ"
    "،؛؟۔।॥၊။។៕ะาำๅๆฯຯະາຳໆ"  # and what closes elsewhere; vowels that follow their consonant
)
# Thai and Lao vowels that are written before the consonant they belong to.
_NEVER_LAST = frozenset("เแโใไເແໂໃໄ￥＄￡")
# Source: Unicode's property Sentence_Terminal, the scripts that Whisper writes.
_SENTENCE_ENDS = frozenset(".!?…。．！？｡؟۔।॥။។៕።፧‼⁇⁈⁉‽։;܀᠃᠉﹖﹗")
_CLAUSE_ENDS = frozenset(",;:、，；：､،؛၊፣፤–—")
_QUOTES = "\"'"
BREATH_MS = 250
MAX_ABBREVIATION = len("Prof.")
# A place to break at is worth so much of an even part's length; tried on a dozen texts.
WORTH_OF_BREATH = 0.2
WORTH_OF_CLAUSE = 0.4


@dataclass(frozen=True)
class Piece:
    """A part of a text that stays on one line.

    Attributes:
        text: without white space but that which forbids a break.
        is_spaced: whether a space parts it from the piece before.
        start_ms: from the beginning of the recording; so is ``end_ms``.
        width: in half letters.
    """

    text: str
    is_spaced: bool
    start_ms: int
    end_ms: int
    width: int


def pieces_of(words: Iterable[tuple[str, int, int]]) -> list[Piece]:
    """The pieces of words, each with its start and end in milliseconds."""
    # What a space parts is judged when it is whole: » alone closes, before a word it opens.
    merged = _merged(_merged(_fragments(words), across_spaces=False), across_spaces=True)
    return [
        Piece(one.text, one.is_spaced, one.start_ms, one.end_ms, width_of(one.text))
        for one in merged
        if not one.text.isspace()
    ]


class _Fragment(NamedTuple):
    text: str
    is_spaced: bool
    start_ms: int
    end_ms: int
    is_inside: bool  # a word, whose earlier letters are in the fragment before


def _merged(fragments: Iterable[_Fragment], *, across_spaces: bool) -> list[_Fragment]:
    """Fragments put together again where no line may end between them."""
    merged: list[_Fragment] = []
    for one in fragments:
        last = merged[-1] if merged else None
        if last and one.is_spaced == across_spaces and not _may_part(last, one):
            text = last.text + " " * one.is_spaced + one.text
            merged[-1] = last._replace(text=text, end_ms=one.end_ms)
        else:
            merged.append(one)
    return merged


def _fragments(words: Iterable[tuple[str, int, int]]) -> Iterator[_Fragment]:
    """The words cut at white space, and where their own letters allow it."""
    is_spaced = False
    for text, start_ms, end_ms in words:
        chunks = SPACES.split(text)
        place, length = 0, sum(map(len, chunks))
        for number, chunk in enumerate(chunks):
            is_spaced = is_spaced or number > 0
            for count, part in enumerate(_cut(chunk)):
                since_ms = start_ms + (end_ms - start_ms) * place // length
                place += len(part)
                until_ms = start_ms + (end_ms - start_ms) * place // length
                yield _Fragment(part, is_spaced, since_ms, until_ms, count > 0)
                is_spaced = False


def _cut(chunk: str) -> Iterator[str]:
    if chunk and max(chunk) < _FIRST_WIDE:
        yield chunk
        return
    begin = 0
    for place in range(1, len(chunk) + 1):
        if place == len(chunk) or _may_follow(chunk[place - 1], chunk[place], False, True):
            yield chunk[begin:place]
            begin = place


def _may_part(left: _Fragment, right: _Fragment) -> bool:
    if right.is_spaced and (_is_only(right.text, "Pf") or _is_only(left.text, "Pi")):
        return False  # some languages put a space inside their quotation marks
    return _may_follow(left.text[-1], right.text[0], right.is_spaced, right.is_inside)


def _may_follow(last: str, first: str, is_spaced: bool, is_inside: bool) -> bool:
    """Whether a line may end with one letter and the next begin with another."""
    if first.isspace() or last.isspace():  # those that forbid a break
        return False
    if first in _NEVER_FIRST or unicodedata.category(first) in ("Pe", "Mn", "Mc", "Me", "Cf", "Sk"):
        return False
    if last in _NEVER_LAST or last == "\u200d" or unicodedata.category(last) == "Ps":
        return False
    if is_spaced:
        return True
    if unicodedata.category(first) == "Pf" or unicodedata.category(last) == "Pi":
        return False
    both = (last, first)
    return any(map(_is_ideograph, both)) or (not is_inside and any(map(_is_unspaced, both)))


def _is_only(text: str, category: str) -> bool:
    return all(unicodedata.category(letter) == category for letter in text)


@cache
def _is_ideograph(letter: str) -> bool:
    """Whether a character is of those that lines may break between, which Hangul is not."""
    is_hangul = "\uac00" <= letter <= "\ud7ff" or "\u3130" <= letter <= "\u318f"
    is_wide = unicodedata.east_asian_width(letter) in "WFH"
    return letter >= _FIRST_WIDE and is_wide and not is_hangul


def _is_unspaced(letter: str) -> bool:
    """Thai, Lao and Tibetan, Burmese, Khmer. Source: the blocks of The Unicode Standard."""
    return any(
        first <= letter <= last for first, last in ("\u0e00\u0fff", "\u1000\u109f", "\u1780\u17ff")
    )


def width_of(text: str) -> int:
    """The room that a text takes, in half letters; marks take none."""
    return len(text) * HALVES_OF_LETTER if text.isascii() else sum(map(_width, text))


@cache
def _width(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    is_wide = unicodedata.east_asian_width(letter) in "WF"
    return HALVES_OF_WIDE if is_wide else HALVES_OF_LETTER


def ends_sentence(piece: Piece, following: Piece | None) -> bool:
    """Whether a sentence ends with a piece.

    A full stop ends none before a small letter, nor, unless the speaker takes a breath, after a
    short word with a capital: Dr., St., J.
    """
    text = _without_quotes(piece.text)
    if not text or text[-1] not in _SENTENCE_ENDS:
        return False
    if following is None or text[-1] != ".":
        return True
    is_short = len(text) <= MAX_ABBREVIATION and text[0].isupper()
    return not (following.text[0].islower() or (is_short and not has_breath(piece, following)))


def has_breath(piece: Piece, following: Piece) -> bool:
    """Whether the speaker pauses a little between two pieces."""
    return following.start_ms - piece.end_ms >= BREATH_MS


def ends_clause(piece: Piece) -> bool:
    """Whether punctuation parts a piece from what follows."""
    text = _without_quotes(piece.text)
    return bool(text) and (text[-1] in _CLAUSE_ENDS or text[-1] in _SENTENCE_ENDS)


def _without_quotes(text: str) -> str:
    """A text without the quotation marks and brackets that close it."""
    while text and (text[-1] in _QUOTES or unicodedata.category(text[-1]) in ("Pe", "Pf")):
        text = text[:-1]
    return text


def num_fitting(pieces: Sequence[Piece], begin: int, length: int, max_lines: int) -> int:
    """How many pieces from one on fit; at least one, however long.

    Args:
        pieces: of a text.
        begin: index of the first.
        length: of a line, in letters.
        max_lines: at least 1.
    """
    num_lines, room = 0, 0
    for count in range(len(pieces) - begin):
        piece = pieces[begin + count]
        needed = piece.width + HALVES_OF_LETTER * piece.is_spaced
        if count and needed <= room:
            room -= needed
            continue
        num_lines += 1
        if num_lines > max_lines and count:
            return count
        room = length * HALVES_OF_LETTER - piece.width
    return len(pieces) - begin


def best_place(pieces: Sequence[Piece], ends: Sequence[int], parts: int) -> int:
    """Where best to break a text: near an even share, after punctuation, where a breath is taken.

    Args:
        pieces: of the text.
        ends: the indices to choose from, each before the last piece.
        parts: how many parts the text is to be broken into.
    """
    share = max(1, _width_of_line(pieces)) / parts

    def worth(end: int) -> float:
        last, following = pieces[end - 1 : end + 1]
        bonus = WORTH_OF_CLAUSE * ends_clause(last) + WORTH_OF_BREATH * has_breath(last, following)
        return bonus - abs(_width_of_line(pieces[:end]) - share) / share

    return max(ends, key=worth)


def _width_of_line(pieces: Sequence[Piece]) -> int:
    spaces = sum(piece.is_spaced for piece in pieces[1:])
    return sum(piece.width for piece in pieces) + HALVES_OF_LETTER * spaces


def even_lines(pieces: Sequence[Piece], length: int) -> tuple[str, ...]:
    """As few lines as there can be, of even length, broken after punctuation where there is some.

    Args:
        pieces: of a cue.
        length: of a line, in letters.
    """
    lines = []
    for left in range(_num_lines(pieces, length), 1, -1):
        longest = num_fitting(pieces, 0, length, 1)
        ends = [
            end for end in range(1, longest + 1) if _num_lines(pieces[end:], length) == left - 1
        ]
        end = best_place(pieces, ends, left)
        lines.append(line_of(pieces[:end]))
        pieces = pieces[end:]
    return (*lines, line_of(pieces))


def _num_lines(pieces: Sequence[Piece], length: int) -> int:
    num_lines = begin = 0
    while begin < len(pieces):
        begin += num_fitting(pieces, begin, length, 1)
        num_lines += 1
    return num_lines


def line_of(pieces: Sequence[Piece]) -> str:
    """The text of pieces on one line."""
    return "".join(" " * piece.is_spaced + piece.text for piece in pieces).lstrip(" ")
