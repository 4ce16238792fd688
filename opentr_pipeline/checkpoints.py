"""Finished recordings that are not published yet, kept one by one the moment they are done.

Below ``.store/checkpoints/SETTINGS_FINGERPRINT/``, named by media fingerprint::

    NAME.json       the transcript
    NAME.attempts   one byte for each attempt that was begun and has no outcome yet
    NAME.lock       held by the step that works on it
"""

import dataclasses
import json
import os
from pathlib import Path

from opentr_pipeline.locks import try_lock
from opentr_pipeline.transcript import Transcript, from_dict


class Checkpoints:
    """The checkpoints for one set of options."""

    def __init__(self, store_folder: Path, settings_fingerprint: str) -> None:
        """Make the folder where it is missing.

        Args:
            store_folder: ``TranscriptStore.inner``.
            settings_fingerprint: of the options that the transcripts were made with.
        """
        self._folder = store_folder / "checkpoints" / settings_fingerprint
        self._folder.mkdir(parents=True, exist_ok=True)

    def _path(self, media_fingerprint: str, kind: str) -> Path:
        return self._folder / f"{media_fingerprint}.{kind}"

    def save(self, transcript: Transcript) -> None:
        """Keep a transcript; it is whole or not there, even after a power cut."""
        target = self._path(transcript.media_fingerprint, "json")
        fresh = target.with_suffix(f".{os.getpid()}")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(dataclasses.asdict(transcript), stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, target)
        self._path(transcript.media_fingerprint, "attempts").unlink(missing_ok=True)

    def has(self, media_fingerprint: str) -> bool:
        """Whether there is a transcript."""
        return self._path(media_fingerprint, "json").exists()

    def load(self, media_fingerprint: str) -> Transcript | None:
        """The transcript, or None."""
        try:
            return from_dict(json.loads(self._path(media_fingerprint, "json").read_text()))
        except FileNotFoundError:
            return None

    def drop(self, media_fingerprint: str) -> None:
        """Forget a transcript that is published, or one that is to be made again."""
        for kind in ("json", "attempts", "lock"):
            self._path(media_fingerprint, kind).unlink(missing_ok=True)

    def lock(self, media_fingerprint: str) -> int | None:
        """Claim a recording, so that two runs do not transcribe it at once.

        Returns:
            A descriptor that holds the claim until it is closed, or None where another has it.
        """
        return try_lock(self._path(media_fingerprint, "lock"))

    def begin_attempt(self, media_fingerprint: str) -> int:
        """Note that an attempt begins; a process that dies leaves the note.

        Returns:
            How many attempts this makes without an outcome.
        """
        path = self._path(media_fingerprint, "attempts")
        with path.open("ab") as stream:
            stream.write(b".")
        return path.stat().st_size
