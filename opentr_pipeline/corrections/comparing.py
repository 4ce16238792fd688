"""Edits, made of a published transcript and a file of it that somebody has edited; pure."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opentr_pipeline.corrections.edited_files import (
    KINDS_WITH_SEGMENTS,
    EditedLine,
    EditedWord,
    new_names,
    words_of,
)
from opentr_pipeline.corrections.exported_words import said_by
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.word_places import Place, said_by_model
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.matching import Pair, common
from opentr_pipeline.transcripts.shown_names import names_of, told_names

# A file that says less than this share of the words is of another recording.
MIN_SAME = 0.4


@dataclass
class Compared:
    """What somebody has changed in a file.

    Attributes:
        share: of the words that are the same, of the longer of both.
        names: of voices, by label, that have another name wherever they speak.
        num_reverting: places that say what the model said before they were corrected; as they are.
        unplaced: what was changed where the words are of no one place.
    """

    maker: EditMaker
    share: float = 1.0
    names: dict[str, str] = field(default_factory=dict)
    num_reverting: int = 0
    unplaced: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether the file is of this recording."""
        return self.share >= MIN_SAME


def compare(
    maker: EditMaker,
    exported: Sequence[EditedLine],
    edited: Sequence[EditedLine],
    kind: str,
    layout: SubtitleSettings,
) -> Compared:
    """Make edits of what somebody has changed in a file.

    Args:
        maker: of the published transcript.
        exported: the file as it would be written now.
        edited: the file as it is.
        kind: of the file.
        layout: of cues.
    """
    return _Comparison(maker, exported, edited, kind, layout).run()


