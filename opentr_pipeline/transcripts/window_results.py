"""What was heard in windows -> the transcript of a recording; pure."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Place, Span
from opentr_pipeline.transcripts.transcript import (
    RECORDING_FLAGS,
    Segment,
    Transcript,
    segment_from_dict,
    settle_times,
)

# Speech so near to a word belongs to it. Of speech without any, more than this in a window, or in
# all of them together where that is no small share of the recording, is a loss and not a cough.
NEAR_WORD_S = 1.0
MAX_WORDLESS_S = 6.0
MAX_WORDLESS_SHARE = 0.2
MIN_LANGUAGE_PROBABILITY = 0.5


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


def compose(all_heard: Iterable[Heard], duration_s: float) -> Transcript:
    """The transcript of a recording from its windows, in any order.

    Args:
        all_heard: of all windows.
        duration_s: the media's, not the last segment's.

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
    wordless_s = [_wordless_s(one) for one in windows]
    share = sum(wordless_s) / (transcript.speech_s or 1)
    is_uncertain = transcript.language_probability < MIN_LANGUAGE_PROBABILITY
    doubts = {
        "speech_without_words": speaks
        and (
            max(wordless_s) > MAX_WORDLESS_S
            or (sum(wordless_s) > MAX_WORDLESS_S and share > MAX_WORDLESS_SHARE)
        ),
        "uncertain_language": speaks and is_uncertain,
        "window_failed": any(one.trouble for one in windows),
    }
    return tuple(flag for flag, holds in doubts.items() if holds)


def _wordless_s(heard: Heard) -> float:
    """How much of a window's speech has no word near it."""
    said = sorted(
        (part.start_s - NEAR_WORD_S, part.end_s + NEAR_WORD_S)
        for segment in heard.segments
        for part in segment.words or (segment,)
    )
    wordless_s = 0.0
    for start, end in heard.spans:
        reached_s, end_s = start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ
        for first_s, last_s in said:
            wordless_s += max(0.0, min(first_s, end_s) - reached_s)
            reached_s = max(reached_s, last_s)
        wordless_s += max(0.0, end_s - reached_s)
    return wordless_s


def _verdict(transcript: Transcript, windows: Sequence[Heard]) -> tuple[str, str]:
    """Status and reason of what was heard."""
    segments = transcript.segments
    if windows and not segments and all(one.trouble for one in windows):
        return "failed", windows[0].trouble
    if transcript.recording_flags:
        doubts = "; ".join(RECORDING_FLAGS[flag] for flag in transcript.recording_flags)
        return "suspect", " ".join([f"{doubts.capitalize()}.", *_in_segments(segments)])
    if not segments:
        return "no_speech", "No speech was found."
    if all(segment.is_silence for segment in segments):
        return "no_speech", "Nobody seems to speak; what the model wrote is kept in the segments."
    if transcript.flags:
        return "suspect", " ".join(_in_segments(segments))
    return "ok", ""


def _in_segments(segments: Sequence[Segment]) -> list[str]:
    """A sentence about the flags of segments, where there are any."""
    doubtful = [segment for segment in segments if segment.flags]
    flags = sorted({flag for segment in doubtful for flag in segment.flags})
    share = f"{len(doubtful)} of {len(segments)} segments"
    return [f"{', '.join(flags)} in {share}."] if doubtful else []
