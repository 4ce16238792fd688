"""Finished recordings that are not published yet, kept one by one the moment they are done.

Below ``.store/checkpoints/SETTINGS_FINGERPRINT/``, named by media fingerprint::

    NAME.json       the transcript
    NAME.failed     the same, where the status is ``failed``
    NAME.attempts   one byte for each attempt that was begun and has no outcome yet
    NAME.lock       held by the step that works on it
"""

import contextlib
import dataclasses
import json
import os
from pathlib import Path

from opentr_pipeline.locks import try_lock
from opentr_pipeline.tables import disk_sentences
from opentr_pipeline.transcript import Transcript, from_dict

OUTCOME_KINDS = ("json", "failed")


class Checkpoints:
    """The checkpoints for one set of options."""

    def __init__(self, store_folder: Path, settings_fingerprint: str) -> None:
        """Make the folder where it is missing.

        Args:
            store_folder: ``TranscriptStore.inner``.
            settings_fingerprint: of the options that the transcripts were made with.
        """
        self._output_root = store_folder.parent
        self._folder = store_folder / "checkpoints" / settings_fingerprint
        with disk_sentences(self._output_root):
            self._folder.mkdir(parents=True, exist_ok=True)

    def _path(self, media_fingerprint: str, kind: str) -> Path:
        return self._folder / f"{media_fingerprint}.{kind}"

    def save(self, transcript: Transcript) -> None:
        """Keep a transcript; it is whole or not there, even after a power cut.

        Raises:
            StoreError: the disk is full.
        """
        name = transcript.media_fingerprint
        fresh = self._path(name, f"new-{os.getpid()}")
        with disk_sentences(self._output_root):
            try:
                with fresh.open("w", encoding="utf-8") as stream:
                    json.dump(dataclasses.asdict(transcript), stream)
                    stream.flush()
                    os.fsync(stream.fileno())
            except OSError:
                fresh.unlink(missing_ok=True)
                raise
            os.replace(fresh, self._path(name, "json" if transcript.is_final else "failed"))
            if transcript.is_final:
                self._path(name, "failed").unlink(missing_ok=True)
            self._path(name, "attempts").unlink(missing_ok=True)

    def has(self, media_fingerprint: str) -> bool:
        """Whether there is an outcome."""
        return any(self._path(media_fingerprint, kind).exists() for kind in OUTCOME_KINDS)

    def has_transcript(self, media_fingerprint: str) -> bool:
        """Whether there is an outcome that is final."""
        return self._path(media_fingerprint, "json").exists()

    def load(self, media_fingerprint: str) -> Transcript | None:
        """The outcome, or None."""
        for kind in OUTCOME_KINDS:
            try:
                return _load(self._path(media_fingerprint, kind))
            except FileNotFoundError:
                continue
        return None

    def drop(self, media_fingerprint: str) -> None:
        """Forget an outcome that is published, or one that is to be made again."""
        for kind in OUTCOME_KINDS:
            self._path(media_fingerprint, kind).unlink(missing_ok=True)
        claim = self.lock(media_fingerprint)
        if claim is None:
            return  # somebody works on it: the lock and the count of attempts are theirs
        for kind in ("attempts", "lock"):
            self._path(media_fingerprint, kind).unlink(missing_ok=True)
        os.close(claim)

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

    def withdraw_attempt(self, media_fingerprint: str) -> None:
        """Take back the note of an attempt that ended through no fault of the recording."""
        path = self._path(media_fingerprint, "attempts")
        with contextlib.suppress(FileNotFoundError):
            os.truncate(path, max(0, path.stat().st_size - 1))


def _load(path: Path) -> Transcript:
    return from_dict(json.loads(path.read_text(encoding="utf-8")))


def failed_attempts(store_folder: Path) -> dict[tuple[str, str], int]:
    """Attempts at each (media fingerprint, settings fingerprint) whose last one failed."""
    failures = {}
    for path in store_folder.glob("checkpoints/*/*.failed"):
        try:
            transcript = _load(path)
        except FileNotFoundError:  # tried again meanwhile
            continue
        content = (transcript.media_fingerprint, transcript.settings_fingerprint)
        failures[content] = transcript.num_attempts
    return failures
