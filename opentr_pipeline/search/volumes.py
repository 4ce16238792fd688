"""Volumes: units of an index, joined so that a browser need not ask each of them.

A unit holds the postings of a partition, or of a slice of a large one. A volume holds as many units
as make some ``VOLUME_PARTS`` parts. What is published anew costs its own volume, and no other.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.search import neighbours
from opentr_pipeline.search.parts import as_script
from opentr_pipeline.search.postings import Postings, joined, term_files_of

# Some 900 hours of speech: with more an upload takes longer, with fewer a search asks more often.
VOLUME_PARTS = 4_096
# Parts whose names are in one file.
BLOCK = 256


@dataclass(frozen=True)
class Unit:
    """What is known of some recordings.

    Attributes:
        parts: the file of each, from the folder of texts on.
        terms: postings by term.
        facets: postings by kind and value.
        near: what stands next to each other, as ``neighbours`` notes it; in a file of its own.
        near_digest: of what was noted with the terms.
    """

    parts: tuple[str, ...]
    terms: Mapping[str, Postings]
    facets: Mapping[str, Mapping[str, Postings]]
    near: bytes
    near_digest: str


def assigned(sizes: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """The volume of each unit: the one that it was in, else the last one with room.

    Args:
        sizes: parts of each unit.
        before: the volumes that they were in.
    """
    volumes: dict[str, int] = {}
    filled: Counter[int] = Counter()
    for unit in sorted(sizes, key=lambda unit: (unit not in before, before.get(unit, 0), unit)):
        volume = before.get(unit, max(filled, default=0))
        while filled[volume] and filled[volume] + sizes[unit] > _most(unit in before):
            volume = max(volume + 1, max(filled, default=0))
        volumes[unit] = volume
        filled[volume] += sizes[unit]
    return volumes


def _most(is_there: bool) -> int:
    """Parts of a volume; one that has grown is parted late, so that units seldom move."""
    return 2 * VOLUME_PARTS if is_there else VOLUME_PARTS


def files_of(units: list[Unit]) -> Iterator[tuple[str, Any]]:
    """Name and content of each file of a volume, its ``head`` last.

    The head says how many parts there are, and with which term each file of terms begins.
    """
    terms = joined([(unit.terms, len(unit.parts)) for unit in units])
    firsts = []
    for number, some in enumerate(term_files_of(terms)):
        firsts.append(next(iter(some)))
        yield f"t{number}", some
    for number, text in enumerate(neighbours.joined([unit.near for unit in units])):
        yield f"n{number}", text
    parts = [name for unit in units for name in unit.parts]
    for at in range(0, len(parts), BLOCK):
        yield f"p{at // BLOCK}", parts[at : at + BLOCK]
    kinds = {kind for unit in units for kind in unit.facets}
    yield (
        "facets",
        {
            kind: joined([(unit.facets.get(kind, {}), len(unit.parts)) for unit in units])
            for kind in sorted(kinds)
        },
    )
    yield "head", {"parts": len(parts), "firsts": firsts}


def scripts_of(folder: str, units: list[Unit]) -> Iterator[tuple[str, bytes]]:
    """The files of a volume, as a browser loads them."""
    for name, content in files_of(units):
        yield f"{folder}/{name}.js", as_script(f"{folder}/{name}", content)
