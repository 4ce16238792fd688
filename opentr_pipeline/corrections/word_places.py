"""The words of a transcript in a row for each channel, to be changed, and segments made of them."""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from opentr_pipeline.archive.references import UNSPACED, comparable_words
from opentr_pipeline.transcripts.given_times import LETTERS_PER_S
from opentr_pipeline.transcripts.provided import WHITE_SPACE, parts
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word


@dataclass
class Place:
    """A word where it stands.

    Attributes:
        segment: number of the segment that it is from.
        begins: a segment begins with it.
    """

    word: Word
    segment: int
    begins: bool


class WordPlaces:
    """The words of a transcript, to be corrected."""

    def __init__(self, transcript: Transcript) -> None:
        """Take the words apart; nothing is changed yet.

        Args:
            transcript: stays as it is.
        """
        self._transcript = transcript
        self._before: dict[int, tuple[Word, ...]] = {}
        self.channels: dict[int | None, list[Place]] = {}
        for number, segment in enumerate(transcript.segments):
            words = segment.words if segment.words_say_the_text else tuple(_said(segment))
            self._before[number] = words
            row = self.channels.setdefault(segment.channel, [])
            row += [Place(word, number, not place) for place, word in enumerate(words)]

    def replace(
        self, channel: int | None, start: int, end: int, new: str, at_s: float = 0.0
    ) -> None:
        """Put other words in the place of some, or between two, or none.

        Args:
            channel: of the words.
            start: number of the first one.
            end: number of the first one after them.
            new: the other words.
            at_s: when they are said at the earliest, where there are no words in their place.
        """
        row = self.channels[channel]
        old = row[start:end]
        texts = _texts(new, old, row[start - 1] if start else None)
        if not old:
            made = self._inserted(row, start, texts, at_s)
        elif len(texts) == len(old):
            made = list(map(_changed, old, texts))
        else:
            made = _shared_out(old, texts)
        if old and end < len(row) and _loses_a_beginning(old, made):
            row[end].begins = True
        row[start:end] = made
        if old and not made:
            self._keep_models(row, start, "".join(said_by_model(place.word) for place in old))

    def say(self, channel: int | None, start: int, end: int, speaker: str) -> None:
        """Let somebody else say some words, in segments of their own."""
        row = self.channels[channel]
        for place in row[start:end]:
            place.word = dataclasses.replace(place.word, speaker=speaker, speaker_share=0.0)
        for number in (start, end):
            if number < len(row):
                row[number].begins = True

    def speaker(self, place: Place) -> str:
        """Who says a word."""
        return place.word.speaker or self._transcript.segments[place.segment].speaker

    def transcript(self) -> Transcript:
        """The transcript with the words as they are now; segments without a change are the same."""
        made: dict[int, list[Segment]] = {
            number: [segment]
            for number, segment in enumerate(self._transcript.segments)
            if not self._before[number]
        }
        numbers = _model_numbers(self._transcript.segments)
        for row in self.channels.values():
            groups = [list(group) for _, group in itertools.groupby(row, _Count())]
            num_of = [0] * len(self._transcript.segments)
            for group in groups:
                num_of[group[0].segment] += 1
            for group in groups:
                number = group[0].segment
                part_of = numbers[number] if num_of[number] > 1 else None
                made.setdefault(number, []).append(self._segment(group, part_of))
        segments = tuple(one for number in sorted(made) for one in made[number])
        return dataclasses.replace(self._transcript, segments=segments)

    def _segment(self, group: Sequence[Place], part_of: int | None) -> Segment:
        first, last = group[0], group[-1]
        segment, words = self._transcript.segments[first.segment], tuple(p.word for p in group)
        before = self._before[first.segment]
        if len(words) == len(before) and all(map(_is, words, before)):
            return segment
        ends = self._before[last.segment]
        speakers = {self.speaker(place) for place in group}
        is_begun, is_ended = words[0] is before[0], words[-1] is ends[-1]
        return dataclasses.replace(
            segment,
            start_s=segment.start_s if is_begun else words[0].start_s,
            end_s=self._transcript.segments[last.segment].end_s if is_ended else words[-1].end_s,
            text="".join(word.text for word in words).strip(),
            words=words,
            speaker=speakers.pop() if len(speakers) == 1 else segment.speaker,
            part_of=segment.part_of if part_of is None else part_of,
        )

    def _inserted(
        self, row: Sequence[Place], at: int, texts: Sequence[str], at_s: float
    ) -> list[Place]:
        """Words between two others, in the time that these leave."""
        length_s = sum(map(_num_letters, texts)) / LETTERS_PER_S
        since_s = row[at - 1].word.end_s if at else 0.0
        until_s = row[at].word.start_s if at < len(row) else self._transcript.duration_s
        start_s = max(since_s, min(at_s if at else until_s, until_s - length_s))
        end_s = max(start_s, min(until_s, start_s + length_s))
        like = row[max(0, at - 1)]
        blank = dataclasses.replace(like.word, start_s=start_s, end_s=end_s, text="", model_text="")
        made = _shared_out([Place(blank, like.segment, begins=False)], texts)
        if not at and made:
            made[0].begins, row[0].begins = True, False
        return made

    def _keep_models(self, row: Sequence[Place], at: int, said: str) -> None:
        """Words of the model's that have no word in their place stand with a neighbour."""
        if at:
            place = row[at - 1]
            said = said_by_model(place.word) + said
        elif row:
            place = row[0]
            said += said_by_model(place.word)
        else:
            return
        place.word = dataclasses.replace(place.word, model_text=said)


