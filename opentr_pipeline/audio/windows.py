"""Sound -> spans of speech -> windows (Silero's door)."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    # float32, shape (num_samples,), 16 kHz, range [-1, 1].
    Samples = np.ndarray[Any, Any]

# Start and end of speech, in samples.
Span = tuple[int, int]
# What tells a window from the others of its recording: its start in samples and its channel.
Place = tuple[int, int | None]
SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ
# Neighbouring speech is joined up to this, which is heard in a context of 20 s: a second of it
# costs the encoder two thirds of what it costs in 30 s. Only who speaks on without a pause is heard
# longer. Source: docs/decisions/0073.
JOINED_SAMPLES = 18 * SAMPLE_RATE_HZ
# A pause that ends a span of speech. Source: faster-whisper's choice for its batched pipeline.
MIN_SILENCE_MS = 160
# A window keeps short pauses, because words suffer where speech is joined to speech, and leaves
# longer ones out. After still longer ones, and beyond the extent, another window begins.
KEPT_PAUSE_SAMPLES = SAMPLE_RATE_HZ
MAX_PAUSE_SAMPLES = 3 * SAMPLE_RATE_HZ
MAX_EXTENT_SAMPLES = 60 * SAMPLE_RATE_HZ
# The end of a block is searched again with the next one, where a word may be cut in two.
OVERLAP_SAMPLES = SAMPLE_RATE_HZ
PIECE_FRAMES = 250  # that the network hears at once: 8 s


@dataclass(frozen=True)
class Window:
    """Up to 30 s of speech as Whisper hears it, without the pauses between its spans.

    Attributes:
        spans: where its speech is in the recording, in samples, in order.
        samples: float32, shape (num_samples,), 16 kHz mono, range [-1, 1].
        channel: of the recording, from 0; None where all of them are mixed.
        features: what was made of ``samples`` for the model, where they were decoded.
    """

    spans: tuple[Span, ...]
    samples: "Samples"
    channel: int | None = None
    features: Any = None

    @property
    def place(self) -> Place:
        """What tells it from the recording's other windows."""
        return self.spans[0][0], self.channel

    @property
    def duration_s(self) -> float:
        """Seconds of speech."""
        return len(self.samples) / SAMPLE_RATE_HZ

    def within(self, spans: Sequence[Span]) -> "Window":
        """Some of its speech: spans that lie in its own, in order."""
        import numpy as np

        pieces = []
        offset = 0
        for first, last in self.spans:
            for start, end in spans:
                if first <= start and end <= last:
                    pieces.append(self.samples[offset + start - first : offset + end - first])
            offset += last - first
        return Window(tuple(spans), np.concatenate(pieces), self.channel)

    def placed(self, start_s: float, end_s: float) -> tuple[float, float]:
        """The time in the recording of something that was heard in the window.

        It lies in one span, the one in which its middle was heard: nothing lasts over a pause.

        Args:
            start_s: from the beginning of ``samples``.
            end_s: likewise.
        """
        middle = (start_s + end_s) / 2 * SAMPLE_RATE_HZ
        offset = 0  # of the span in ``samples``
        for first, last in self.spans[:-1]:
            if middle < offset + last - first:
                break
            offset += last - first
        else:
            first, last = self.spans[-1]
        shift_s = (first - offset) / SAMPLE_RATE_HZ
        earliest_s, latest_s = first / SAMPLE_RATE_HZ, last / SAMPLE_RATE_HZ
        start_s = min(max(start_s + shift_s, earliest_s), latest_s)
        return start_s, min(max(end_s + shift_s, start_s), latest_s)


class SpeechFinder:
    """Turns the blocks of one channel into windows.

    A window that may still grow is held back, with its samples, into the next block, so that where
    blocks meet changes hardly anything; the same blocks give the same windows.
    """

    def __init__(self, channel: int | None) -> None:
        """Start at the beginning of a channel; None where all of them are mixed."""
        self._channel = channel
        self._held: Samples | None = None
        self._start = 0  # of what is held, in the recording

    def feed(self, block: "Samples") -> Iterator[Window]:
        """Windows that no later block can change."""
        import numpy as np

        sound = block if self._held is None else np.concatenate([self._held, block])
        groups = spans_by_window(_speech(sound))
        keep_from = max(0, len(sound) - OVERLAP_SAMPLES)
        if groups and groups[-1][-1][1] > keep_from - MAX_PAUSE_SAMPLES:
            keep_from = groups.pop()[0][0]
        yield from self._cut(sound, groups)
        self._held = sound[keep_from:].copy()
        self._start += keep_from

    def rest(self) -> Iterator[Window]:
        """The windows that were held back."""
        if self._held is not None:
            yield from self._cut(self._held, spans_by_window(_speech(self._held)))

    def _cut(self, sound: "Samples", groups: Sequence[Sequence[Span]]) -> Iterator[Window]:
        import numpy as np

        for group in groups:
            samples = np.concatenate([sound[start:end] for start, end in group])
            spans = tuple((self._start + start, self._start + end) for start, end in group)
            yield Window(spans, samples, self._channel)


