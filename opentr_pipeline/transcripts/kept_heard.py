"""What the model heard, kept beside a given text that is published in its place."""

from pathlib import Path

from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.kept_outcomes import KeptOutcomes
from opentr_pipeline.transcripts.parts import without_speakers
from opentr_pipeline.transcripts.transcript import Transcript, from_dict


class KeptHeard:
    """What the model heard, of recordings whose published words are those of a given text."""

    def __init__(self, store_folder: Path, database: Database | None = None) -> None:
        """Name the folder; nothing is made until something is written.

        Args:
            store_folder: ``TranscriptStore.inner``.
            database: ``TranscriptStore.database``.
        """
        self._kept = KeptOutcomes(store_folder, "heard", from_dict, database)

    def keep(self, heard: Transcript) -> None:
        """Keep it, before a given text takes its place; no voices.

        Raises:
            StoreError: the disk is full.
        """
        self._kept.keep(heard.content, heard, "json")

    def of(self, published: Transcript) -> Transcript | None:
        """The model's words for what is published, nobody's name on them; None: kept no more."""
        if published.provided_fingerprint:
            return self._kept.load(published.content)
        heard = without_speakers(published)
        self.keep(heard)
        return heard
