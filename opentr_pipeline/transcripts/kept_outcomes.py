"""Outcomes that are kept one by one, who works on each, and how often that was tried.

In a folder for each fingerprint of settings that is made when it is needed, named by media
fingerprint::

    NAME.json       the outcome
    NAME.failed     the same, where trying again may give another
    NAME.attempts   one byte for each attempt that was begun and has no outcome yet
    NAME.lock       held by the step that works on it

Several hosts keep the last two elsewhere (see ``work_notes``), and the others as well where they
share no folder (see ``kept_files``).
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from opentr_pipeline.locks import Patience
from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.kept_files import kept_files
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline.transcripts.work_notes import Claim, FileNotes, WorkNotes

OUTCOME_KINDS = ("json", "failed")
Outcome = TypeVar("Outcome")


class KeptOutcomes(Generic[Outcome]):
    """The outcomes of one kind of work on one archive, by content and options."""

    # Endings of outcomes that nobody needs after so long.
    leftovers: tuple[str, ...] = ()

    def __init__(
        self,
        store_folder: Path,
        name: str,
        from_dict: Callable[[dict[str, Any]], Outcome],
        database: Database | None = None,
    ) -> None:
        """Name the folder; nothing is made until something is written.

        Args:
            store_folder: ``TranscriptStore.inner``.
            name: of the folder in it.
            from_dict: the inverse of ``dataclasses.asdict`` for an outcome.
            database: that several hosts share; None where there is one host.
        """
        self._files = kept_files(store_folder / name, database)
        self._notes: WorkNotes = FileNotes(store_folder / name, store_folder.parent)
        if database:
            from opentr_pipeline.transcripts.shared_notes import SharedNotes

            self._notes = SharedNotes(database, name)
        self._from_dict = from_dict
        self._patience = Patience()

    def keep(self, content: Content, outcome: Any, kind: str) -> None:
        """Keep an outcome; it is whole or not there, even after a power cut.

        Args:
            content: that it belongs to.
            outcome: a dataclass.
            kind: one of ``OUTCOME_KINDS``.

        Raises:
            StoreError: the disk is full.
        """
        raw = json.dumps(dataclasses.asdict(outcome)).encode()
        self._files.write(outcome_name(content, kind), raw, is_durable=True)
        if kind == "json":
            self._files.remove(outcome_name(content, "failed"))

    def has(self, content: Content) -> bool:
        """Whether there is an outcome."""
        return self._files.has_any(*(outcome_name(content, kind) for kind in OUTCOME_KINDS))

    def listed(self, kind: str) -> set[Content]:
        """The contents that have an outcome of a kind: ``json`` is a final one."""
        return {_content(name) for name in self._files.names(f".{kind}")}

    def load(self, content: Content) -> Outcome | None:
        """The outcome, or None."""
        for kind in OUTCOME_KINDS:
            try:
                return self.read(outcome_name(content, kind))
            except FileNotFoundError:
                continue
        return None

    def read(self, name: str) -> Outcome:
        """The outcome of a name.

        Raises:
            FileNotFoundError: it is gone.
        """
        return self._from_dict(json.loads(self._files.read(name)))

    def drop(self, content: Content) -> None:
        """Forget an outcome that is published, or one that is to be made again."""
        self._files.remove(*(outcome_name(content, kind) for kind in OUTCOME_KINDS))
        self._notes.clear(content)

    def lock(self, content: Content) -> Claim | None:
        """Claim a recording, so that two runs do not work on it at once; None: another has it."""
        return self._notes.claim(content)

    def wait_for(self, content: Content) -> None:
        """Wait a little for a process that has claimed a recording."""
        self._patience.pause(lambda: f"recordings that {self._notes.holder(content)} works on")

    def begin_attempt(self, content: Content) -> int:
        """Note that an attempt begins; a process that dies leaves the note.

        Returns:
            How many attempts this makes without an outcome.
        """
        return self._notes.begin_attempt(content)

    def withdraw_attempt(self, content: Content) -> None:
        """Take back the note of an attempt that ended through no fault of the recording."""
        self._notes.withdraw_attempt(content)

    def num_attempts(self, content: Content) -> int:
        """Attempts that were begun and have no outcome."""
        return self._notes.num_attempts(content)

    def sweep(self) -> None:
        """Remove what attempts of long ago have left behind, that nobody took up again."""
        self._notes.sweep()
        self._files.sweep(*self.leftovers)


def outcome_name(content: Content, kind: str) -> str:
    """What an outcome is kept as."""
    media_fingerprint, settings_fingerprint = content
    return f"{settings_fingerprint}/{media_fingerprint}.{kind}"


def _content(name: str) -> Content:
    settings_fingerprint, _, rest = name.partition("/")
    return rest.rpartition(".")[0], settings_fingerprint
