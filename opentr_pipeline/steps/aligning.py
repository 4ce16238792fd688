"""Transcripts that lie beside the media -> published partitions, with the times of what was heard.

What the model heard is kept, so that it comes back when the text beside the media goes, and is
aligned anew when that changes. The sound is not heard again.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from opentr_pipeline.archive.beside import TextBeside
from opentr_pipeline.archive.provided import find_provided, fingerprint, read_provided
from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.corrections.overlay import Overlay
from opentr_pipeline.errors import ReferenceTextError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.steps.publishing import say_names
from opentr_pipeline.transcripts.kept_heard import KeptHeard
from opentr_pipeline.transcripts.provided import aligned
from opentr_pipeline.transcripts.published_rows import PublishedRow
from opentr_pipeline.transcripts.store import Change
from opentr_pipeline.transcripts.transcript import HEARD, Transcript
from opentr_pipeline.wording import readable


@dataclass
class Aligned:
    """What became of the texts beside the media.

    Attributes:
        num_aligned: recordings whose words are those of the text now.
        num_unchanged: that were so before.
        num_unfit: texts that are not what is said; the model's words stay.
        num_restored: recordings whose text is gone, and whose words are the model's again.
        num_waiting: texts of media that were not heard yet.
        changed: the partitions in which something was published.
        sentences: what could not be done.
    """

    num_aligned: int = 0
    num_unchanged: int = 0
    num_unfit: int = 0
    num_restored: int = 0
    num_waiting: int = 0
    changed: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


class Aligning:
    """The texts beside the media of one archive, and what is published for it."""

    def __init__(self, setup: Setup) -> None:
        """Look for the texts; none is read yet.

        Args:
            setup: of the archive.
        """
        self._store = setup.store
        self._storage = storage_of(setup.workspace.archive)
        self._heard = KeptHeard(setup.store.inner, setup.store.database)
        self._overlay = Overlay(setup.store)
        self._texts = {
            (key, text.recording_id): text
            for key, texts in find_provided(setup.workspace.archive, setup.partitioning).items()
            for text in texts
        }
        self.done = Aligned()

    def run(self) -> Aligned:
        """Publish what the texts say, one partition after another.

        Raises:
            StoreError: the disk is full.
        """
        rows: dict[str, list[PublishedRow]] = {}
        for row in self._rows.values():
            rows.setdefault(row.partition_key, []).append(row)
        for key in sorted(rows):
            changes = {row.recording_id: change for row, change in self._changes(rows[key])}
            if not changes:
                continue
            before = self._store.state(key)
            self._store.change(key, self._overlay.under_all(changes))
            if self._store.state(key) != before:
                say_names(self._store, [key])
                self.done.changed.append(key)
        self.done.num_waiting = len(self._texts.keys() - self._rows.keys())
        return self.done

    @cached_property
    def _rows(self) -> dict[tuple[str, str], PublishedRow]:
        """What is published of media that were heard."""
        rows = self._store.index(self._store.partition_keys()).by_recording
        return {place: row for place, row in rows.items() if row.status in HEARD}

    @cached_property
    def _by_media(self) -> dict[str, TextBeside]:
        """The same bytes have the same words, wherever they are."""
        found: dict[str, TextBeside] = {}
        for place, text in sorted(self._texts.items(), key=lambda one: one[1].path):
            if place in self._rows:
                found.setdefault(self._rows[place].media_fingerprint, text)
        return found

    def _changes(self, rows: Iterable[PublishedRow]) -> Iterator[tuple[PublishedRow, Change]]:
        """What is to be changed of a partition's rows."""
        for row in rows:
            place = row.partition_key, row.recording_id
            text = self._texts.get(place) or self._by_media.get(row.media_fingerprint)
            if text is None:
                if row.provided_fingerprint:
                    yield row, self._restored
                continue
            try:
                is_news = fingerprint(self._storage, text.path) != row.provided_fingerprint
            except ReferenceTextError as error:
                self._say(text, error)
                continue
            if is_news:
                yield row, functools.partial(self._with_text, beside=text)
            else:
                self.done.num_unchanged += 1

    def _with_text(self, before: Transcript, beside: TextBeside) -> Transcript:
        try:
            text = read_provided(self._storage, beside.path)
        except ReferenceTextError as error:
            self._say(beside, error)
            return before
        heard = self._heard.of(before)
        if heard is None:
            self._say_lost(before)
            return before
        after = _spoken_as(before, aligned(heard, text))
        self.done.num_aligned += after.provided
        self.done.num_unfit += not after.provided
        return after

    def _restored(self, before: Transcript) -> Transcript:
        heard = self._heard.of(before)
        if heard is None:
            self._say_lost(before)
            return before
        self.done.num_restored += 1
        return _spoken_as(before, heard)

    def _say(self, text: TextBeside, error: ReferenceTextError) -> None:
        self.done.sentences.append(f"{readable(text.path)}: {error}")

    def _say_lost(self, transcript: Transcript) -> None:
        self.done.sentences.append(
            f"What was heard of the media {transcript.media_fingerprint} is kept no more, so its "
            "given text stays as it is; with another option a run makes it anew."
        )


def _spoken_as(before: Transcript, after: Transcript) -> Transcript:
    return attributed(after, before.spoken) if before.spoken else after
