"""Where words are, as text that a browser reads without a library; pure.

A posting is a part of a recording and how often the word is in it. Parts are ascending, so that
the steps between them are small numbers, and those are one or two characters each: five bits in a
character, the sixth says that more follow (the numbers of source maps). Source: ECMA-426.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# How often a word is in a part: once, more than once, from four times on, from eight.
WEIGHTS = 4
# Of a file of terms, in characters: small files are fetched sooner, and are more of them.
TERM_FILE_SIZE = 12_000

# A term's last part, and its postings.
Postings = tuple[int, str]


def written(number: int) -> str:
    """A number that is not negative, as text."""
    text = ""
    while number >= 32:
        text += DIGITS[number % 32 + 32]
        number //= 32
    return text + DIGITS[number]


def _first(text: str) -> tuple[int, int]:
    """The first number of a text, and how many characters it takes."""
    number, factor = 0, 1
    for place, character in enumerate(text):
        digit = DIGITS.index(character)
        number += digit % 32 * factor
        if digit < 32:
            return number, place + 1
        factor *= 32
    raise ValueError(f"{text!r} ends inside a number")


def weight_of(count: int) -> int:
    """How often a word is in a part, as one of ``WEIGHTS`` classes."""
    return min(WEIGHTS - 1, count.bit_length() - 1)


def postings_of(counts: Iterable[tuple[int, int]]) -> Postings:
    """The postings of a term.

    Args:
        counts: parts, ascending, and how often the term is in each.
    """
    last, texts = -1, []
    for part, count in counts:
        texts.append(written((part - last - 1) * WEIGHTS + weight_of(count)))
        last = part
    return last, "".join(texts)


def joined(units: Sequence[tuple[Mapping[str, Postings], int]]) -> dict[str, str]:
    """The postings of several units, whose parts are counted on from one to the next.

    Args:
        units: each with its postings by term, and the number of its parts.
    """
    lasts: dict[str, int] = {}
    texts: dict[str, list[str]] = {}
    offset = 0
    for by_term, num_parts in units:
        for term, (last, text) in by_term.items():
            step = offset - lasts.get(term, -1) - 1
            lasts[term] = last + offset
            texts.setdefault(term, []).append(_moved(text, step) if step else text)
        offset += num_parts
    return {term: "".join(parts) for term, parts in texts.items()}


def _moved(text: str, step: int) -> str:
    first, length = _first(text)
    return written(first + step * WEIGHTS) + text[length:]


def term_files_of(postings: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Terms in the order of their characters, in files of some size.

    Sorted as browsers sort: by UTF-16, in which what is beyond the first 65,536 characters comes
    before the last of these.
    """
    terms: dict[str, str] = {}
    size = 0
    for term in sorted(postings, key=lambda term: term.encode("utf-16-be", "surrogatepass")):
        terms[term] = postings[term]
        size += len(term) + len(postings[term]) + 6
        if size >= TERM_FILE_SIZE:
            yield terms
            terms, size = {}, 0
    if terms:
        yield terms
