"""Words, segments and transcripts, and what always holds for them; pure."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# What a transcript belongs to: the fingerprint of the media, and that of the settings.
Content = tuple[str, str]
# What became of a recording. Only ``failed`` is tried again by itself.
STATUSES = {
    "ok": "transcribed",
    "suspect": "transcribed, and flags say what to check",
    "no_speech": "heard to the end; nobody speaks",
    "truncated": "transcribed as far as the damaged file goes",
    "corrupt": "the file makes no sense; nothing could be heard",
    "unsupported": "no audio stream, or a codec that FFmpeg's libraries do not know",
    "failed": "something else went wrong; a later run tries again",
}
# Source: the thresholds of openai/whisper's own fallback (whisper/transcribe.py).
MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROBABILITY = 0.6
FLAGS = {
    "loop": "the text repeats itself",
    "low_confidence": "the model doubts its own words",
    "likely_silence": "the model doubts that anybody speaks",
    "boilerplate": "a sentence that Whisper learnt from subtitles and writes where nobody speaks",
}
# Whole segments that Whisper is known to invent, letters alone.
# Source: issues of openai/whisper and faster-whisper about hallucinations.
BOILERPLATE = frozenset(
    """thankyouforwatching thanksforwatching thankyouforlistening pleasesubscribe
    subtitlesbytheamaraorgcommunity subtitlesbyamaraorg
    untertitelderamaraorgcommunity untertitelungdeszdffürfunk2017
    soustitresréalisésparalacommunautédamaraorg soustitresréaliséspourlacommunautédamaraorg
    subtítulosrealizadosporlacomunidaddeamaraorg subtítulosporlacomunidaddeamaraorg
    sottotitolicreatidallacomunitàamaraorg legendaspelacomunidadeamaraorg
    ondertitelddoordeamaraorggemeenschap napisystworzoneprzezspołecznośćamaraorg
    продолжениеследует субтитрысделалdimatorzok спасибозапросмотр
    ご視聴ありがとうございました 시청해주셔서감사합니다 字幕由amaraorg社区提供""".split()
)


@dataclass(frozen=True)
class Word:
    """A word as the model wrote it, with the space in front where there is one.

    Attributes:
        probability: 0 to 1, the model's own.
    """

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Segment:
    """A span of speech with its text and scores.

    Attributes:
        avg_logprob: mean log-probability of the tokens; 0 is certain.
        no_speech_probability: that the span holds no speech at all.
        compression_ratio: of the text; a loop compresses well.
        channel: the first is 0; None where all channels were mixed.
        language: of its window; empty in transcripts of earlier releases.
        is_endless: the model stopped only because no more tokens were allowed.
    """

    start_s: float
    end_s: float
    text: str
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float
    words: tuple[Word, ...] = ()
    channel: int | None = None
    language: str = ""
    is_endless: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """What is doubtful, by names of ``FLAGS``."""
        doubts = {
            "loop": self.compression_ratio > MAX_COMPRESSION_RATIO or self.is_endless,
            "low_confidence": self.avg_logprob < MIN_AVG_LOGPROB,
            "likely_silence": self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY,
            "boilerplate": _letters(self.text) in BOILERPLATE,
        }
        return tuple(flag for flag, holds in doubts.items() if holds)

    @property
    def is_silence(self) -> bool:
        """Whether nobody speaks: the model doubts it, and its text carries no weight."""
        flags = self.flags
        return "likely_silence" in flags and ("low_confidence" in flags or "boilerplate" in flags)


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
    """

    start: int
    channel: int | None
    speech_s: float
    language: str
    language_probability: float
    wall_s: float
    segments: tuple[Segment, ...]

    @property
    def place(self) -> tuple[int, int | None]:
        """What tells the window from the others of its recording."""
        return self.start, self.channel