class _Count:
    """Numbers the segments that places are in, one place after another."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, place: Place) -> int:
        self._count += place.begins
        return self._count


def said_by_model(word: Word) -> str:
    """What the model wrote in the place of a word; empty where it wrote nothing."""
    return word.text if word.model_text is None else word.model_text


def _is(one: object, other: object) -> bool:
    return one is other


def _said(segment: Segment) -> list[Word]:
    """The words of a text that has none of its own, in its time."""
    texts = [
        " " * (not number) + part
        for run in filter(None, WHITE_SPACE.split(segment.text))
        for number, part in enumerate(parts(run))
    ]
    blank = Word("", segment.start_s, segment.end_s, 0.0, segment.speaker)
    times = _times(blank.start_s, blank.end_s, texts)
    return [
        dataclasses.replace(blank, text=text, start_s=start_s, end_s=end_s)
        for text, (start_s, end_s) in zip(texts, times, strict=True)
    ]


def _texts(new: str, old: Sequence[Place], before: Place | None) -> list[str]:
    """The words of a text, with the space in front where there is one."""
    runs = [run for run in WHITE_SPACE.split(new) if run]
    if not runs:
        return []
    has_space = new[:1].isspace() or (
        old[0].word.text[:1].isspace() if old else _has_space_between(before, runs[0])
    )
    found = []
    for number, run in enumerate(runs):
        space = " " * bool(number or has_space)
        for part in parts(run):
            found.append(space + part)
            space = ""
    return found


def _has_space_between(before: Place | None, text: str) -> bool:
    last = before.word.text[-1:] if before else ""
    # A sign is written to the word that it follows, where that has no space before it either.
    is_unspaced = UNSPACED.match(text[:1]) or not comparable_words(text)
    return not (UNSPACED.match(last) and is_unspaced)


def _changed(like: Place, text: str) -> Place:
    """A word that a person has said, in the place of another."""
    if text == like.word.text:
        return like
    said = said_by_model(like.word)
    word = dataclasses.replace(like.word, text=text, probability=1.0, model_text=said)
    return Place(word, like.segment, like.begins)


def _shared_out(old: Sequence[Place], texts: Sequence[str]) -> list[Place]:
    """Words in the time of others; the first one stands for all that the model said there."""
    start_s, end_s = old[0].word.start_s, old[-1].word.end_s
    models = "".join(said_by_model(place.word) for place in old)
    made: list[Place] = []
    at, group = 0, -1
    groups = list(itertools.accumulate((place.begins for place in old[1:]), initial=0))
    for text, (since_s, until_s) in zip(texts, _times(start_s, end_s, texts), strict=True):
        while at + 1 < len(old) and old[at + 1].word.start_s <= (since_s + until_s) / 2:
            at += 1
        word = dataclasses.replace(
            old[at].word,
            text=text,
            start_s=since_s,
            end_s=until_s,
            probability=1.0,
            model_text=models,
        )
        begins = groups[at] != group and (bool(made) or old[0].begins or groups[at] > 0)
        made.append(Place(word, old[at].segment, begins))
        models, group = "", groups[at]
    return made


def _loses_a_beginning(old: Sequence[Place], made: Sequence[Place]) -> bool:
    """Whether the word with which the segment of what follows began is gone."""
    heads = [place for place in old if place.begins]
    if not heads or (len(made) == len(old)):
        return False
    return (
        not made
        or made[-1].word.end_s <= heads[-1].word.start_s
        or not any(place.begins and place.segment == heads[-1].segment for place in made)
    )


def _times(start_s: float, end_s: float, texts: Sequence[str]) -> list[tuple[float, float]]:
    """A time, shared out among words by their letters."""
    edges = list(itertools.accumulate(map(_num_letters, texts), initial=0))
    each_s = (end_s - start_s) / max(1, edges[-1])
    at_s = [start_s + edge * each_s for edge in edges[:-1]] + [end_s]
    return list(itertools.pairwise(at_s))


def _num_letters(text: str) -> int:
    return len(text.strip())


def _model_numbers(segments: Sequence[Segment]) -> list[int]:
    """The number of the model's segment that each is of, parts of one counted once."""
    numbers: list[int] = []
    for number, segment in enumerate(segments):
        before = segments[number - 1].part_of if number else None
        is_next_part = segment.part_of is not None and segment.part_of == before
        numbers.append((numbers[-1] if numbers else -1) + (not is_next_part))
    return numbers
