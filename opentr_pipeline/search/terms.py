"""What is searched for, and where it stands in a text: the same for any language; pure.

A text becomes tokens: words without case, marks on letters and punctuation; of scripts without
spaces between words, single characters. Everything that a query means is defined on them. The index
gets pairs of neighbouring characters in place of single ones, which are much rarer, and each
character once, for those who look for nothing else.
"""

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from opentr_pipeline.errors import QueryError

# First and last characters of scripts that are written without spaces between words.
# Source: Unicode's blocks (Thai, Lao, Tibetan, Myanmar, Khmer, kana and ideographs).
UNSPACED = (
    (0x0E00, 0x0FFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
# What people leave out when they type: accents, the points of Hebrew, of Arabic the vowels, hamza
# on a letter and what makes words longer. Vowel signs of other scripts are letters to readers.
# Source: Unicode's blocks.
MARKS = frozenset(
    {
        *range(0x0300, 0x0370),
        *(set(range(0x0591, 0x05C8)) - {0x05BE, 0x05C0, 0x05C3, 0x05C6}),
        *(0x0640, *range(0x064B, 0x0656), 0x0670),
    }
)
# Letters that Unicode does not take apart, as people type them who have no such key.
PLAIN = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})
# Half as wide, with their voicing in a character of its own; nobody speaks so, some type it.
_HALF_WIDTH = re.compile("[\uff61-\uff9f]+")
# A query that is longer is a text, not a question.
MAX_TERMS = 32
_TERM = re.compile(r'["“”„](?P<phrase>[^"“”„]*)(?:["“”„]|$)|(?P<word>[^\s"“”„]+)')


@cache
def _is_unspaced(codepoint: int) -> bool:
    return any(first <= codepoint <= last for first, last in UNSPACED)


def is_character(token: str) -> bool:
    """Whether a token is a character of a script without spaces."""
    return len(token) == 1 and _is_unspaced(ord(token))


class _Folding(dict[int, str]):
    """What becomes of each character, worked out when it is first met."""

    def __missing__(self, codepoint: int) -> str:
        folded = unicodedata.normalize("NFKD", chr(codepoint)).casefold()
        kept = "".join(one for one in folded if ord(one) not in MARKS)
        plain = unicodedata.normalize("NFC", kept).translate(PLAIN)
        made = "".join(map(self._one, plain))
        if " " in made:  # tokens of their own: characters of unspaced scripts, and such as ½
            made = f" {' '.join(made.split())} " if made.split() else " "
        self[codepoint] = made
        return made

    def _one(self, character: str) -> str:
        kind = unicodedata.category(character)
        if kind == "Cf":  # joiners and soft hyphens are inside words
            return ""
        if kind[0] not in "LMN":
            return " "
        return f" {character} " if _is_unspaced(ord(character)) else character


_FOLDING = _Folding()


@dataclass(frozen=True)
class Term:
    """Tokens that must follow each other; of the last one only the beginning where it is open."""

    tokens: tuple[str, ...]
    is_open: bool = False


def readable_form(text: str) -> str:
    """The text with composed characters: what tokens are made of, and what is shown."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def tokens_of(text: str) -> list[str]:
    """The tokens of a text."""
    return readable_form(text).translate(_FOLDING).split()


def terms_of(query: str) -> tuple[Term, ...]:
    """What a query asks for: phrases in quotation marks, words, beginnings of words (``light*``).

    Raises:
        QueryError: it holds no word, or too many.
    """
    found: dict[Term, None] = {}
    wide = _HALF_WIDTH.sub(lambda some: unicodedata.normalize("NFKC", some[0]), query)
    for match in _TERM.finditer(wide):
        word = match["word"] or ""
        if tokens := tuple(tokens_of(match["phrase"] or word)):
            found[Term(tokens, word.endswith("*"))] = None
    if not found:
        raise QueryError(f"The query {query!r} holds no word; type some, such as light*.")
    if len(found) > MAX_TERMS:
        raise QueryError(
            f"The query has {len(found)} words, {MAX_TERMS} are the most; put those that follow "
            "each other in quotation marks."
        )
    return tuple(found)


def indexed(tokens: Sequence[str]) -> list[str]:
    """The tokens as the index has them: an unspaced character together with the next one."""
    made = list(tokens)
    if "".join(made).isascii():
        return made
    unspaced = list(map(is_character, tokens))
    for place in range(len(made) - 1):
        if unspaced[place] and unspaced[place + 1]:
            made[place] += tokens[place + 1]
    return made


def characters_of(tokens: Iterable[str]) -> set[str]:
    """The tokens that are characters of scripts without spaces."""
    return set(filter(is_character, tokens))


def index_query(term: Term) -> str:
    """A term in the language of SQLite's FTS5."""
    words, is_open = indexed(term.tokens), term.is_open
    last = words[-1]
    if is_character(last):
        # Its pair is whatever follows, and where it is in a pair already it needs no more.
        is_paired = len(words) > 1 and len(words[-2]) == 2 and words[-2][1] == last
        words, is_open = (words[:-1], False) if is_paired else (words, True)
    return '"{}"{}'.format(" ".join(words), "*" if is_open else "")


def places_of(term: Term, tokens: list[str]) -> Iterator[int]:
    """Where a term begins among the tokens of a text."""
    *before, last = term.tokens
    for place in _places_of_first(term, tokens):
        end = place + len(before)
        if tokens[place:end] != before or end >= len(tokens):
            continue
        if tokens[end] == last or (term.is_open and tokens[end].startswith(last)):
            yield place


def _places_of_first(term: Term, tokens: list[str]) -> Iterator[int]:
    first = term.tokens[0]
    if term.is_open and len(term.tokens) == 1:
        yield from (place for place, token in enumerate(tokens) if token.startswith(first))
        return
    place = -1
    with contextlib.suppress(ValueError):
        while True:
            place = tokens.index(first, place + 1)
            yield place


def spans_of(text: str) -> Iterator[tuple[int, int]]:
    """Where each token of a readable text stands: its first character, and the one after it."""
    first = None
    for place, character in enumerate(text):
        folded = _FOLDING[ord(character)]
        if " " in folded:
            if first is not None:
                yield first, place
            first = None
            yield from ((place, place + 1) for _ in folded.split())
        elif folded and first is None:
            first = place
    if first is not None:
        yield first, len(text)