@dataclass(frozen=True)
class Transcript:
    """The outcome for the content of one media file under one set of options.

    It belongs to (``media_fingerprint``, ``settings_fingerprint``), not to a path: every path
    with the same bytes gets it.

    Attributes:
        status: a key of ``STATUSES``.
        reason: a sentence where the status is not ``ok``.
        language: ISO 639 code; empty where nothing was heard.
        language_probability: 1 where it was asked for by name.
        duration_s: of the sound that could be decoded.
        speech_s: how much of that is speech.
        wall_s: time that the engine took.
        transcribed_at: ISO 8601, UTC.
        num_attempts: how often this was tried, attempts that died included.
    """

    media_fingerprint: str
    settings_fingerprint: str
    status: str
    reason: str = ""
    language: str = ""
    language_probability: float = 0.0
    model: str = ""
    compute_type: str = ""
    task: str = ""
    duration_s: float = 0.0
    speech_s: float = 0.0
    wall_s: float = 0.0
    transcribed_at: str = ""
    num_attempts: int = 1
    segments: tuple[Segment, ...] = ()

    @property
    def content(self) -> Content:
        """What it belongs to."""
        return self.media_fingerprint, self.settings_fingerprint

    @property
    def text(self) -> str:
        """All segments' text, a space between them; empty where nobody speaks."""
        if self.status == "no_speech":
            return ""
        return " ".join(segment.text for segment in self.segments)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of its segments, each once, sorted."""
        return tuple(sorted({flag for segment in self.segments for flag in segment.flags}))

    @property
    def is_final(self) -> bool:
        """Whether nothing changes by trying again."""
        return self.status != "failed"


def now() -> str:
    """The time as ``Transcript.transcribed_at`` keeps it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def from_dict(fields: dict[str, Any]) -> Transcript:
    """The inverse of ``dataclasses.asdict``."""
    segments = tuple(_segment_from_dict(segment) for segment in fields["segments"])
    return Transcript(**{**fields, "segments": segments})


def heard_from_dict(fields: dict[str, Any]) -> Heard:
    """The inverse of ``dataclasses.asdict``."""
    segments = tuple(_segment_from_dict(segment) for segment in fields["segments"])
    return Heard(**{**fields, "segments": segments})


def _segment_from_dict(fields: dict[str, Any]) -> Segment:
    return Segment(**{**fields, "words": tuple(Word(**word) for word in fields["words"])})


def compose(all_heard: Iterable[Heard], duration_s: float) -> Transcript:
    """The transcript of a recording from its windows, in any order.

    Args:
        all_heard: of all windows.
        duration_s: the media's, not the last segment's.

    Returns:
        Status ``ok``, ``suspect`` or ``no_speech``; what is not known here is left empty.
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
        transcribed_at=now(),
        segments=tuple(sorted(segments, key=lambda segment: segment.start_s)),
    )
    status, reason = _verdict(transcript)
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


def _verdict(transcript: Transcript) -> tuple[str, str]:
    """Status and reason of what was heard."""
    segments = transcript.segments
    if not segments:
        return "no_speech", "No speech was found."
    if all(segment.is_silence for segment in segments):
        return "no_speech", "Nobody seems to speak; what the model wrote is kept in the segments."
    if transcript.flags:
        doubtful = sum(bool(segment.flags) for segment in segments)
        share = f"{doubtful} of {len(segments)} segments"
        return "suspect", f"{', '.join(transcript.flags)} in {share}."
    return "ok", ""


def _letters(text: str) -> str:
    """A text without case, marks and spaces."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def settle_times(segments: Iterable[Segment], duration_s: float) -> tuple[Segment, ...]:
    """The same segments with times that run forward and stay inside the media.

    Alignment can place a word a little before its predecessor or past the end. Only times are
    moved, by as little as makes them monotone; text and scores stay.

    Args:
        segments: in the order of the text.
        duration_s: the media's.
    """
    settled = []
    reached_s = 0.0
    for segment in segments:
        words, reached_s = _settled_words(segment.words, reached_s, duration_s)
        start_s = words[0].start_s if words else min(max(segment.start_s, reached_s), duration_s)
        end_s = words[-1].end_s if words else min(max(segment.end_s, start_s), duration_s)
        reached_s = max(reached_s, end_s)
        settled.append(
            dataclasses.replace(segment, start_s=start_s, end_s=end_s, words=tuple(words))
        )
    return tuple(settled)


def _settled_words(
    words: Sequence[Word], reached_s: float, duration_s: float
) -> tuple[list[Word], float]:
    settled = []
    for word in words:
        start_s = min(max(word.start_s, reached_s), duration_s)
        end_s = min(max(word.end_s, start_s), duration_s)
        settled.append(dataclasses.replace(word, start_s=start_s, end_s=end_s))
        reached_s = end_s
    return settled, reached_s
