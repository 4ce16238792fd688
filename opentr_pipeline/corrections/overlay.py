"""Corrections over published transcripts, and published transcripts without them.

What the model said, or a given text, is published beside what is corrected (``uncorrected``), so
that edits are always put into that, and never into each other's results. It belongs to the one
recording whose row it is: what lies below the same edits of the same bytes elsewhere may be another
one, such as the text that is given there.
"""

import dataclasses
import json
import logging
from collections.abc import Iterable, Mapping
from functools import cached_property

from opentr_pipeline.corrections.applying import corrected
from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.errors import StoreError
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.transcripts.parts import without_speakers
from opentr_pipeline.transcripts.store import Change, TranscriptStore
from opentr_pipeline.transcripts.transcript import HEARD, Transcript, from_dict

_log = logging.getLogger(__name__)


class Overlay:
    """What people have corrected in one archive, as it is when somebody asks first."""

    def __init__(self, store: TranscriptStore) -> None:
        """Nothing is read yet.

        Args:
            store: of the archive.
        """
        self._store = store
        self.files = EditFiles(store)

    @cached_property
    def media(self) -> set[str]:
        """The fingerprints of the media that somebody has corrected something in."""
        self.files.follow()
        return self.files.media()

    @property
    def is_needless(self) -> bool:
        """Whether nobody has ever corrected anything."""
        return not self.media and not self._store.partition_keys("uncorrected")

    def put(self, transcript: Transcript) -> Transcript:
        """A transcript with what is corrected in it, and with what it was before.

        Args:
            transcript: without corrections.

        Raises:
            StoreError: a file of edits is damaged, or the bucket cannot be read.
        """
        if transcript.media_fingerprint not in self.media or transcript.status not in HEARD:
            return transcript
        edits, fingerprint = self.files.load(transcript.media_fingerprint)
        if not edits:
            return transcript
        plain = json.dumps(dataclasses.asdict(without_speakers(transcript)), ensure_ascii=False)
        return dataclasses.replace(corrected(transcript, edits, fingerprint), uncorrected=plain)

    def put_or_say(self, transcript: Transcript) -> Transcript:
        """The same; what hinders it costs no transcript: the next time makes it good."""
        try:
            return self.put(transcript)
        except StoreError as error:
            _log.warning("Corrections are missing from the tables: %s", error)
            return transcript

    def without(self, published: Transcript) -> Transcript | None:
        """A published transcript without corrections; None: its row is gone, with its file."""
        if not published.corrections_fingerprint:
            return published
        if not published.uncorrected:
            return None
        plain = from_dict(json.loads(published.uncorrected))
        return attributed(plain, published.spoken) if published.spoken else plain

    def under(self, change: Change) -> Change:
        """A change that sees no corrections, and over whose result these are put again."""

        def make(before: Transcript) -> Transcript:
            plain = self.without(before)
            if plain is None:
                _log.warning(
                    "What was corrected in the media %s is kept no more, so its words stay.",
                    before.media_fingerprint,
                )
                return before
            if before.corrections_fingerprint:  # perhaps since somebody asked for these media
                self.media.add(before.media_fingerprint)
            return self.put(change(plain))

        return make

    def under_all(self, changes: Mapping[str, Change]) -> dict[str, Change]:
        """The same for several recordings."""
        return {recording_id: self.under(change) for recording_id, change in changes.items()}


def put_corrections(store: TranscriptStore, keys: Iterable[str]) -> list[str]:
    """Make the tables of some partitions say what people have corrected; those that changed.

    Done again, it changes nothing, so whatever was cut short is made good by the next time.

    Args:
        store: of the archive.
        keys: partitions.

    Raises:
        StoreError: the disk is full, or a file of edits is damaged.
    """
    overlay, changed = Overlay(store), list[str]()
    for key in () if overlay.is_needless else sorted(keys):
        stale = [
            row.recording_id
            for row in store.index([key]).by_recording.values()
            if row.status in HEARD
            and (row.corrections_fingerprint or row.media_fingerprint in overlay.media)
            and row.corrections_fingerprint != overlay.files.fingerprint(row.media_fingerprint)
        ]
        if stale:
            before = store.state(key)
            store.change(key, dict.fromkeys(stale, overlay.under(_same)))
            changed += [key] * (store.state(key) != before)
    return changed


def _same(transcript: Transcript) -> Transcript:
    return transcript
