"""What was heard in windows -> the transcript of a recording; pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Place, Span
from opentr_pipeline.transcripts.settled_times import settle_times
from opentr_pipeline.transcripts.transcript import (
    RECORDING_FLAGS,
    Segment,
    Transcript,
    Word,
    segment_from_dict,
)

# Speech so near to a word belongs to it. Of speech without any, more than this in a window, or in
# a stretch, is a loss and not a cough. In all windows together less is one, where that is no small
# share of the recording.
NEAR_WORD_S = 1.0
MAX_WORD_S = 2.0
MAX_WORDLESS_S = 6.0
MIN_WORDLESS_S = 3.0
MAX_WORDLESS_SHARE = 0.2
# Of the main language, and of any other that is spoken for longer than that.
MIN_LANGUAGE_PROBABILITY = 0.5
MIN_OTHER_PROBABILITY = 0.3


@dataclass(frozen=True)
class Heard:
    """What was made of one window.

    Attributes:
        start: where the window begins in the recording, in samples.
        channel: of the recording, from 0; None where all of them were mixed.
        speech_s: how much of the window is speech.
        language: ISO 639 code.
        language_probability: 1 where it was asked for by name.
        wall_s: the window's share of the time that the engine took.
        segments: none where the model wrote nothing.
        trouble: what the engine said where the window's words, or their times, are lost.
        spans: of speech in the recording, in samples; none in checkpoints of earlier releases.
    """

    start: int
    channel: int | None
    speech_s: float
    language: str
    language_probability: float
    wall_s: float
    segments: tuple[Segment, ...]
    trouble: str = ""
    spans: tuple[Span, ...] = ()

    @property
    def place(self) -> Place:
        """What tells the window from the others of its recording."""
        return self.start, self.channel


def heard_from_dict(fields: dict[str, Any]) -> Heard:
    """The inverse of ``dataclasses.asdict``."""
    segments = tuple(segment_from_dict(segment) for segment in fields["segments"])
    spans = tuple((start, end) for start, end in fields.get("spans", ()))
    return Heard(**{**fields, "segments": segments, "spans": spans})


def compose(
    all_heard: Iterable[Heard], duration_s: float, peaks: tuple[int, ...] = ()
) -> Transcript:
    """The transcript of a recording from its windows, in any order.

    Args:
        all_heard: of all windows.
        duration_s: the media's, not the last segment's.
        peaks: of its sound.

    Returns:
        Status ``ok``, ``suspect`` or ``no_speech``, ``failed`` where the engine failed at every
        window; what is not known here is left empty.
    """
    windows = sorted(all_heard, key=lambda one: (one.start, one.channel or 0))
    channels = sorted({one.channel for one in windows}, key=lambda channel: channel or 0)
    segments = [
        segment
        for channel in channels
        for segment in settle_times(
            [part for one in windows if one.channel == channel for part in one.segments], duration_s
        )
    ]
    language, probability = _main_language(windows)
    transcript = Transcript(
        media_fingerprint="",
        settings_fingerprint="",
        status="ok",
        language=language,
        language_probability=probability,
        duration_s=duration_s,
        speech_s=sum(one.speech_s for one in windows),
        wall_s=sum(one.wall_s for one in windows),
        segments=tuple(sorted(segments, key=lambda segment: segment.start_s)),
        peaks=peaks,
    )
    transcript = dataclasses.replace(transcript, recording_flags=_flags(transcript, windows))
    status, reason = _verdict(transcript, windows)
    return dataclasses.replace(transcript, status=status, reason=reason)


def _main_language(windows: Sequence[Heard]) -> tuple[str, float]:
    """The language that is spoken longest, and its mean probability."""
    speech_s: dict[str, float] = {}
    for one in windows:
        speech_s[one.language] = speech_s.get(one.language, 0.0) + one.speech_s
    if not speech_s:
        return "", 0.0
    language = max(speech_s, key=speech_s.__getitem__)
    said = [one for one in windows if one.language == language]
    return language, sum(one.language_probability for one in said) / len(said)


def _flags(transcript: Transcript, windows: Sequence[Heard]) -> tuple[str, ...]:
    """What is doubtful about the recording, beside its segments."""
    speaks = not all(segment.is_silence for segment in transcript.segments)
    wordless_s = [_length_s(wordless(one, NEAR_WORD_S)) for one in windows]
    stretches_s = _stretches_s(windows)
    doubts = {
        "speech_without_words": speaks
        and (
            max([*wordless_s, *stretches_s]) > MAX_WORDLESS_S
            or sum(wordless_s) > max(MIN_WORDLESS_S, MAX_WORDLESS_SHARE * transcript.speech_s)
        ),
        "uncertain_language": speaks and _is_guess(transcript, windows),
        "window_failed": any(one.trouble for one in windows),
    }
    return tuple(flag for flag, holds in doubts.items() if holds)


def _is_guess(transcript: Transcript, windows: Sequence[Heard]) -> bool:
    doubtful_s = sum(
        one.speech_s
        for one in windows
        if one.segments and one.language_probability < MIN_OTHER_PROBABILITY
    )
    is_main = transcript.language_probability < MIN_LANGUAGE_PROBABILITY
    return is_main or doubtful_s > MAX_WORDLESS_S


def wordless(heard: Heard, near_s: float) -> list[Span]:
    """The speech of a window that has no word near it, in samples of the recording.

    Args:
        heard: the window.
        near_s: what is so near to a word belongs to it.
    """
    said = sorted(
        (round((start_s - near_s) * SAMPLE_RATE_HZ), round((end_s + near_s) * SAMPLE_RATE_HZ))
        for start_s, end_s in map(_times, _parts(heard))
    )
    found: list[Span] = []
    for start, end in heard.spans:
        reached = start
        for first, last in said:
            found.append((reached, min(first, end)))
            reached = max(reached, last)
        found.append((reached, end))
    return [(start, end) for start, end in found if start < end]


def _parts(heard: Heard) -> Iterator[Word | Segment]:
    for segment in heard.segments:
        yield from segment.words or (segment,)


def _times(part: Word | Segment) -> tuple[float, float]:
    """Where something is said; alignments stretch a word backwards over what they cannot place."""
    is_stretched = isinstance(part, Word) and part.end_s - part.start_s > MAX_WORD_S
    return (part.end_s - MAX_WORD_S if is_stretched else part.start_s), part.end_s


def _length_s(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in spans) / SAMPLE_RATE_HZ


def _stretches_s(windows: Sequence[Heard]) -> list[float]:
    """How long somebody speaks until the first word, and from the last of a window to the next."""
    lengths_s: list[float] = []
    for channel in {one.channel for one in windows}:
        lengths_s.append(0.0)
        for one in (one for one in windows if one.channel == channel):
            lost = wordless(one, NEAR_WORD_S)
            if not one.segments:
                lengths_s[-1] += _length_s(lost)
                continue
            times = [SAMPLE_RATE_HZ * time_s for part in _parts(one) for time_s in _times(part)]
            first, last = min(times), max(times)
            lengths_s[-1] += _length_s(span for span in lost if span[0] < first)
            lengths_s.append(_length_s(span for span in lost if span[0] >= last))
    return lengths_s


def _verdict(transcript: Transcript, windows: Sequence[Heard]) -> tuple[str, str]:
    """Status and reason of what was heard."""
    segments = transcript.segments
    if windows and not segments and all(one.trouble for one in windows):
        return "failed", windows[0].trouble
    if transcript.recording_flags:
        doubts = "; ".join(RECORDING_FLAGS[flag] for flag in transcript.recording_flags)
        return "suspect", " ".join([f"{doubts.capitalize()}.", *_in_segments(segments)])
    if not segments:
        return "no_speech", _silence(transcript.speech_s)
    if all(segment.is_silence for segment in segments):
        return "no_speech", "Nobody seems to speak; what the model wrote is kept in the segments."
    if transcript.flags:
        return "suspect", " ".join(_in_segments(segments))
    return "ok", ""


def _silence(speech_s: float) -> str:
    if speech_s <= MAX_WORDLESS_S:
        return "No speech was found."
    return f"{speech_s:.0f} s sound like speech, as some music does, and the model wrote no word."


def _in_segments(segments: Sequence[Segment]) -> list[str]:
    """A sentence about the flags of segments, where there are any."""
    doubtful = [segment for segment in segments if segment.flags]
    flags = sorted({flag for segment in doubtful for flag in segment.flags})
    share = f"{len(doubtful)} of {len(segments)} segments"
    return [f"{', '.join(flags)} in {share}."] if doubtful else []
