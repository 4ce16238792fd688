"""Transcripts -> what a reading page shows of them; pure."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.transcripts.shown_names import changes_of, told_names
from opentr_pipeline.transcripts.transcript import Segment, Transcript
from opentr_pipeline.transcripts.turns import label

# Words that the model gives less than even chances are marked.
DOUBTFUL_PROBABILITY = 0.5
NUM_BINS = 500
# Of a bin that is speech; less is no bar.
MIN_SHARE = 0.02
# Where something is even though it is silent, a bar is a line; sound that is never louder than this
# (of 255) is not drawn as if it were.
MIN_HEIGHT = 0.04
QUIET = 13
# So many speakers of a recording have a colour each in ``recording.css``, then they come again.
NUM_COLOURS = 8


@dataclass(frozen=True)
class ShownWord:
    """A word as it is shown.

    Attributes:
        space: in front of it, where there is one; no part of what is marked and underlined.
        doubt: what the model thinks of it where that is little; else empty.
    """

    space: str
    text: str
    doubt: str = ""

    @classmethod
    def of(cls, text: str, doubt: str = "") -> "ShownWord":
        """From a text as the model wrote it."""
        bare = text.lstrip()
        return cls(text[: len(text) - len(bare)], bare, doubt)


@dataclass(frozen=True)
class Paragraph:
    """A segment as it is shown.

    Attributes:
        starts: of its words, hundredths of a second, spaces between.
        channel: the first is 0; None where all channels were mixed.
        speaker: who says it; None where that is not told.
        is_change: somebody else said what stands before.
        has_overlap: somebody else speaks at the same time.
    """

    start_s: float
    end_s: float
    starts: str
    language: str
    channel: int | None
    flags: tuple[str, ...]
    words: tuple[ShownWord, ...]
    speaker: "ShownSpeaker | None" = None
    is_change: bool = False
    has_overlap: bool = False

    @property
    def num_doubts(self) -> int:
        """Places to be looked at: a flagged segment is one, whatever its words."""
        return 1 if self.flags else sum(bool(word.doubt) for word in self.words)


@dataclass(frozen=True)
class ShownSpeaker:
    """Somebody who speaks in a recording.

    Attributes:
        number: by first appearance, from 0.
        name: that somebody has given, else the label.
        is_named: somebody has.
        speech_s: how long they speak; 0 where that is not known.
    """

    number: int
    name: str
    is_named: bool
    speech_s: float = 0.0

    @property
    def colour(self) -> int:
        """A class of the style sheet; the name is always shown as well."""
        return self.number % NUM_COLOURS


@dataclass(frozen=True)
class Strip:
    """Where in a recording there is speech, and where it is doubtful.

    A bar is as high as the sound is loud; where that is not known, as much as there is speech.

    Attributes:
        speech: an SVG path over ``width`` by ``height``; a bar for each bin with speech.
        doubts: the same for speech in flagged segments, and doubtful words.
        other: the same for what is no speech; empty where it is not known how loud it is.
    """

    speech: str
    doubts: str
    other: str = ""
    width: int = NUM_BINS
    height: int = 24


def paragraphs_of(transcript: Transcript) -> list[Paragraph]:
    """The segments as people read them, in the order of time; all channels together."""
    ordered = sorted(transcript.segments, key=lambda segment: segment.start_s)
    shown = [segment for segment in ordered if segment.text.strip()]
    speakers = speakers_of(transcript)
    are_changes = changes_of(segment.speaker for segment in shown)
    return [
        _paragraph(segment, transcript, speakers.get(segment.speaker), is_change)
        for segment, is_change in zip(shown, are_changes, strict=True)
    ]


def speakers_of(transcript: Transcript) -> dict[str, ShownSpeaker]:
    """Who speaks in a recording, by label; nobody where somebody unknown speaks alone."""
    lasts_s = {label(voice.speaker): voice.speech_s for voice in transcript.voices}
    return {
        one: ShownSpeaker(number, name, name != one, lasts_s.get(one, 0.0))
        for number, (one, name) in enumerate(told_names(transcript).items())
    }


def _paragraph(
    segment: Segment, transcript: Transcript, speaker: ShownSpeaker | None, is_change: bool
) -> Paragraph:
    if segment.words_say_the_text:
        words = tuple(ShownWord.of(word.text, _doubt(word.probability)) for word in segment.words)
        starts_s = [word.start_s for word in segment.words]
    else:
        words, starts_s = (ShownWord.of(segment.text),), [segment.start_s]
    return Paragraph(
        round(segment.start_s, 2),
        round(segment.end_s, 2),
        " ".join(str(round(start_s * 100)) for start_s in starts_s),
        written_language(transcript.task, segment.language or transcript.language),
        segment.channel,
        segment.flags,
        words,
        speaker,
        is_change and speaker is not None,
        segment.has_overlap,
    )


def written_language(task: str, spoken: str) -> str:
    """The language of a text, whatever was spoken."""
    return "en" if task == "translate" else spoken


def _doubt(probability: float) -> str:
    return "" if probability >= DOUBTFUL_PROBABILITY else f"{probability:.0%}"


def strip_of(transcript: Transcript) -> Strip:
    """How loud a recording is over time, where there is speech, and where it is doubtful."""
    bin_s = max(transcript.duration_s, 0.01) / NUM_BINS
    doubtful = itertools.chain.from_iterable(map(_doubtful_spans, transcript.segments))
    spoken = itertools.chain.from_iterable(map(_spans, transcript.segments))
    speech, doubts = _shares(spoken, bin_s), _shares(doubtful, bin_s)
    if not transcript.peaks:
        return Strip(_bars(speech), _bars(doubts))
    loud = _loudness(transcript.peaks)
    silence = [float(share <= MIN_SHARE) for share in speech]
    return Strip(_bars(speech, loud), _bars(doubts, loud), _bars(silence, loud))


def _loudness(peaks: Sequence[int]) -> list[float]:
    """Of each bin, 0 to 1: the loudest has 1, but not where all is next to silence."""
    loudest = max(*peaks, QUIET)
    ends = [-(-number * len(peaks) // NUM_BINS) for number in range(1, NUM_BINS + 1)]
    starts = [number * len(peaks) // NUM_BINS for number in range(NUM_BINS)]
    return [
        max(MIN_HEIGHT, max(peaks[start:end]) / loudest)
        for start, end in zip(starts, ends, strict=True)
    ]


def _spans(segment: Segment) -> Iterator[tuple[float, float]]:
    """Where words are; the whole segment where it has none."""
    if not segment.words:
        yield segment.start_s, segment.end_s
    for word in segment.words:
        yield word.start_s, word.end_s


def _doubtful_spans(segment: Segment) -> Iterator[tuple[float, float]]:
    if segment.flags:
        yield from _spans(segment)
        return
    for word in segment.words:
        if word.probability < DOUBTFUL_PROBABILITY:
            yield word.start_s, word.end_s


def _shares(spans: Iterable[tuple[float, float]], bin_s: float) -> list[float]:
    """How much of each bin some spans cover, 0 to 1."""
    covered_s = [0.0] * NUM_BINS
    for start_s, end_s in spans:
        first, last = (min(int(at_s / bin_s), NUM_BINS - 1) for at_s in (start_s, end_s))
        for number in range(first, last + 1):
            begin_s = max(start_s, number * bin_s)
            covered_s[number] += max(0.0, min(end_s, (number + 1) * bin_s) - begin_s)
    return [min(1.0, one / bin_s) for one in covered_s]


def _bars(shares: Sequence[float], heights: Sequence[float] = ()) -> str:
    """Bars from the middle up and down, as an SVG path; as high as the shares by themselves."""
    middle = Strip.height / 2
    return "".join(
        f"M{number + 0.5:g} {middle - height * middle:.1f}V{middle + height * middle:.1f}"
        for number, (share, height) in enumerate(zip(shares, heights or shares, strict=True))
        if share > MIN_SHARE
    )
