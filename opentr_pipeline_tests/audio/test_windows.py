"""Spans of speech in windows: none lost, none twice, and times that lead back to the recording."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio import windows
from opentr_pipeline.audio.windows import (
    JOINED_SAMPLES,
    KEPT_PAUSE_SAMPLES,
    MAX_EXTENT_SAMPLES,
    MAX_PAUSE_SAMPLES,
    OVERLAP_SAMPLES,
    PIECE_FRAMES,
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    Span,
    SpeechFinder,
    Window,
    spans_by_window,
)
from opentr_pipeline_tests.making import PROPERTY, PROPERTY_ON_DISK

# Pauses of all the sorts that are told apart, and their limits.
PAUSES = st.one_of(
    st.integers(0, 40 * SAMPLE_RATE_HZ),
    st.integers(0, 4 * SAMPLE_RATE_HZ),
    st.sampled_from([0, KEPT_PAUSE_SAMPLES, KEPT_PAUSE_SAMPLES + 1]),
    st.sampled_from([MAX_PAUSE_SAMPLES, MAX_PAUSE_SAMPLES + 1]),
)
LENGTHS = st.one_of(
    st.integers(800, WINDOW_SAMPLES), st.integers(800, 2 * SAMPLE_RATE_HZ), st.just(WINDOW_SAMPLES)
)


def in_a_row(pauses_and_lengths: list[tuple[int, int]]) -> list[Span]:
    spans, at = [], 0
    for pause, length in pauses_and_lengths:
        spans.append((at + pause, at + pause + length))
        at = spans[-1][1]
    return spans


SPEECH = st.lists(st.tuples(PAUSES, LENGTHS), max_size=40).map(in_a_row)


def num_samples(spans: list[Span]) -> int:
    return sum(end - start for start, end in spans)


@PROPERTY
@given(SPEECH)
def test_all_speech_is_in_one_window_in_order(speech: list[Span]) -> None:
    groups = spans_by_window(speech)
    assert all(groups)
    kept = [span for group in groups for span in group]
    assert all(a[1] <= b[0] for a, b in pairwise(kept))
    for start, end in speech:
        assert sum(first <= start and end <= last for first, last in kept) == 1
    # What is kept beside the speech are short pauses alone.
    starts, ends = {start for start, _ in speech}, {end for _, end in speech}
    assert all(start in starts and end in ends for start, end in kept)
    for before, after in pairwise(speech):
        if any(start < after[0] < end for start, end in kept):
            assert after[0] - before[1] <= KEPT_PAUSE_SAMPLES


@PROPERTY
@given(SPEECH)
def test_a_window_is_short_and_holds_no_long_pause(speech: list[Span]) -> None:
    """Longer than what is joined only where somebody speaks on without a pause."""
    for group in spans_by_window(speech):
        assert num_samples(group) <= (WINDOW_SAMPLES if group[0] in speech else JOINED_SAMPLES)
        assert group[-1][1] - group[0][0] <= MAX_EXTENT_SAMPLES
        pauses = [b[0] - a[1] for a, b in pairwise(group)]
        assert all(KEPT_PAUSE_SAMPLES < pause <= MAX_PAUSE_SAMPLES for pause in pauses)


@PROPERTY
@given(SPEECH)
def test_no_two_windows_would_fit_into_one(speech: list[Span]) -> None:
    for group, after in pairwise(spans_by_window(speech)):
        pause = after[0][0] - group[-1][1]
        more = pause if pause <= KEPT_PAUSE_SAMPLES else 0
        assert (
            pause > MAX_PAUSE_SAMPLES
            or num_samples(group) + more + num_samples(after) > JOINED_SAMPLES
            or after[-1][1] - group[0][0] > MAX_EXTENT_SAMPLES
        )


@pytest.mark.parametrize(
    ("pauses_and_lengths_s", "expected"),
    [
        # Somebody draws breath within a sentence, and pauses before it.
        ([(0, 10), (0.9, 5), (0.25, 3)], [1, 2]),
        # Pauses that are too short to be told apart.
        ([(0, 10), (0, 2), (0, 3), (0, 6)], [3, 1]),
        # Not where that leaves less than half of a window, or more than a whole one.
        ([(0, 4), (0.9, 10), (0.25, 6)], [2, 1]),
        ([(0, 10), (0.9, 5), (0.25, 15)], [2, 1]),
        ([(0, 10), (0.5, 4), (2, 3), (0.25, 5)], [2, 2]),
    ],
)
def test_a_window_ends_in_the_longest_pause_of_its_second_half(
    pauses_and_lengths_s: list[tuple[float, float]], expected: list[int]
) -> None:
    speech = in_a_row(
        [
            (int(pause_s * SAMPLE_RATE_HZ), int(length_s * SAMPLE_RATE_HZ))
            for pause_s, length_s in pauses_and_lengths_s
        ]
    )
    bounds = [(group[0][0], group[-1][1]) for group in spans_by_window(speech)]
    held = [sum(first <= start < last for start, _ in speech) for first, last in bounds]
    assert held == expected


# Spans of a window with pauses between them, long ones too, as nothing depends on their length.
SPANS = (
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**5)), min_size=1, max_size=6)
    .map(in_a_row)
    .map(tuple)
)
WINDOWS = SPANS.map(lambda spans: Window(spans, np.zeros(num_samples(list(spans)), np.float32)))


@st.composite
def heard_spans(draw: st.DrawFn) -> tuple[Window, list[tuple[float, float]]]:
    """A window, and times of words one after the other, some a little outside of it."""
    window = draw(WINDOWS)
    times = st.floats(-0.5, window.duration_s + 0.5)
    drawn = sorted(draw(st.lists(times, min_size=2, max_size=12)))
    return window, list(zip(drawn[::2], drawn[1::2], strict=False))


@PROPERTY
@given(heard_spans())
def test_words_that_run_forward_do_so_in_the_recording(
    drawn: tuple[Window, list[tuple[float, float]]],
) -> None:
    window, words = drawn
    placed = [window.placed(*word) for word in words]
    times = [time_s for word in placed for time_s in word]
    assert times == sorted(times)
    for start_s, end_s in placed:
        assert any(
            first / SAMPLE_RATE_HZ <= start_s <= end_s <= last / SAMPLE_RATE_HZ
            for first, last in window.spans
        )


@PROPERTY
@given(st.integers(0, 10**8), st.integers(1, WINDOW_SAMPLES), st.data())
def test_times_in_a_window_of_one_span_are_shifted_by_its_start(
    start: int, length: int, data: st.DataObject
) -> None:
    window = Window(((start, start + length),), np.zeros(length, np.float32), 1)
    times = st.floats(0, window.duration_s)
    start_s, end_s = sorted([data.draw(times), data.draw(times)])
    shift_s = start / SAMPLE_RATE_HZ
    assert window.placed(start_s, end_s) == pytest.approx((start_s + shift_s, end_s + shift_s))
    assert window.place == (start, 1)


@PROPERTY
@given(WINDOWS, st.data())
def test_a_word_that_lies_in_a_span_is_as_long_in_the_recording(
    window: Window, data: st.DataObject
) -> None:
    """And what is said at a place of the samples was said at that place of the recording."""
    number = data.draw(st.integers(0, len(window.spans) - 1))
    first, last = window.spans[number]
    offset = num_samples(list(window.spans[:number]))
    inside = st.integers(0, last - first)
    start, end = sorted([data.draw(inside), data.draw(inside)])
    if start == end:  # at the edge it belongs to either span
        return
    heard_s = (offset + start) / SAMPLE_RATE_HZ, (offset + end) / SAMPLE_RATE_HZ
    said_s = (first + start) / SAMPLE_RATE_HZ, (first + end) / SAMPLE_RATE_HZ
    assert window.placed(*heard_s) == pytest.approx(said_s)


def test_a_word_that_was_heard_over_a_pause_lies_on_one_side_of_it() -> None:
    second = SAMPLE_RATE_HZ
    window = Window(((0, 2 * second), (4 * second, 6 * second)), np.zeros(4 * second, np.float32))
    assert window.placed(1.5, 2.25) == (1.5, 2.0)
    assert window.placed(1.75, 2.5) == (4.0, 4.5)


# A channel as the finder hears it: speech where the samples are loud, found as it stands.


def found(sound: Any) -> list[Span]:
    """Spans of loud samples, cut as faster-whisper cuts them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sound > 0, [False]]).astype(int)))
    spans = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [
        (at, min(end, at + WINDOW_SAMPLES))
        for start, end in spans
        for at in range(start, end, WINDOW_SAMPLES)
    ]


