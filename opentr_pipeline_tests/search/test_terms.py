"""Tokens, terms, passages: what a query means, in any language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.errors import QueryError
from opentr_pipeline.search.passages import (
    OVERLAP,
    PASSAGE_SEGMENTS,
    Passage,
    Spoken,
    context_of,
    passages_of,
)
from opentr_pipeline.search.terms import (
    MAX_TERMS,
    Term,
    index_query,
    indexed,
    places_of,
    readable_form,
    spans_of,
    terms_of,
    tokens_of,
)
from opentr_pipeline.search.token_times import token_times
from opentr_pipeline_tests.making import PROPERTY


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't—STOP! 3.5", "don t stop 3 5"),
        ("número Über straße ΣΑΣ σας İ", "numero uber strasse σασ σασ i"),
        ("今日は、図書館 abc", "今 日 は 図 書 館 abc"),
        ("ไทย", "ไ ท ย"),
        ("हिन्दी 학교에서 שָׁלוֹם־בית", "हिन्दी 학교에서 שלום בית"),
        ("مَرْحَبًا إلى أحمـــد", "مرحبا الى احمد"),
        ("ışık IŞIK Łódź Smørrebrød Æther cœur", "isik isik lodz smorrebrod aether coeur"),
        ("soft\u00adhyphen zero\u200dwidth", "softhyphen zerowidth"),
        ("ＡＢＣ x½y", "abc x 1 2 y"),
        ('"*) -- \0 \udc80 _', ""),
    ],
)
def test_tokens(text: str, tokens: str) -> None:
    assert " ".join(tokens_of(text)) == readable_form(tokens)


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert tokens_of("e\u0301 \u1112\u1161\u11a8") == tokens_of("é 학")


@given(st.text(max_size=60))
@PROPERTY
def test_every_token_stands_somewhere(text: str) -> None:
    text = readable_form(text)
    tokens, spans = tokens_of(text), list(spans_of(text))
    assert len(tokens) == len(spans)
    for token, (first, end) in zip(tokens, spans, strict=True):
        assert token in tokens_of(text[first:end])


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        (
            '"To be, or" light* to',
            [Term(("to", "be", "or")), Term(("light",), True), Term(("to",))],
        ),
        ("“to be” don't", [Term(("to", "be")), Term(("don", "t"))]),
        ('"never closed', [Term(("never", "closed"))]),
        ("same SAME", [Term(("same",))]),
        ("図書*", [Term(("図", "書"), True)]),
        ("ｶﾞｷﾞ ﾊﾟ", [Term(("ガ", "ギ")), Term(("パ",))]),
        ("a AND NOT b", [Term(("a",)), Term(("and",)), Term(("not",)), Term(("b",))]),
    ],
)
def test_terms(query: str, terms: list[Term]) -> None:
    assert list(terms_of(query)) == terms


@pytest.mark.parametrize("query", ["", '"', "* - ( )", " ".join(map(str, range(MAX_TERMS + 1)))])
def test_what_cannot_be_asked_is_a_sentence(query: str) -> None:
    with pytest.raises(QueryError, match=r"^The query .* word.*\.$"):
        terms_of(query)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("日", '"日"*'),
        ("今日", '"今日"'),
        ("図書館", '"図書 書館"'),
        ('"日 abc"', '"日 abc"'),
        ('"abc 日"', '"abc 日"*'),
        ("light*", '"light"*'),
    ],
)
def test_what_the_engine_is_asked(query: str, asked: str) -> None:
    assert [index_query(term) for term in terms_of(query)] == [asked]


LETTERS = st.lists(st.sampled_from("a ab abc 今 日 は".split()), max_size=7)


@given(LETTERS, LETTERS.filter(bool), st.booleans())
@PROPERTY
def test_the_index_finds_what_is_there(tokens: list[str], asked: list[str], is_open: bool) -> None:
    """Pairs of characters mean the same as characters, so the engine and we agree."""
    term = Term(tuple(asked), is_open)
    query = index_query(term)
    words, is_prefix = query.strip('"*').split(), query.endswith("*")
    made = indexed(tokens)
    engine = any(
        made[at : at + len(words) - 1] == words[:-1]
        and (made[end] == words[-1] or (is_prefix and made[end].startswith(words[-1])))
        for at in range(len(made) - len(words) + 1)
        for end in [at + len(words) - 1]
    )
    assert engine == any(True for _ in places_of(term, tokens))


@given(st.integers(0, 4 * PASSAGE_SEGMENTS))
@PROPERTY
def test_each_segment_is_with_its_neighbours_once(num: int) -> None:
    segments = [Spoken(float(n), n + 1.0, "en", 0.5, str(n)) for n in range(num)]
    seen = []
    for made in passages_of(segments):
        passage = Passage.unpacked(made.packed())
        assert passage == made
        for place in range(passage.own, passage.end):
            number = passage.first + place
            near = passage.segments[max(place - 1, 0) : place + 2]
            assert list(near) == segments[max(number - 1, 0) : number + 2]
            seen.append(number)
    assert seen == list(range(num))
    assert OVERLAP == 2  # a segment's neighbours


@pytest.mark.parametrize(
    ("text", "words", "times"),
    [
        ("It's, an old - lamp.", [" It's,", " an", " old", " -", " lamp."], (0, 0, 100, 200, 400)),
        ("well-known", [" well", "-", "known"], (0, 200)),
        ("It's well-known", [" It's", " well", "-", "known"], (0, 0, 100, 300)),
        ("今日は", ["今日", "は"], (0, 0, 100)),
        ("cafe\u0301 noir", [" cafe\u0301", " noir"], (0, 100)),
        ("other words", [" than", " these"], ()),
        ("none", [], ()),
    ],
)
def test_each_token_has_the_time_of_its_word(
    text: str, words: list[str], times: tuple[int, ...]
) -> None:
    found = token_times(text, words, [5.0 + place for place in range(len(words))], 5.0)
    assert found == times
    assert len(found) in (0, len(tokens_of(text)))


def test_what_is_found_is_at_the_time_of_its_word() -> None:
    segments = (
        Spoken(1.0, 3.0, "en", 0.5, "a lamp", "", (0, 100)),
        Spoken(4.0, 9.0, "en", 0.5, "the lamp, a lamp", "", (0, 120, 250, 300)),
        Spoken(9.0, 9.5, "en", 0.5, "no lamp"),
    )
    passage = Passage.unpacked(Passage(0, 0, 3, segments).packed())
    found = [context_of(passage, place, terms_of("lamp")).found_s for place in range(3)]
    assert found == [2.0, 5.2, 9.0]
