"""What stands next to each other: found again in the files that a browser gets, and no other."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.search.neighbours import (
    FILE_BITS,
    MAX_BITS,
    PER_FILE,
    bits_of,
    joined,
    noted,
    numbers_of,
)
from opentr_pipeline_tests.making import PROPERTY
from opentr_pipeline_tests.search.test_site_index import numbers_of as steps_of

UNITS = st.lists(
    st.lists(st.sets(st.integers(0, (1 << MAX_BITS) - 1), max_size=9), max_size=7), max_size=4
)


def number(text: str) -> int:
    return zlib.crc32(text.encode()) >> (32 - MAX_BITS)


def test_pairs_of_words_and_threes_of_characters_have_numbers() -> None:
    assert numbers_of(["one", "two", "three"]) == {number("one two"), number("two three")}
    assert numbers_of(["one", "図", "書", "館", "two"]) == {
        *map(number, ("one 図", "図 書 館", "館 two"))
    }
    assert numbers_of(["図", "書"]) == numbers_of(["one"]) == numbers_of([]) == set()


@given(UNITS)
@PROPERTY
def test_every_part_is_found_by_its_numbers_and_by_no_other(units: list[list[set[int]]]) -> None:
    contents = [noted(unit) for unit in units]
    bits = bits_of(contents)
    files = list(joined(contents))
    assert len(files) == 1 << (bits - FILE_BITS)
    by_number = [lists for text in files for lists in text.split(",")[:-1]]
    assert [text.count(",") for text in files] == [PER_FILE] * len(files)
    found = set()
    for one, text in enumerate(by_number):
        part = -1
        for step in steps_of(text):
            part += step + 1
            found.add((one, part))
    parts = [numbers for unit in units for numbers in unit]
    assert found == {
        (one >> (MAX_BITS - bits), part) for part, numbers in enumerate(parts) for one in numbers
    }


def test_numbers_have_as_many_bits_as_there_is_use_for() -> None:
    part = noted([set(range(2_000))])
    assert bits_of([]) == FILE_BITS
    assert (bits_of([part]), bits_of([part] * 200), bits_of([part] * 4_000)) == (11, 19, MAX_BITS)


def test_steps_of_any_length_are_written() -> None:
    """The last part of a volume that is as large as one may become."""
    (text, *_) = joined([noted([set()] * 8_191 + [{0}])])
    assert steps_of(text.split(",")[0]) == [8_191]
