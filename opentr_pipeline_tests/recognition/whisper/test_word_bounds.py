"""Bounds of words where they are said: pauses left out, shifts of a model, nothing but times."""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.recognition.whisper.speech_clock import SpeechClock
from opentr_pipeline.recognition.whisper.word_bounds import SHIFTS_S, at_their_times
from opentr_pipeline.transcripts.transcript import Word
from opentr_pipeline_tests.making import PROPERTY

# Pause and length of a word in hundredths of a second, and how far off the alignment has its start:
# a twentieth at least is speech, as in windows it always is.
SPOKEN = st.tuples(st.integers(10, 60), st.integers(8, 90), st.integers(-50, 50))
Spoken = Sequence[tuple[int, int, int]]


def window_of(spoken: Spoken, loudness: float = 0.3) -> tuple[Window, list[tuple[float, float]]]:
    """Noise where words are, hardly any between them; and the times of the words."""
    random = np.random.default_rng(1)
    parts, times, at = [], [], 0
    for pause, length, _ in [*spoken, (30, 0, 0)]:
        parts += [np.full(pause, 1e-4), np.full(length, loudness)]
        times.append(((at + pause) / 100, (at + pause + length) / 100))
        at += pause + length
    levels = np.repeat(np.concatenate(parts), SAMPLE_RATE_HZ // 100)
    samples = (levels * random.choice([-1.0, 1.0], len(levels))).astype(np.float32)
    return Window(((0, len(samples)),), samples), times[:-1]


def aligned(
    times: Sequence[tuple[float, float]], shift_s: float, text: str = " word"
) -> list[Word]:
    """Words that last until the next one, as alignments have them."""
    starts = [max(0.0, start_s - shift_s) for start_s, _ in times]
    ends = [*starts[1:], times[-1][1] - shift_s]
    return [Word(text, *pair, 0.5) for pair in zip(starts, ends, strict=True)]


@PROPERTY
@given(st.lists(SPOKEN, min_size=1, max_size=12), st.sampled_from(["base", "tiny.en", "mine"]))
def test_only_times_change_they_run_forward_and_none_is_in_a_pause(
    spoken: Spoken, model: str
) -> None:
    window, times = window_of(spoken)
    off = sorted(
        start_s + error / 100 for (start_s, _), (*_, error) in zip(times, spoken, strict=True)
    )
    ends = [*off[1:], max(off[-1], times[-1][1])]
    given_words = [Word(" word", *pair, 0.5) for pair in zip(off, ends, strict=True)]
    found = at_their_times(given_words, window, model)
    assert [(one.text, one.probability) for one in found] == [(" word", 0.5)] * len(spoken)
    assert all(0.0 <= one.start_s <= one.end_s <= window.duration_s + 1e-9 for one in found)
    assert all(one.end_s <= after.start_s + 1e-9 for one, after in pairwise(found))
    ends_s = [0.0, *(end_s for _, end_s in times)]
    starts_s = [*(start_s for start_s, _ in times), window.duration_s]
    pauses = list(zip(ends_s, starts_s, strict=True))
    for one in found:
        for at_s in (one.start_s, one.end_s):
            assert not any(first + 1e-6 < at_s < last - 1e-6 for first, last in pauses)


@pytest.mark.parametrize("model", [*SHIFTS_S, "mine"])
@pytest.mark.parametrize("lag_s", [-0.1, 0.06])
def test_words_between_pauses_get_their_own_times(model: str, lag_s: float) -> None:
    """However early or late a model is: where there are pauses, they say it."""
    window, times = window_of([(40, 35, 0), (15, 30, 0), (60, 28, 0), (12, 33, 0), (90, 30, 0)])
    found = at_their_times(aligned(times, SHIFTS_S.get(model, lag_s)), window, model)
    bounds = [(one.start_s, one.end_s) for one in found]
    assert np.array(bounds) == pytest.approx(np.array(times), abs=0.011)


def test_without_pauses_words_follow_the_shift_of_the_model() -> None:
    window, times = window_of([(10, 30, 0)] * 6)
    even = dataclasses.replace(window, samples=np.full_like(window.samples, 0.3))
    found = at_their_times(aligned(times, 0.06), even, "base")
    starts = [start_s for start_s, _ in times]
    assert [one.start_s for one in found[1:]] == pytest.approx(starts[1:], abs=0.05)


def test_a_long_word_keeps_its_time_before_a_short_one_that_the_alignment_has_too_early() -> None:
    window, times = window_of([(30, 90, 0), (2, 18, 0), (40, 30, 0)])
    words = [Word(" identification", 0.24, 0.8, 0.5), Word(" is", 0.8, 1.6, 0.5),
             Word(" hard.", 1.74, 2.04, 0.5)]  # fmt: skip
    found = at_their_times(words, window, "base")
    assert found[1].start_s == pytest.approx(times[1][0], abs=0.12)
    assert found[1].end_s == pytest.approx(times[1][1], abs=0.011)


def test_a_pause_after_a_mark_is_where_the_sentence_ends() -> None:
    window, times = window_of([(30, 40, 0), (2, 30, 0), (150, 12, 0), (2, 40, 0)])
    early = [(0.3, 0.7), (0.7, 0.9), (0.9, 1.1), (2.54, 2.94)]
    texts = (" We", " ended.", " The", " next")
    words = [Word(text, *pair, 0.5) for text, pair in zip(texts, early, strict=True)]
    assert at_their_times(words, window, "base")[2].start_s == pytest.approx(times[2][0], abs=0.011)


def test_nothing_is_made_of_nothing() -> None:
    window, _ = window_of([(30, 40, 0)])
    assert at_their_times([], window, "base") == []
    short = dataclasses.replace(window, samples=window.samples[:100])
    words = [Word(" so", 0.0, 0.0, 0.5)]
    assert at_their_times(words, short, "base") == words


def test_the_clock_stops_in_pauses_and_where_the_window_leaves_one_out() -> None:
    window, times = window_of([(50, 40, 0), (30, 40, 0)])
    clock = SpeechClock.of(window)
    assert clock.total_s == pytest.approx(0.8)
    assert clock.reading(times[0][1] + 0.2) == clock.reading(times[1][0]) == pytest.approx(0.4)
    assert (clock.end_s(0.4), clock.start_s(0.4)) == pytest.approx((0.9, 1.2))
    middle = round(1.1 * SAMPLE_RATE_HZ)
    spans = (0, middle), (middle + 2 * SAMPLE_RATE_HZ, len(window.samples) + 2 * SAMPLE_RATE_HZ)
    cut = SpeechClock.of(dataclasses.replace(window, spans=spans))
    assert dict(zip(cut.stops, cut.lengths_s, strict=True))[0.4] == pytest.approx(2.3)
    even = SpeechClock.of(dataclasses.replace(window, samples=np.ones_like(window.samples)))
    assert even.total_s == pytest.approx(len(window.samples) / SAMPLE_RATE_HZ)
