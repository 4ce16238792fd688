"""Words, segments and transcripts, and what always holds for them; pure."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.transcripts.edits import Correction
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice, voice_from_dict

# What a transcript belongs to: the fingerprint of the media, and that of the settings.
Content = tuple[str, str]
# What became of a recording. Only ``failed`` is tried again by itself.
STATUSES = {
    "ok": "transcribed",
    "suspect": "transcribed, and flags say what to check",
    "no_speech": "heard to the end; nobody speaks",
    "truncated": "transcribed as far as the damaged file goes",
    "too_long": "transcribed as far as MAX_DURATION_S",
    "corrupt": "the file makes no sense; nothing could be heard",
    "unsupported": "no audio stream, or a codec that FFmpeg's libraries do not know",
    "failed": "something else went wrong; a later run tries again",
}
# Of these the sound was heard, and of the first three to the end.
HEARD_WHOLE = ("ok", "suspect", "no_speech")
HEARD = (*HEARD_WHOLE, "truncated", "too_long")
# What to do about those that are not as they should be.
REMEDIES = {
    "suspect": "listen to what the flags mark in the table segments; the text is kept as it is",
    "truncated": "copy the media file again; what could be decoded is transcribed",
    "too_long": "set a larger MAX_DURATION_S, and a run hears all of it",
    "corrupt": "copy the media file again, from where it plays",
    "unsupported": "convert the media file, such as to FLAC; one without sound needs nothing",
    "failed": "the next run tries again by itself",
}
# What is doubtful about a recording as a whole, beside the flags of its segments.
RECORDING_FLAGS = {
    "speech_without_words": "somebody speaks for longer than some seconds and no word is written",
    "uncertain_language": "the language is a guess",
    "speech_without_text": "somebody speaks for longer than some seconds and the given text says "
    "nothing",
    "text_does_not_fit": "the given text is not what is said; the model's own stays",
    "window_failed": "the engine failed at a stretch of speech, whose words or their times are "
    "missing",
}
# Of words, in the scripts that Whisper writes.
SENTENCE_ENDS = tuple(".!?…。！？؟।")
# Source: the thresholds of openai/whisper's own fallback (whisper/transcribe.py).
MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROBABILITY = 0.6
# Digits or syllables over and over, too few to compress well; what is longer does.
ROUND = re.compile(r"(.{1,12}?)\1{4,}")
MIN_LOOP_LETTERS = 12
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
        speaker: the label of who says it; empty where nobody has asked.
        speaker_share: of the word that lies in that speaker's turns, 0 to 1.
        model_text: what the model wrote in its place, where a person has corrected it: perhaps
            several words, or none; None where the text is what it wrote.
    """

    text: str
    start_s: float
    end_s: float
    probability: float
    speaker: str = ""
    speaker_share: float = 0.0
    model_text: str | None = None


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
        speaker: the label of who says it, or most of it; empty where nobody has asked.
        has_overlap: somebody else speaks at the same time.
        part_of: the number of the model's own segment, from 0, where it was parted because the
            speaker changes in it; None where it is whole.
        is_unmatched: a given text, of which nothing was heard.
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
    speaker: str = ""
    has_overlap: bool = False
    part_of: int | None = None
    is_unmatched: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """What is doubtful.

        ``loop``: the text repeats itself. ``low_confidence``: the model doubts its own words.
        ``likely_silence``: it doubts that anybody speaks. ``boilerplate``: a sentence that Whisper
        learnt from subtitles and writes where nobody speaks. ``unmatched_text``: nothing that
        was heard fits this part of a given text.
        """
        doubts = {
            "loop": self._is_loop,
            "low_confidence": self.avg_logprob < MIN_AVG_LOGPROB,
            "likely_silence": self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY,
            "boilerplate": _letters(self.text) in BOILERPLATE,
            "unmatched_text": self.is_unmatched,
        }
        return tuple(flag for flag, holds in doubts.items() if holds)

    @property
    def _is_loop(self) -> bool:
        if self.compression_ratio > MAX_COMPRESSION_RATIO or self.is_endless:
            return True
        rounds = ROUND.finditer(_letters(self.text))
        return any(len(found[0]) >= MIN_LOOP_LETTERS for found in rounds)

    @property
    def words_say_the_text(self) -> bool:
        """Whether the words together are the text, spaces aside."""
        said = "".join(word.text for word in self.words)
        return "".join(said.split()) == "".join(self.text.split())

    @property
    def is_silence(self) -> bool:
        """Whether nobody speaks: the model doubts it, and its text carries no weight."""
        flags = self.flags
        return "likely_silence" in flags and ("low_confidence" in flags or "boilerplate" in flags)


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
        recording_flags: keys of ``RECORDING_FLAGS``, sorted.
        speakers_fingerprint: of the models and options that told the speakers apart; empty where
            nobody has asked.
        speakers_reason: a sentence where that could not be done.
        turns: who speaks when.
        voices: of who speaks, by number.
        provided: the text is one that lay beside the media; only the times were heard.
        provided_fingerprint: SHA-256 of that file, also where it did not fit; empty without one.
        provided_reason: a sentence about what of it does not fit.
        corrections: what people have corrected in it, and what became of that, by time of making.
        corrections_fingerprint: SHA-256 of the file that keeps these; empty without one.
        uncorrected: itself before that, without speakers, as JSON; empty where it is not corrected.
        peaks: how loud the sound is over time, see ``audio.peaks``; none where an earlier release
            heard it.
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
    recording_flags: tuple[str, ...] = ()
    speakers_fingerprint: str = ""
    speakers_reason: str = ""
    turns: tuple[Turn, ...] = ()
    voices: tuple[Voice, ...] = ()
    provided: bool = False
    provided_fingerprint: str = ""
    provided_reason: str = ""
    corrections: tuple[Correction, ...] = ()
    corrections_fingerprint: str = ""
    uncorrected: str = ""
    peaks: tuple[int, ...] = ()

    @property
    def spoken(self) -> Spoken | None:
        """Who speaks when; None where nobody has asked."""
        if not self.speakers_fingerprint:
            return None
        content = self.media_fingerprint, self.speakers_fingerprint
        return Spoken(*content, self.turns, self.voices, self.speakers_reason)

    @property
    def num_speakers(self) -> int | None:
        """Of how many people something was heard; None where nobody has asked."""
        return len({turn.speaker for turn in self.turns}) if self.speakers_fingerprint else None

    @property
    def content(self) -> Content:
        """What it belongs to."""
        return self.media_fingerprint, self.settings_fingerprint

    @property
    def text(self) -> str:
        """All segments' text, a space between them; empty where nobody speaks."""
        return "" if self.status == "no_speech" else joined_text(self.segments)

    @property
    def flags(self) -> tuple[str, ...]:
        """The recording's flags and those of its segments, each once, sorted."""
        of_segments = {flag for segment in self.segments for flag in segment.flags}
        return tuple(sorted(of_segments.union(self.recording_flags)))

    @property
    def is_final(self) -> bool:
        """Whether nothing changes by trying again."""
        return self.status != "failed"