@st.composite
def channels(draw: st.DrawFn) -> tuple[Any, list[int]]:
    """Some minutes of a channel, and where its blocks begin and end."""
    speech = in_a_row(draw(st.lists(st.tuples(PAUSES, LENGTHS), max_size=8)))
    length = (speech[-1][1] if speech else 0) + draw(st.integers(0, 5 * SAMPLE_RATE_HZ)) + 1
    sound = np.zeros(length, np.float32)
    for start, end in speech:
        sound[start:end] = np.arange(1, end - start + 1)  # every sample another
    block = draw(st.integers(2 * OVERLAP_SAMPLES, 150 * SAMPLE_RATE_HZ))
    return sound, [*range(0, length, block), length]


@pytest.fixture(scope="module", autouse=True)
def loudness_is_speech() -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows, "_speech", found)
        yield


@PROPERTY_ON_DISK
@given(channels())
def test_no_speech_is_lost_where_blocks_meet(drawn: tuple[Any, list[int]]) -> None:
    sound, edges = drawn
    finder = SpeechFinder(None)
    made = [one for a, b in pairwise(edges) for one in finder.feed(sound[a:b])]
    made += finder.rest()
    spans = [span for one in made for span in one.spans]
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    covered = np.zeros(len(sound), bool)
    for one in made:
        assert len(one.samples) <= WINDOW_SAMPLES
        assert one.spans[-1][1] - one.spans[0][0] <= MAX_EXTENT_SAMPLES
        said = np.concatenate([sound[start:end] for start, end in one.spans])
        assert np.array_equal(one.samples, said)
        for start, end in one.spans:
            covered[start:end] = True
    assert covered[sound > 0].all()


class Network:
    """Stands for Silero's: what it says of a frame depends on all frames before it."""

    def __init__(self) -> None:
        self.most_frames = 0

    def run(self, names: None, given: dict[str, Any]) -> tuple[Any, Any, Any]:
        frames, h, c = given["input"], given["h"], given["c"]
        self.most_frames = max(self.most_frames, len(frames))
        said = h + np.cumsum(frames[:, :1], axis=0)
        return said, said[-1:], c + len(frames)


def test_the_network_hears_pieces_and_says_the_same() -> None:
    frames = np.random.default_rng(1).integers(0, 9, (2 * PIECE_FRAMES + 7, 4)).astype(np.float32)
    given = {"input": frames, "h": np.zeros((1, 1)), "c": np.zeros(1)}
    network = Network()
    in_pieces = windows._InPieces(network).run(None, given)
    assert network.most_frames == PIECE_FRAMES
    for said, expected in zip(in_pieces, Network().run(None, given), strict=True):
        assert np.array_equal(said, expected)
