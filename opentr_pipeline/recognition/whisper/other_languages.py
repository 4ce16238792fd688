"""Several languages in a window: what the model left out, and back into its place; pure."""

import dataclasses
from collections.abc import Iterator, Sequence

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Span, Window
from opentr_pipeline.recognition.whisper.speech_clock import SpeechClock
from opentr_pipeline.transcripts.transcript import Segment, Word
from opentr_pipeline.transcripts.window_results import Heard, wordless

# So much speech without words may be in another language; what is near to a word is in its own.
MIN_LOST_SAMPLES = 2 * SAMPLE_RATE_HZ
NEAR_WORD_S = 0.3
# Half a word is heard as another one: a stretch goes on to a pause that is so near.
MAX_HALF_WORD_S = 0.5


def lost_stretches(heard: Heard) -> list[list[Span]]:
    """Stretches of speech without a word; those that only a pause parts are one."""
    starts, ends = zip(*heard.spans, strict=True)
    stretches: list[list[Span]] = []
    for start, end in wordless(heard, NEAR_WORD_S):
        if stretches and start in starts and stretches[-1][-1][1] in ends:
            stretches[-1].append((start, end))
        else:
            stretches.append([(start, end)])
    lengths = [sum(end - start for start, end in spans) for spans in stretches]
    return [
        spans
        for spans, length in zip(stretches, lengths, strict=True)
        if length >= MIN_LOST_SAMPLES
    ]


def between_pauses(stretches: Sequence[Sequence[Span]], window: Window) -> list[list[Span]]:
    """Stretches of a window that begin and end where the speaker pauses, if that is near.

    Word times are some tenths of a second wrong, and more where the alignment has stretched a word.
    """
    clock = SpeechClock.of(window)
    found: list[list[Span]] = []
    for spans in stretches:
        widened = list(spans)
        widened[0] = (_paused_before(widened[0][0], window, clock), widened[0][1])
        widened[-1] = (widened[-1][0], _paused_after(widened[-1][1], window, clock))
        if found and widened[0][0] < found[-1][-1][1]:  # the word between them belongs to neither
            widened = list(spans)
        found.append(widened)
    return found


def _paused_before(start: int, window: Window, clock: SpeechClock) -> int:
    first, _, offset = _around(start, window)
    paused_s = clock.pause_before((start - offset) / SAMPLE_RATE_HZ, MAX_HALF_WORD_S)
    return max(first, offset + round(paused_s * SAMPLE_RATE_HZ))


def _paused_after(end: int, window: Window, clock: SpeechClock) -> int:
    _, last, offset = _around(end, window)
    paused_s = clock.pause_after((end - offset) / SAMPLE_RATE_HZ, MAX_HALF_WORD_S)
    return min(last, offset + round(paused_s * SAMPLE_RATE_HZ))


def _around(sample: int, window: Window) -> tuple[int, int, int]:
    """The span of a window that a place is in, and how much later it is in the recording."""
    heard = 0
    for first, last in window.spans:
        if first <= sample <= last:
            break
        heard += last - first
    return first, last, first - heard


def inserted(heard: Heard, other: Heard) -> Heard:
    """A window with what was heard in a stretch of it."""
    if not other.segments:
        return heard
    at_s, until_s = other.segments[0].start_s, other.segments[-1].end_s
    parts = [part for segment in heard.segments for part in _parted(segment, at_s, until_s)]
    segments = sorted((*parts, *other.segments), key=lambda segment: segment.start_s)
    wall_s = heard.wall_s + other.wall_s
    return dataclasses.replace(heard, segments=tuple(segments), wall_s=wall_s)


def _parted(segment: Segment, at_s: float, until_s: float) -> Iterator[Segment]:
    """A segment that reaches over a stretch, as what is before and after it."""
    is_over = segment.start_s < until_s and at_s < segment.end_s
    if not is_over or not segment.words_say_the_text:
        yield segment
        return
    before = [word for word in segment.words if word.end_s <= at_s]
    # The alignment has stretched a word over what it could not place.
    after = [
        dataclasses.replace(word, start_s=min(max(word.start_s, until_s), word.end_s))
        for word in segment.words[len(before) :]
    ]
    for words in filter(None, (before, after)):
        yield _of_words(segment, words)


def _of_words(segment: Segment, words: list[Word]) -> Segment:
    text = "".join(word.text for word in words).strip()
    start_s, end_s = words[0].start_s, words[-1].end_s
    return dataclasses.replace(segment, text=text, words=tuple(words), start_s=start_s, end_s=end_s)
