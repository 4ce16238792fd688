"""The visitors' index as files: what is in them, what an upload costs, what goes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.search import neighbours, site_index, volumes
from opentr_pipeline.search.parts import PART_TOKENS, parts_of
from opentr_pipeline.search.passages import Spoken
from opentr_pipeline.search.postings import DIGITS, WEIGHTS, joined, postings_of, term_files_of
from opentr_pipeline.search.site_index import SiteIndex
from opentr_pipeline.search.volumes import VOLUME_PARTS, assigned
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import PROPERTY, recording, transcript

COUNTS = st.lists(st.dictionaries(st.integers(0, 5000), st.integers(1, 40), max_size=8), max_size=4)


def numbers_of(text: str) -> list[int]:
    numbers, number, factor = [], 0, 1
    for character in text:
        digit = DIGITS.index(character)
        number += digit % 32 * factor
        factor *= 32
        if digit < 32:
            numbers.append(number)
            number, factor = 0, 1
    return numbers


@given(COUNTS)
@PROPERTY
def test_joined_postings_are_those_of_all_units_one_after_the_other(
    units: list[dict[int, int]],
) -> None:
    size = 5001
    by_unit = [
        ({"word": postings_of(sorted(unit.items()))} if unit else {}, size) for unit in units
    ]
    found, last = {}, -1
    for number in numbers_of(joined(by_unit).get("word", "")):
        last += number // WEIGHTS + 1
        found[last] = number % WEIGHTS
    classes = {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 2}
    assert found == {
        part + place * size: classes.get(count, 3)
        for place, unit in enumerate(units)
        for part, count in unit.items()
    }


@given(st.dictionaries(st.text(max_size=3), st.just("A" * 3000), max_size=20))
@PROPERTY
def test_files_of_terms_hold_each_once_in_the_order_of_browsers(postings: dict[str, str]) -> None:
    term_files = list(term_files_of(postings))
    terms = [term for some in term_files for term in some]
    assert sorted(terms) == sorted(postings)
    assert terms == sorted(terms, key=lambda term: term.encode("utf-16-be", "surrogatepass"))


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 2 * VOLUME_PARTS)), max_size=4
    )
)
@PROPERTY
def test_units_stay_in_their_volume_while_it_has_room(states: list[dict[str, int]]) -> None:
    before: dict[str, int] = {}
    for sizes in states:
        volumes_of = assigned(sizes, {unit: n for unit, n in before.items() if unit in sizes})
        assert volumes_of.keys() == sizes.keys()
        filled: Counter[int] = Counter()
        for unit, number in volumes_of.items():
            filled[number] += sizes[unit]
        crowded = [number for number, size in filled.items() if size > 2 * VOLUME_PARTS]
        assert not crowded
        assert assigned(sizes, volumes_of) == volumes_of
        before = volumes_of


@given(st.lists(st.integers(0, PART_TOKENS), max_size=12))
@PROPERTY
def test_every_segment_is_looked_for_once_and_beside_its_neighbours(lengths: list[int]) -> None:
    spoken = [
        Spoken(number, number + 1, "en", 1.0, " ".join(["word"] * length))
        for number, length in enumerate(lengths)
    ]
    looked_for: list[float] = []
    for part in parts_of(spoken):
        its = [one.start_s for one in part.segments]
        own = its[part.own : part.end]
        assert own
        assert own[0] - 1 in (*its, -1)
        assert own[-1] + 1 in (*its, len(spoken))
        looked_for += own
    assert looked_for == list(range(len(spoken)))


def publish(store: TranscriptStore, key: str, **texts: str) -> None:
    entries = [
        Entry(recording(path).recording_id, path, transcript(path + text, text))
        for path, text in texts.items()
    ]
    store.publish(key, entries)
    store.write_recordings(key, [recording(path, partition_key=key) for path in texts])


def content(path: Path) -> Any:
    name, _, facts = path.read_text()[len("opentrGot(") : -2].partition(",")
    assert path.as_posix().endswith(f"/search/{json.loads(name)}.js")
    return json.loads(facts)


def test_an_upload_costs_its_own_volume_and_what_is_gone_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "VOLUME_PARTS", 2)
    store = TranscriptStore(tmp_path)
    publish(store, "film", **{"film/a.wav": "one two", "film/b.wav": "two three"})
    publish(store, "radio", **{"radio/c.wav": "four"})
    index = SiteIndex(store, tmp_path / "pages")

    def write() -> dict[str, int]:
        for key in index.tree.partition_keys():
            index.write(key)
        index.write_volumes()
        return {
            str(path.relative_to(index.tree.root)): path.stat().st_mtime_ns
            for path in index.tree.root.rglob("*.js")
        }

    first = write()
    manifest = content(index.tree.root / "manifest.js")
    assert manifest["choices"]["folder"] == ["film", "radio"]
    assert [name.split("-")[0] for name, *_ in manifest["volumes"]] == ["0", "1"]
    assert write() == first
    publish(store, "radio", **{"radio/c.wav": "five"})
    second = write()
    film = manifest["volumes"][0][0]
    assert {name for name in first if film in name} == {name for name in second if film in name}
    assert all(first[name] == second[name] for name in second if film in name)
    after = [name for name, *_ in content(index.tree.root / "manifest.js")["volumes"]]
    assert after[0] == film
    assert set(content(index.tree.root / after[1] / "t0.js")) == {"five"}
    near = next((index.tree.root / ".units").glob("radio.*.near"))
    whole = near.read_bytes()
    near.write_bytes(neighbours.noted([{1}]))  # of another time than its terms
    index.write_volumes()
    assert not content(index.tree.root / "manifest.js")["volumes"][1][1]
    near.unlink()
    assert write().keys() == second.keys(), "what is lost is written again"
    assert near.read_bytes() == whole
    publish(store, "film", **{"film/a.wav": "", "film/b.wav": ""})
    names = write()
    assert len([name for name in names if name.startswith("texts/")]) == 1
    assert {name.split("/")[0] for name in names} == {"manifest.js", "texts", after[1]}


def test_what_an_earlier_release_noted_waits_until_it_is_made_anew(tmp_path: Path) -> None:
    """Its units lack facts of today's, and it must not cost a correction elsewhere its index."""
    store = TranscriptStore(tmp_path)
    publish(store, "film", **{"film/a.wav": "one"})
    publish(store, "radio", **{"radio/b.wav": "two"})
    index = SiteIndex(store, tmp_path / "pages")

    def folders(*keys: str) -> list[str]:
        for key in keys:
            index.write(key)
        index.write_volumes()
        choices: list[str] = content(index.tree.root / "manifest.js")["choices"].get("folder", [])
        return choices

    assert folders("film", "radio") == ["film", "radio"]
    unit, note = (index.tree.root / name for name in (".units/film.0.json", ".written/film.json"))
    facts = json.loads(unit.read_bytes())
    del facts["near_digest"]
    unit.write_text(json.dumps(facts))
    noted = json.loads(note.read_bytes())
    del noted["facts"]["form"]
    note.write_text(json.dumps({**noted, "made_from": "an earlier release"}))
    assert folders("radio") == ["radio"]
    assert folders("film") == ["film", "radio"]


def test_a_large_partition_is_sliced_and_keeps_its_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_index, "VOLUME_PARTS", 4)
    names = [f"{number:02x}/{number:08x}0" for number in range(0, 210, 21)]
    entries = [site_index._Entry(name, None, None) for name in names]  # type: ignore[arg-type]
    few, many = site_index._slices(entries[:5]), site_index._slices(entries)
    assert (len(few), len(many)) == (2, 4)
    for number, some in few.items():
        assert {one.name for one in some} <= {
            one.name for other in (number, number + 2) for one in many[other]
        }
