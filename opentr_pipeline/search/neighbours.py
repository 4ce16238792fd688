"""Which words stand next to each other in which part, so that no part is fetched in vain; pure.

The words of a phrase may be in every part, and next to each other in one. Of each part the index
knows its pairs of neighbouring words, and threes of characters of scripts without spaces, whose
pairs are terms. What is known of them is a number, to which a few others lead as well: numbers need
no list of pairs, which would be most of the index, and a browser looks the part through anyway.

Parts by number are text, as in ``postings``, without weights: a comma after those of each number,
``PER_FILE`` numbers in a file.
"""

import itertools
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from opentr_pipeline.search.postings import DIGITS
from opentr_pipeline.search.terms import is_character

if TYPE_CHECKING:
    import numpy as np

    # uint32, shape (n,).
    Numbers = np.ndarray[Any, Any]

# Of a number; with 20 a part of 2,000 words has one in 600 of them.
MAX_BITS = 20
# Numbers whose parts are in one file: some 8 KB in a full volume.
FILE_BITS = 9
PER_FILE = 1 << FILE_BITS


def numbers_of(tokens: Sequence[str]) -> set[int]:
    """The numbers of what stands next to each other in a text, of ``MAX_BITS``."""
    spell = _spelled_ascii if "".join(tokens).isascii() else _spelled
    return {zlib.crc32(one.encode()) >> 32 - MAX_BITS for one in spell(tokens)}


def _spelled_ascii(tokens: Sequence[str]) -> Iterator[str]:
    return map(" ".join, itertools.pairwise(tokens))


def _spelled(tokens: Sequence[str]) -> Iterator[str]:
    are_characters = [*map(is_character, tokens), False]
    for place in range(len(tokens) - 1):
        if not (are_characters[place] and are_characters[place + 1]):
            yield f"{tokens[place]} {tokens[place + 1]}"
        elif are_characters[place + 2]:
            yield " ".join(tokens[place : place + 3])


def noted(by_part: Sequence[set[int]]) -> bytes:
    """The numbers of some parts, as they are kept until they are joined."""
    import numpy as np

    sizes = np.array([len(by_part), *map(len, by_part)], "<u4")
    numbers = [np.fromiter(sorted(some), "<u4", len(some)) for some in by_part]
    return b"".join(map(bytes, [sizes, *numbers]))


def _read(content: bytes) -> tuple["Numbers", "Numbers"]:
    """How many numbers each part has, and all of them."""
    import numpy as np

    words = np.frombuffer(content, "<u4")
    end = 1 + int(words[0])
    return words[1:end], words[end:]


def bits_of(units: Sequence[bytes]) -> int:
    """How many bits of a number are enough; with more, most numbers would have no part."""
    num_numbers = sum(len(numbers) for _, numbers in map(_read, units))
    return min(MAX_BITS, max(FILE_BITS, num_numbers.bit_length()))


def joined(units: Sequence[bytes]) -> Iterator[str]:
    """The content of each file of several units, whose parts are counted on."""
    import numpy as np

    read, bits = list(map(_read, units)), bits_of(units)
    none = np.zeros(0, "<u4")
    sizes = np.concatenate([none, *(some for some, _ in read)])
    numbers = np.concatenate([none, *(some for _, some in read)]) >> MAX_BITS - bits
    parts = np.repeat(np.arange(len(sizes)), sizes)
    keys = np.unique(numbers.astype(np.int64) * max(1, len(sizes)) + parts)
    yield from _files(*np.divmod(keys, max(1, len(sizes))), 1 << bits)


def _files(numbers: "Numbers", parts: "Numbers", num_numbers: int) -> Iterator[str]:
    """Steps between the parts of each number, written as ``postings.written`` does."""
    import numpy as np

    is_first = np.concatenate([[True], numbers[1:] != numbers[:-1]])[: len(numbers)]
    steps = np.where(is_first, parts, parts - np.roll(parts, 1) - 1)
    lengths = 1 + (steps >= 32) + (steps >= 1024)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    digits = np.frombuffer(DIGITS.encode(), np.uint8)
    text = np.full(ends[-1] + num_numbers, ord(","), np.uint8)
    at = ends[:-1] + numbers  # a comma for each number before
    for place in range(3):
        some = lengths > place
        more = np.where(lengths[some] > place + 1, 32, 0)
        text[at[some] + place] = digits[(steps[some] >> 5 * place) % 32 + more]
    borders = np.arange(0, num_numbers + 1, PER_FILE)
    cuts = ends[np.searchsorted(numbers, borders)] + borders
    for start, end in itertools.pairwise(cuts):
        yield bytes(text[start:end]).decode()
