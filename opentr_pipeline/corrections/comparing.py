"""Edits, made of a published transcript and a file of it that somebody has edited; pure."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opentr_pipeline.corrections.as_before import Change, Models, changes, steady
from opentr_pipeline.corrections.edited_files import (
    KINDS_WITH_SEGMENTS,
    EditedFile,
    EditedWord,
    new_names,
    said_names,
    words_of,
)
from opentr_pipeline.corrections.exported_words import said_by
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.matching import Pair, common
from opentr_pipeline.transcripts.shown_names import names_of, told_names
from opentr_pipeline.transcripts.transcript import Transcript

# A file that says less than this share of the words is of another recording.
MIN_SAME = 0.4


@dataclass
class Compared:
    """What somebody has changed in a file.

    Attributes:
        share: of the words that are the same, of the longer of both.
        names: of voices, by label, that have another name wherever they speak.
        num_reverting: places that say what the model said before they were corrected; as they are.
        said_names: what looks like a name before a line, and is taken as said.
        again: what was corrected before, and says something else now.
        unplaced: what was changed where the words are of no one place.
    """

    maker: EditMaker
    share: float = 1.0
    names: dict[str, str] = field(default_factory=dict)
    num_reverting: int = 0
    again: list[str] = field(default_factory=list)
    said_names: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether the file is of this recording."""
        return self.share >= MIN_SAME


def compare(
    maker: EditMaker, file: EditedFile, layout: SubtitleSettings, plain: Transcript | None = None
) -> Compared:
    """Make edits of what somebody has changed in a file.

    Args:
        maker: of the published transcript.
        file: as it would be written now, and as it is.
        layout: of cues.
        plain: the published transcript without corrections; None: it is kept no more.
    """
    return _Comparison(maker, file, layout, plain or maker.transcript).run()


class _Comparison:
    """The words of a file as it was and as it is, and those of the transcript."""

    def __init__(
        self, maker: EditMaker, file: EditedFile, layout: SubtitleSettings, plain: Transcript
    ) -> None:
        exported, edited, kind = file.exported, file.edited, file.kind
        self._done, self._maker, self._kind = Compared(maker), maker, kind
        self._models = Models(maker, plain)
        known = set(told_names(maker.transcript).values())
        self._before = words_of(exported, kind, known)
        names = known | new_names(edited, exported, known)
        self._done.said_names = said_names(edited, exported, names)
        self._after = words_of(edited, kind, names)
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
        for (start, end), (first, last) in list(self._hunks()):
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
            from_, to = (number + moved.get(channel, 0) for number in self._numbers(since, until))
            row = self._maker.row(channel)
            length = len(row)
            self._put(channel, from_, to, [*before, *words, *after])
            moved[channel] = moved.get(channel, 0) + len(row) - length

    def _put(self, channel: int | None, from_: int, to: int, words: Sequence[EditedWord]) -> None:
        """Make edits of other words in the place of some, and of none that are as before."""
        row = self._maker.row(channel)
        found = [Change(0, to - from_, 0, len(words), is_again=False)]
        if any(place.word.model_text is not None for place in row[from_:to]):
            found, num_before = changes(row[from_:to], [word.text for word in words])
            self._done.num_reverting += num_before
        for one in reversed(found):
            start, end, new = (
                from_ + one.start,
                from_ + one.end,
                _written(words[one.first : one.last]),
            )
            if one.is_again:
                old = "".join(place.word.text for place in row[start:end])
                self._done.again.append(f"{old.strip()!r} -> {new.strip()!r}")
            if start == end < to and words[one.first].begins and row[start].begins:
                new += row[start].word.text
                end += 1
            self._maker.words(channel, start, end, new)

    def _hunks(self) -> Iterator[tuple[Pair, Pair]]:
        """Where the file is another: from and to in what it was, and in what it is."""
        ends = (len(self._before), len(self._after))
        pairs = steady(self._pairs, ends, self._is_corrected)
        for one, other in itertools.pairwise([(-1, -1), *pairs, ends]):
            if other[0] - one[0] > 1 or other[1] - one[1] > 1:
                yield (one[0] + 1, other[0]), (one[1] + 1, other[1])

    def _is_corrected(self, number: int) -> bool:
        place = self._places.get(number)
        if place is None:
            return False
        said = self._said[place]
        row = self._maker.row(said.channel)[said.first : said.last + 1]
        return any(one.word.model_text is not None for one in row)

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
        shown = names | shown  # a label from before it had a name
        meant = [
            "" if speaker in ("", word.speaker) or shown.get(speaker) == word.speaker else speaker
            for speaker, word in zip(wanted, self._before, strict=True)
        ]
        as_before = [
            bool(speaker) and speaker == self._speaker_before(number)
            for number, speaker in enumerate(meant)
        ]
        self._done.num_reverting += sum(is_before for is_before, _ in itertools.groupby(as_before))
        meant = [
            "" if is_before else speaker
            for speaker, is_before in zip(meant, as_before, strict=True)
        ]
        for speaker, group in itertools.groupby(enumerate(meant), lambda one: one[1]):
            places = [self._places[number] for number, _ in group if number in self._places]
            if speaker:
                self._say(places, speaker)

    def _speaker_before(self, number: int) -> str:
        """Who said a word of the file as it was before anything was corrected; empty: as now."""
        if (place := self._places.get(number)) is None:
            return ""
        return self._models.speaker(self._said[place])

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
            if not said.first or row[said.first].begins == begins:
                continue
            if self._models.begins(said) is begins:
                self._done.num_reverting += 1
            else:
                self._maker.border(said.channel, said.first, begins=begins)


def _written(words: Sequence[EditedWord]) -> str:
    return "".join(" " * word.has_space + word.text for word in words)
