"""Phrases of a published transcript, corrected one by one by several people at once.

Who corrects a phrase says what they saw there. Where somebody else has changed it meanwhile,
nothing is done, and both texts are there to be looked at: nobody's work is lost, and nobody waits.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.corrections.edited_files import readable
from opentr_pipeline.corrections.importing import PublishedRecording, publish, recordings
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.overlay import Overlay
from opentr_pipeline.corrections.word_places import Place
from opentr_pipeline.errors import StoreError
from opentr_pipeline.speakers.confirming import check_name
from opentr_pipeline.transcripts.matching import common
from opentr_pipeline.transcripts.provided import WHITE_SPACE, parts
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.shown_names import names_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript

# Pages have the times of words in hundredths of a second.
SAME_S = 0.011
MAX_WHO = 200  # letters


class ChangedMeanwhileError(StoreError):
    """A phrase does not say any more what somebody has corrected."""


@dataclass(frozen=True)
class Phrase:
    """A segment, as somebody who corrects it sees it.

    Attributes:
        words: with the space in front, and when each begins, in seconds.
        speaker: as it is shown; empty where nobody is.
        is_corrected: somebody has corrected words of it.
    """

    start_s: float
    end_s: float
    channel: int | None
    words: tuple[tuple[str, float], ...]
    speaker: str
    is_corrected: bool


@dataclass(frozen=True)
class Wanted:
    """What somebody makes of a phrase.

    Attributes:
        start_s: when it begins.
        was: its words, as they saw them.
        text: the words instead.
        speaker: who says it; None: whoever did.
    """

    start_s: float
    was: str
    text: str
    speaker: str | None = None


class Known:
    """Recordings that pages are open of: who looks every few seconds has no archive read."""

    def __init__(self, store: TranscriptStore) -> None:
        """Nothing is known yet.

        Args:
            store: of the archive.
        """
        self._store = store
        self._found: dict[str, tuple[str, PublishedRecording]] = {}

    def phrases(self, path: str) -> "Phrases":
        """Those of a recording; its partition alone is read where something has changed there.

        Raises:
            StoreError: it has no transcript, or is no longer in the archive.
        """
        before, recording = self._found.get(path, ("", None))
        now = self._store.state(recording.partition_key) if recording else ""
        if recording is None or not now:
            recording = Phrases.of(self._store, path).recording
        elif now != before:
            here = recordings(self._store, recording.partition_key)
            found = [one for one in here if one.path == path]
            recording = found[-1] if found else Phrases.of(self._store, path).recording
        self._found[path] = now, recording
        return Phrases(self._store, recording)


class Phrases:
    """The phrases of one recording that is published."""

    def __init__(self, store: TranscriptStore, recording: PublishedRecording) -> None:
        """Nothing is read yet.

        Args:
            store: of the archive.
            recording: of it, that is published.
        """
        self._store, self.recording = store, recording

    @classmethod
    def of(cls, store: TranscriptStore, path: str) -> "Phrases":
        """Find the recording.

        Args:
            store: of the archive.
            path: of the recording in the archive.

        Raises:
            StoreError: it has no transcript.
        """
        found = [one for one in recordings(store) if one.path == path]
        if not found:
            raise StoreError(f"{path} has no transcript; run it first.")
        return cls(store, found[-1])

    def version(self) -> str:
        """What changes when somebody corrects something, or a model hears it anew."""
        return self._store.state(self.recording.partition_key)

    def all(self) -> list[Phrase]:
        """What is published of the recording now, as its page shows it."""
        transcript = self._published()
        names = names_of(transcript)
        return [
            Phrase(
                one.start_s,
                one.end_s,
                one.channel,
                tuple((word.text, word.start_s) for word in one.words)
                if one.words_say_the_text
                else ((one.text, one.start_s),),
                names.get(one.speaker, ""),
                any(word.model_text is not None for word in one.words),
            )
            for one in sorted(transcript.segments, key=lambda segment: segment.start_s)
            if one.text.strip()
        ]

    def correct(self, wanted: Wanted, who: str, why: str = "") -> list[str]:
        """Make a phrase what somebody says; the partitions that changed.

        Raises:
            ChangedMeanwhileError: it does not say any more what they saw.
            SpeakerError: nobody is called as the speaker is.
            StoreError: the disk is full.
        """
        if len(who) > MAX_WHO:
            raise StoreError(f"Who corrects has {len(who)} letters; use {MAX_WHO} at most.")
        media = self.recording.media_fingerprint
        with Overlay(self._store).files.alone():
            pending = publish(self._store, {media})  # kept, and cut short before it was published
            maker = EditMaker(self._published(), who, why)
            row, start, end = _phrase(maker, wanted)
            channel = next(
                key for key, one in maker.correcting.places.channels.items() if one is row
            )
            if wanted.speaker is not None:
                names = names_of(maker.transcript)
                speaker = maker.correcting.places.speaker(row[start])
                if wanted.speaker != names.get(speaker, speaker):
                    if wanted.speaker not in names.values():
                        check_name(wanted.speaker)
                    labels = {name: label for label, name in names.items()}
                    maker.speaker(channel, start, end, labels.get(wanted.speaker, wanted.speaker))
            text = readable(wanted.text)
            for first, last, new in reversed(list(_changes(row[start:end], text))):
                maker.words(channel, start + first, start + last, new)
            if not maker.edits:
                return pending
            Overlay(self._store).files.add(media, self.recording.path, maker.edits)
            return sorted({*pending, *publish(self._store, {media})})

    def _published(self) -> Transcript:
        tables = self._store.read_together(self.recording.partition_key)
        return transcript_of(tables, self.recording.recording_id)


def _phrase(maker: EditMaker, wanted: Wanted) -> tuple[list[Place], int, int]:
    """The words of a phrase: their row, and from which number to which."""
    for row in maker.correcting.places.channels.values():
        for start, place in enumerate(row):
            is_near = abs(place.word.start_s - wanted.start_s) <= SAME_S  # never of no number
            if not (place.begins and is_near):
                continue
            end = next((at for at in range(start + 1, len(row)) if row[at].begins), len(row))
            said = "".join(one.word.text for one in row[start:end])
            if "".join(said.split()) == "".join(wanted.was.split()):
                return row, start, end
    raise ChangedMeanwhileError("Somebody has changed this phrase meanwhile.")


def _changes(row: Sequence[Place], text: str) -> Iterator[tuple[int, int, str]]:
    """From which word to which one a text is another, and what it is there."""
    new = [
        " " * (not number) + part
        for run in filter(None, WHITE_SPACE.split(text))
        for number, part in enumerate(parts(run))
    ]
    old = [place.word.text.strip() for place in row]
    pairs = common(old, [part.strip() for part in new])
    if not pairs and old and new:
        yield 0, len(old), "".join(new)
        return
    for one, other in itertools.pairwise([(-1, -1), *pairs, (len(old), len(new))]):
        if other[0] - one[0] > 1 or other[1] - one[1] > 1:
            said = "".join(new[one[1] + 1 : other[1]])
            if other[0] == 0 and row:  # before the first word: else they end the phrase before
                yield 0, 1, said + row[0].word.text
            else:
                yield one[0] + 1, other[0], said
