"""A transcript that exists already, with the times of what the model heard; pure."""

import dataclasses
import math
import re
import statistics
from collections.abc import Iterator, Sequence

from opentr_pipeline.archive.provided import Passage, ProvidedText
from opentr_pipeline.archive.references import UNSPACED, comparable_words
from opentr_pipeline.transcripts.given_times import Given, Heard, put_times
from opentr_pipeline.transcripts.matching import matched
from opentr_pipeline.transcripts.settled_times import settle_times
from opentr_pipeline.transcripts.transcript import (
    HEARD_WHOLE,
    SENTENCE_ENDS,
    Segment,
    Transcript,
    Word,
)

# Less than this share of the longer of the two texts: they are of different recordings.
MIN_MATCHED = 0.5
# A segment ends with a sentence from here on, and at the latest there.
SENTENCE_WORDS, MOST_WORDS = 12, 60
MAX_NAMED_STRETCHES = 3
MIN_PROBABILITY = 1e-6  # of a word, so that it has a logarithm
# One that lets no line break is a part of the word before it.
WHITE_SPACE = re.compile(r"[ \t\n\r\f\v\x1c-\x1f\x85\u2028\u2029]+")


def aligned(heard: Transcript, text: ProvidedText) -> Transcript:
    """The text with the times of what was heard; where it does not fit, what was heard.

    Args:
        heard: the model's own transcript of the recording, to whatever end; without speakers.
        text: that a person gives for it.
    """
    heard = dataclasses.replace(heard, provided_fingerprint=text.fingerprint)
    spoken = _spoken(heard.segments)
    words = list(_words(text.passages))
    units = [(word, unit) for word in words for unit in comparable_words(word.text)]
    pairs = matched([unit for _, unit in units], [one.text for one in spoken])
    share = len(pairs) / max(len(units), len(spoken), 1)
    if share < MIN_MATCHED:
        return _unfit(heard, share)
    for place, other in pairs:
        units[place][0].heard.append(other)
    unprovided = put_times(words, spoken, text.passages, heard.duration_s)
    segments = settle_times(_segments(words, spoken, text.passages), heard.duration_s)
    return _judged(
        dataclasses.replace(heard, provided=True, segments=segments),
        unprovided,
    )


def provided_text(transcript: Transcript) -> ProvidedText:
    """The text that a transcript was aligned from, to be aligned again."""
    passages = tuple(
        Passage(one.text, one.speaker, (one.start_s, one.end_s)) for one in transcript.segments
    )
    return ProvidedText("", transcript.provided_fingerprint, passages)


def _unfit(heard: Transcript, share: float) -> Transcript:
    """What was heard, with a word about the text."""
    said = f"The given text does not fit: {share:.0%} of the words are the same."
    return dataclasses.replace(
        heard,
        provided_reason=said,
        status="suspect" if heard.status == "ok" else heard.status,
        reason=f"{heard.reason} {said}".strip(),
        recording_flags=tuple(sorted({*heard.recording_flags, "text_does_not_fit"})),
    )


def _judged(transcript: Transcript, unprovided: Sequence[tuple[float, float]]) -> Transcript:
    """With status, flags and reasons of the text that it holds now."""
    flags, reasons = set(transcript.recording_flags), list[str]()
    num_unmatched = sum(segment.is_unmatched for segment in transcript.segments)
    if num_unmatched:
        reasons.append(
            f"Nothing that was heard fits {num_unmatched} of {len(transcript.segments)} segments "
            "of the given text."
        )
    if unprovided:
        flags.add("speech_without_text")
        named = ", ".join(
            f"{_clock(start_s)} to {_clock(end_s)}"
            for start_s, end_s in unprovided[:MAX_NAMED_STRETCHES]
        )
        more = len(unprovided) - MAX_NAMED_STRETCHES
        reasons.append(
            f"The given text says nothing for {named}" + (f" and {more} more." * (more > 0) or ".")
        )
    said = " ".join(reasons)
    whole = dataclasses.replace(
        transcript, provided_reason=said, recording_flags=tuple(sorted(flags))
    )
    if whole.status not in HEARD_WHOLE:
        return whole
    if not whole.flags:
        return dataclasses.replace(whole, status="ok", reason="")
    kept = transcript.reason if transcript.recording_flags else ""
    doubts = f"{said} {kept}".strip() or f"{', '.join(whole.flags)} in segments of the given text."
    return dataclasses.replace(whole, status="suspect", reason=doubts)


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _spoken(segments: Sequence[Segment]) -> list[Heard]:
    """What was heard, by its time; a word that counts as several is shared out among them."""
    found = []
    for segment in segments:
        for word in segment.words:
            units = comparable_words(word.text)
            length_s = (word.end_s - word.start_s) / max(1, len(units))
            for number, unit in enumerate(units):
                start_s = word.start_s + number * length_s
                place = (segment.channel, segment.language)
                found.append(Heard(unit, start_s, start_s + length_s, word.probability, *place))
    return sorted(found, key=lambda one: one.start_s)


def _words(passages: Sequence[Passage]) -> Iterator[Given]:
    """The words of a text; together they are all of it, white space as one space."""
    for number, passage in enumerate(passages):
        for run in filter(None, WHITE_SPACE.split(passage.text)):
            space = " "
            for part in parts(run):
                yield Given(space + part, number)
                space = ""


def parts(run: str) -> list[str]:
    """What stands between spaces: a word, or characters in scripts that have no spaces."""
    found: list[str] = []
    is_open = False  # a letter may still join what was last
    for piece in filter(None, UNSPACED.split(run)):
        if UNSPACED.fullmatch(piece):
            found.append(piece)
            is_open = False
        elif found and not is_open and not comparable_words(piece):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _segments(
    words: Sequence[Given], spoken: Sequence[Heard], passages: Sequence[Passage]
) -> list[Segment]:
    """Sentences of one passage, those without sound of their own apart."""
    groups: list[list[Given]] = []
    for word in words:
        if groups and not _is_break(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [_segment(group, spoken, passages[group[0].passage].speaker) for group in groups]


def _is_break(group: Sequence[Given], word: Given) -> bool:
    last = group[-1]
    if last.passage != word.passage:
        return True
    if not word.text[:1].isspace():  # segments have a space between them, and here is none
        return False
    is_sentence = last.text.rstrip("\"'”’»)]").endswith(SENTENCE_ENDS)
    return (
        last.is_unmatched != word.is_unmatched
        or (is_sentence and len(group) >= SENTENCE_WORDS)
        or len(group) >= MOST_WORDS
    )


def _segment(group: Sequence[Given], spoken: Sequence[Heard], speaker: str) -> Segment:
    heard = [spoken[place] for word in group for place in word.heard]
    likely = [max(one.probability, MIN_PROBABILITY) for one in heard]
    return Segment(
        start_s=group[0].start_s,
        end_s=group[-1].end_s,
        text="".join(word.text for word in group).removeprefix(" "),
        avg_logprob=statistics.fmean(map(math.log, likely)) if likely else 0.0,
        no_speech_probability=0.0,
        compression_ratio=0.0,
        words=tuple(_word(word, spoken, speaker) for word in group),
        channel=heard[0].channel if heard else None,
        language=heard[0].language if heard else "",
        speaker=speaker,
        is_unmatched=all(word.is_unmatched for word in group),
    )


def _word(word: Given, spoken: Sequence[Heard], speaker: str) -> Word:
    num_units = max(1, len(comparable_words(word.text)))
    probability = sum(spoken[place].probability for place in word.heard) / num_units
    return Word(word.text, word.start_s, word.end_s, probability, speaker)