def from_dict(fields: dict[str, Any]) -> Transcript:
    """The inverse of ``dataclasses.asdict``."""
    return Transcript(
        **{
            **fields,
            "segments": tuple(map(segment_from_dict, fields["segments"])),
            "recording_flags": tuple(fields.get("recording_flags", ())),
            "turns": tuple(Turn(**turn) for turn in fields.get("turns", ())),
            "peaks": tuple(fields.get("peaks", ())),
            "voices": tuple(map(voice_from_dict, fields.get("voices", ()))),
            "corrections": tuple(
                Correction(**{**one, "voice": ()}) for one in fields.get("corrections", ())
            ),
        }
    )


def segment_from_dict(fields: dict[str, Any]) -> Segment:
    """The inverse of ``dataclasses.asdict``."""
    return Segment(**{**fields, "words": tuple(Word(**word) for word in fields["words"])})


def joined_text(segments: Sequence[Segment]) -> str:
    """The text of segments, a space between them, and between parts of one where it has one."""
    texts = [segment.text for segment in segments[:1]]
    for before, segment in itertools.pairwise(segments):
        is_next_part = segment.part_of is not None and segment.part_of == before.part_of
        has_space = not is_next_part or segment.words[0].text[:1].isspace()
        texts.append(" " * has_space + segment.text)
    return "".join(texts)


def _letters(text: str) -> str:
    """A text without case, marks and spaces."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())