class _Comparison:
    """The words of a file as it was and as it is, and those of the transcript."""

    def __init__(
        self,
        maker: EditMaker,
        exported: Sequence[EditedLine],
        edited: Sequence[EditedLine],
        kind: str,
        layout: SubtitleSettings,
    ) -> None:
        self._done, self._maker, self._kind = Compared(maker), maker, kind
        known = set(told_names(maker.transcript).values())
        self._before = words_of(exported, kind, known)
        self._after = words_of(edited, kind, known | new_names(edited, exported, known))
        self._said = said_by(maker, kind, layout)
        texts = [word.text for word in self._before]
        said = [one.text for one in self._said]
        same = range(len(texts)) if texts == said else None
        self._places = {at: at for at in same} if same is not None else dict(common(texts, said))
        self._pairs = common(texts, [word.text for word in self._after])

    def run(self) -> Compared:
        """Make the edits: speakers and borders first, which move no word."""
        most = max(len(self._before), len(self._after), 1)
        self._done.share = len(self._pairs) / most if self._before or self._after else 1.0
        if self._done.fits:
            self._edit_speakers()
            if self._kind in KINDS_WITH_SEGMENTS:
                self._edit_borders()
            self._edit_words()
        return self._done

    def _edit_words(self) -> None:
        moved: dict[int | None, int] = {}
        for (start, end), (first, last) in self._hunks():
            words = self._after[first:last]
            span = self._span(start, end)
            if span is None:
                self._done.unplaced.append(_written(words) or _written(self._before[start:end]))
                continue
            since, until, before, after = span
            if since == until and words[0].begins and self._begins(since, moved):
                after = [self._word(since)]  # else the new words end the segment before
                until += 1
            channel = self._said[since if since < len(self._said) else since - 1].channel
            from_, to = self._numbers(since, until)
            new = _written([*before, *words, *after])
            row = self._maker.row(channel)
            by = moved.get(channel, 0)
            if self._is_reverting(row[from_ + by : to + by], new):
                self._done.num_reverting += 1
                continue
            length = len(row)
            self._maker.words(channel, from_ + by, to + by, new)
            moved[channel] = by + len(row) - length

    def _is_reverting(self, row: Sequence[Place], new: str) -> bool:
        """Whether a file from before a correction would take it back."""
        models = "".join(said_by_model(place.word) for place in row)
        is_corrected = any(place.word.model_text is not None for place in row)
        return is_corrected and models.split() == new.split()

    def _hunks(self) -> Iterator[tuple[Pair, Pair]]:
        """Where the file is another: from and to in what it was, and in what it is."""
        ends = (len(self._before), len(self._after))
        for one, other in itertools.pairwise([(-1, -1), *self._pairs, ends]):
            if other[0] - one[0] > 1 or other[1] - one[1] > 1:
                yield (one[0] + 1, other[0]), (one[1] + 1, other[1])

    def _span(
        self, start: int, end: int
    ) -> tuple[int, int, list[EditedWord], list[EditedWord]] | None:
        """What is said there, as whole words of the transcript, and what of them stays."""
        since, until = self._places.get(start), self._places.get(end - 1)
        if start == end or since is None:
            before = self._places.get(start - 1) if start else -1
            since = None if before is None else before + 1
        if start == end:
            until = since
        elif until is None:
            until = self._places.get(end) if end < len(self._before) else len(self._said)
        else:
            until += 1
        if since is None or until is None or until < since or not self._said:
            return None
        before_words, after_words = list[EditedWord](), list[EditedWord]()
        while 0 < since < len(self._said) and self._is_one(since - 1):
            since -= 1
            before_words.insert(0, self._word(since))
        while 0 < until < len(self._said) and self._is_one(until - 1):
            after_words.append(self._word(until))
            until += 1
        if len({one.channel for one in self._said[since:until]}) > 1:
            return None
        return since, until, before_words, after_words

    def _begins(self, at: int, moved: Mapping[int | None, int]) -> bool:
        """Whether a segment begins with a word, after others have moved it."""
        if at >= len(self._said) or (at and self._is_one(at - 1)):
            return False
        said = self._said[at]
        return self._maker.row(said.channel)[said.first + moved.get(said.channel, 0)].begins

    def _is_one(self, at: int) -> bool:
        """Whether a word of the file and the next one are of one word of the transcript."""
        one, other = self._said[at], self._said[at + 1]
        return one.channel == other.channel and one.last == other.first

    def _word(self, at: int) -> EditedWord:
        return EditedWord(self._said[at].text, self._said[at].has_space, False, "")

    def _numbers(self, since: int, until: int) -> Pair:
        """The numbers of the words of the transcript."""
        if since < until:
            return self._said[since].first, self._said[until - 1].last + 1
        if since and (since == len(self._said) or self._said[since].first == 0):
            number = self._said[since - 1].last + 1
        else:
            number = self._said[since].first
        return number, number

    def _edit_speakers(self) -> None:
        wanted = list(self._speakers_wanted())
        self._done.names = self._renamed(wanted)
        names = names_of(self._maker.transcript)
        shown = {name: names[label] for label, name in self._done.names.items()}
        meant = [
            "" if speaker in ("", word.speaker) or shown.get(speaker) == word.speaker else speaker
            for speaker, word in zip(wanted, self._before, strict=True)
        ]
        for speaker, group in itertools.groupby(enumerate(meant), lambda one: one[1]):
            places = [self._places[number] for number, _ in group if number in self._places]
            if speaker:
                self._say(places, speaker)

    def _say(self, places: Sequence[int], speaker: str) -> None:
        for channel, group in itertools.groupby(
            (self._said[place] for place in places), lambda one: one.channel
        ):
            said = list(group)
            self._maker.speaker(channel, said[0].first, said[-1].last + 1, speaker)

    def _speakers_wanted(self) -> Iterator[str]:
        """Who says each word of the file as it was, by the file as it is."""
        pairs = dict(self._pairs)
        other = 0
        for number in range(len(self._before)):
            other = pairs.get(number, other)
            yield self._after[other].speaker if other < len(self._after) else ""

    def _renamed(self, wanted: Sequence[str]) -> dict[str, str]:
        """Voices that have another name wherever they speak."""
        found: dict[str, set[str]] = {}
        for word, speaker in zip(self._before, wanted, strict=True):
            found.setdefault(word.speaker, set()).add(speaker)
        taken = set(names_of(self._maker.transcript).values())
        labels = {voice.speaker for voice in self._maker.transcript.voices}
        return {
            label: name
            for label, shown in names_of(self._maker.transcript).items()
            if label.startswith("SPEAKER_") and labels
            for name in [next(iter(found.get(shown, {""})))]
            if len(found.get(shown, ())) == 1 and name and name not in taken
        }

    def _edit_borders(self) -> None:
        last = -1, -1
        for number, other in self._pairs:
            # A line that begins with other words now begins all the same.
            was = any(word.begins for word in self._before[last[0] + 1 : number + 1])
            begins = any(word.begins for word in self._after[last[1] + 1 : other + 1])
            last = number, other
            place = self._places.get(number)
            if was == begins or place is None or (place and self._is_one(place - 1)):
                continue
            said = self._said[place]
            row = self._maker.row(said.channel)
            if said.first and row[said.first].begins != begins:
                self._maker.border(said.channel, said.first, begins=begins)


def _written(words: Sequence[EditedWord]) -> str:
    return "".join(" " * word.has_space + word.text for word in words)
