"""Words that lie where they are said, and groups of them between pauses."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.recognition.whisper.word_times import SEGMENT_PAUSE_S, parted, trimmed
from opentr_pipeline.transcripts.transcript import Word
from opentr_pipeline_tests.making import PROPERTY

LENGTHS = st.tuples(st.floats(0, 2), st.floats(0, 9), st.sampled_from([" so", " so.", " ¿so?"]))


def in_a_row(lengths: list[tuple[float, float, str]]) -> list[Word]:
    """Words one after another: a pause, a length and a text of each."""
    words, at_s = [], 0.0
    for pause_s, length_s, text in lengths:
        words.append(Word(text, at_s + pause_s, at_s + pause_s + length_s, 0.5))
        at_s = words[-1].end_s
    return words


@PROPERTY
@given(st.lists(LENGTHS, max_size=12))
def test_trimmed_words_stay_inside_of_what_they_were(
    lengths: list[tuple[float, float, str]],
) -> None:
    words = in_a_row(lengths)
    kept = trimmed(words)
    assert [(one.text, one.probability) for one in kept] == [(w.text, w.probability) for w in words]
    for one, word in zip(kept, words, strict=True):
        assert word.start_s - 1e-9 <= one.start_s <= one.end_s <= word.end_s + 1e-9


@PROPERTY
@given(st.lists(LENGTHS, min_size=1, max_size=12))
def test_no_word_beside_a_pause_is_longer_than_a_word(
    lengths: list[tuple[float, float, str]],
) -> None:
    words = in_a_row(lengths)
    for place, (one, word) in enumerate(zip(trimmed(words), words, strict=True)):
        is_end = place == len(words) - 1 or word.text.endswith((".", "?"))
        is_start = place == 0 or words[place - 1].text.endswith((".", "?"))
        if is_end or is_start:
            assert one.end_s - one.start_s <= 1.4 + 1e-9
        else:
            assert one == word


def test_words_of_usual_length_stay() -> None:
    words = in_a_row([(0.0, 0.3, " one"), (0.1, 0.5, " two."), (2.0, 0.4, " three")])
    assert trimmed(words) == words


@PROPERTY
@given(st.lists(LENGTHS, max_size=12))
def test_parts_hold_all_words_in_order_and_begin_where_somebody_pauses(
    lengths: list[tuple[float, float, str]],
) -> None:
    words = in_a_row(lengths)
    groups = parted(words)
    assert [word for group in groups for word in group] == words
    assert all(groups)
    for group in groups:
        assert all(b.start_s - a.end_s < SEGMENT_PAUSE_S for a, b in pairwise(group))
    for before, after in pairwise(groups):
        assert after[0].start_s - before[-1].end_s >= SEGMENT_PAUSE_S


def test_no_words_make_no_part() -> None:
    assert (parted([]), trimmed([])) == ([], [])
