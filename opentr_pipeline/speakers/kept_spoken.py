"""Who speaks when, kept for each recording the moment it is known, until it is published."""

import dataclasses
from collections.abc import Container
from pathlib import Path

from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.kept_outcomes import KeptOutcomes, outcome_name
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline.transcripts.turns import Spoken, spoken_from_dict


class KeptSpoken(KeptOutcomes[Spoken]):
    """What is kept of one archive, by the media's bytes and what decides who is heard when."""

    # What a run that was killed has heard of media that are gone, or for another model, is swept
    # as well: it holds voices, and to hear them again is cheap.
    leftovers = (".json",)

    def __init__(self, store_folder: Path, database: Database | None = None) -> None:
        """Name the folder; nothing is made until something is written.

        Args:
            store_folder: ``TranscriptStore.inner``.
            database: ``TranscriptStore.database``.
        """
        super().__init__(store_folder, "spoken", spoken_from_dict, database)

    def save(self, spoken: Spoken, *, is_final: bool = True) -> None:
        """Keep it; it is whole or not there, even after a power cut.

        Args:
            spoken: who speaks when, or why nobody can tell.
            is_final: whether nothing changes by trying again. Else the attempts are not forgotten.

        Raises:
            StoreError: the disk is full.
        """
        content: Content = spoken.media_fingerprint, spoken.speakers_fingerprint
        if is_final:
            self.keep(content, spoken, "json")
            self._notes.forget_attempts(content)
        else:
            self.keep(content, spoken, "failed")

    def final(self, content: Content) -> Spoken | None:
        """What nothing changes by trying again; None where there is no such thing."""
        try:
            return self.read(outcome_name(content, "json"))
        except FileNotFoundError:
            return None

    def has_final(self, content: Content) -> bool:
        """Whether there is such a thing."""
        return self._files.has_any(outcome_name(content, "json"))

    def without_voices(self, media_fingerprints: Container[str]) -> None:
        """Take the voices out of what is kept of some contents: names, and the vectors."""
        for media_fingerprint, speakers_fingerprint in self.listed("json"):
            content = media_fingerprint, speakers_fingerprint
            if media_fingerprint in media_fingerprints and (kept := self.final(content)):
                self.save(dataclasses.replace(kept, voices=()))