def _speech(sound: "Samples") -> list[Span]:
    """Spans of speech, none longer than a window."""
    if not sound.any():  # hours of it cost next to nothing
        return []
    # ONNX Runtime (1.32 at least) tells its makers of this machine, unless it is told not to before
    # it is imported; ``speakers.sessions`` does so too.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from faster_whisper.vad import VadOptions, get_speech_timestamps, get_vad_model

    model = get_vad_model()
    if not isinstance(model.session, _InPieces):
        model.session = _InPieces(model.session)
    max_s = WINDOW_SAMPLES / SAMPLE_RATE_HZ
    options = VadOptions(max_speech_duration_s=max_s, min_silence_duration_ms=MIN_SILENCE_MS)
    found = get_speech_timestamps(sound, options)
    return [(span["start"], min(span["end"], span["start"] + WINDOW_SAMPLES)) for span in found]


class _InPieces:
    """Silero's network, which takes 60 MB for the frames of two minutes at once; likewise else."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, names: None, given: "dict[str, Samples]") -> "tuple[Samples, Samples, Samples]":
        """The probability of speech in each frame, and what it remembers of those before."""
        import numpy as np

        frames, h, c = given["input"], given["h"], given["c"]
        found = []
        for start in range(0, len(frames), PIECE_FRAMES):
            piece = frames[start : start + PIECE_FRAMES]
            said, h, c = self._session.run(names, {"input": piece, "h": h, "c": c})
            found.append(said)
        return np.concatenate(found), h, c


def spans_by_window(speech: Sequence[Span]) -> list[list[Span]]:
    """Group neighbouring spans of speech while they fit into a window; pure.

    Args:
        speech: in order, none longer than a window.

    Returns:
        The spans of each window, those with a short pause between them made one.
    """
    windows: list[list[Span]] = []
    last: list[Span] = []
    for span in speech:
        if last and not _is_window([*last, span]):
            first_of_next = _after_longest_pause(last, span)
            windows.append(last[:first_of_next])
            last = last[first_of_next:]
        last.append(span)
    return [_without_short_pauses(window) for window in (*windows, last) if window]


def _is_window(spans: Sequence[Span]) -> bool:
    """Whether spans may share a window."""
    pauses = (after[0] - before[1] for before, after in pairwise(spans))
    is_short = _num_samples(spans) <= JOINED_SAMPLES
    is_near = spans[-1][1] - spans[0][0] <= MAX_EXTENT_SAMPLES
    return is_short and is_near and max(pauses) <= MAX_PAUSE_SAMPLES


def _after_longest_pause(spans: Sequence[Span], more: Span) -> int:
    """Where a window is best parted that cannot take more: no later than before that.

    What comes after is a window with it, and what comes before fills half of one. Of pauses that
    are as long the last one counts: those of less than 0.8 s are lost to the spans beside them.
    """
    places = [
        place
        for place in reversed(range(1, len(spans)))
        if 2 * _num_samples(spans[:place]) >= JOINED_SAMPLES and _is_window([*spans[place:], more])
    ]
    all_ = [*spans, more]
    return max((len(spans), *places), key=lambda place: all_[place][0] - all_[place - 1][1])


def _num_samples(spans: Sequence[Span]) -> int:
    return sum(end - start for start, end in _without_short_pauses(spans))


def _without_short_pauses(spans: Sequence[Span]) -> list[Span]:
    """Spans, those with a short pause between them made one."""
    joined = [spans[0]]
    for start, end in spans[1:]:
        is_short = start - joined[-1][1] <= KEPT_PAUSE_SAMPLES
        begins = joined.pop()[0] if is_short else start
        joined.append((begins, end))
    return joined
