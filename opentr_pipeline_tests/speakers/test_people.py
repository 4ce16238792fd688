"""Names belong to voices; voices are found again by what is heard, suggested by how they sound."""

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.speakers.heard_voices import HeardVoice, clear_spans
from opentr_pipeline.speakers.likeness import MIN_SIMILARITY, suggestions
from opentr_pipeline.speakers.models import EMBEDDING_MODEL, TELEPHONE_MODEL
from opentr_pipeline.speakers.people import (
    MAX_SPANS,
    NamedVoice,
    People,
    PlacedVoice,
    found_again,
    longest,
    people_from_dict,
)
from opentr_pipeline_tests.making import PROPERTY
from opentr_pipeline_tests.speakers.voices import vector

SPANS = ((0.0, 4.0), (8.0, 12.0))
names = st.sampled_from(["Anna", "anna ", "Ben", "Ben\u0301", "Eve"])
acts = st.lists(
    st.tuples(
        st.sampled_from(["name", "take", "merge", "refuse", "forget"]),
        st.integers(0, 4),
        names,
        names,
    )
)


def voice(content: str, speaker: str = "SPEAKER_00", **facts: object) -> NamedVoice:
    made = NamedVoice(
        content, speaker, SPANS, embedding_model=EMBEDDING_MODEL, named_at="2026-11-27"
    )
    return dataclasses.replace(made, **facts)  # type: ignore[arg-type]


@PROPERTY
@given(acts)
def test_a_voice_has_one_name_and_people_outlast_a_file(
    done: list[tuple[str, int, str, str]],
) -> None:
    people = People()
    for number, (act, which, name, other) in enumerate(done):
        person = people.named(name)
        if act == "name":
            people = people.with_voice(voice(str(which)), name, str(number))
            assert people.by_key()[str(which), "SPEAKER_00"] is people.named(name)
        elif act == "take":
            people = people.without_voice((str(which), "SPEAKER_00"))
        elif person and act == "refuse":
            people = people.with_refused(person, PlacedVoice(str(which), SPANS))
        elif person and act == "merge":
            count = len(person.voices)
            people = people.merged(person, other)
            into = people.named(other)
            assert into
            assert len(into.voices) >= count
        elif person:
            people = people.without(person, [PlacedVoice("0", SPANS)]).erased(person)
            assert people.named(name) is None
    keys = [one.key for _, one in people.voices()]
    assert len(keys) == len(set(keys))
    assert all(person.voices for person in people.persons)
    assert people_from_dict(json.loads(json.dumps(dataclasses.asdict(people)))) == people


def test_what_another_said_meanwhile_is_not_lost_and_nobody_comes_back() -> None:
    before = People().with_voice(voice("1"), "Anna", "1")
    anna = before.persons[0]
    meanwhile = before.with_voice(voice("2"), "Anna", "2").with_voice(voice("3"), "Ben", "3")
    assert len(meanwhile.merged(anna, "Eve").persons[1].voices) == 2
    (ben,) = meanwhile.merged(anna, "Ben").persons
    assert {one.media_fingerprint for one in ben.voices} == {"1", "2", "3"}
    forgotten = meanwhile.without(anna, ())
    assert {one.media_fingerprint for one in forgotten.forgotten} == {"1", "2"}
    assert forgotten.merged(anna, "Ben") == forgotten


def test_a_voice_is_found_again_by_most_of_what_it_said() -> None:
    others = {"SPEAKER_00": [(4.0, 8.0)], "SPEAKER_01": [(0.5, 4.0), (8.0, 10.0)]}
    assert found_again(SPANS, others) == "SPEAKER_01"
    assert found_again(SPANS, {"SPEAKER_00": [(0.0, 4.0)]}) == "", "half of it is not most of it"
    assert found_again((), others) == ""
    kept = longest([(float(at), at + 1.0 + at % 7) for at in range(0, 1000, 10)])
    assert (len(kept), kept) == (MAX_SPANS, tuple(sorted(kept)))
    assert min(end - start for start, end in kept) >= 6.0


def test_examples_are_where_somebody_is_heard_alone() -> None:
    turns = {"A": [(0.0, 30.0), (40.0, 43.0)], "B": [(5.0, 6.0), (41.0, 45.0)]}
    assert clear_spans(turns, "A") == [(6.0, 16.0), (0.0, 5.0), (40.0, 41.0)]
    assert clear_spans(turns, "C") == []


def heard(sounds: tuple[float, ...], model: str = EMBEDDING_MODEL) -> HeardVoice:
    return HeardVoice("a.wav", "a", "key", "a", True, "SPEAKER_00", 5.0, sounds, model, "")


def test_only_what_compares_is_suggested() -> None:
    anna = voice("1", embedding=vector("anna"))
    people = People().with_voice(anna, "Anna", "1")
    people = people.with_voice(voice("2", embedding=vector("ben")), "Ben", "2")
    like = vector("anna", 0.65, "today")
    (found,) = suggestions([heard(like)], people)
    assert found
    assert (found.person.name, found.similarity, found.bar) == ("Anna", 0.65, 0.58)
    assert suggestions([heard(like, model="other")], people) == [None]
    assert suggestions([heard(())], people) == [None]
    assert suggestions([dataclasses.replace(heard(like), speech_s=2.0)], people) == [None]
    assert suggestions([heard(vector("eve"))], people) == [None]
    # What a telephone leaves is held against a telephone alone, at its own bar.
    assert suggestions([heard(like, TELEPHONE_MODEL)], people) == [None]
    there = dataclasses.replace(anna, embedding_model=TELEPHONE_MODEL)
    people = people.with_voice(there, "Anna", "1")
    for likeness, is_like in ((-0.01, False), (0.01, True)):
        sounds = vector("anna", MIN_SIMILARITY[TELEPHONE_MODEL] + likeness, "today")
        (through,) = suggestions([heard(sounds, TELEPHONE_MODEL)], people)
        assert bool(through) == is_like
    # Of several who are like, whoever was refused is passed over.
    assert suggestions([heard(sounds, TELEPHONE_MODEL)], people, lambda _: {"1"}) == [None]
