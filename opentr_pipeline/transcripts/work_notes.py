"""Who works on which recording, how often that was tried, and what was heard of it so far.

One host keeps this in files beside the outcomes, several in PostgreSQL (``shared_notes``).
``test_work_notes`` holds both to what they promise.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from opentr_pipeline.locks import holder, try_lock
from opentr_pipeline.transcripts.kept_files import FolderFiles
from opentr_pipeline.transcripts.layout import disk_sentences
from opentr_pipeline.transcripts.transcript import Content

# More than a window's line.
TAIL_BYTES = 100_000


class Claim(Protocol):
    """Keeps others from a recording until it is released, or its holder is gone."""

    def release(self) -> None:
        """Let others have it."""


class WorkNotes(Protocol):
    """The notes about one kind of work, by content."""

    def claim(self, content: Content) -> Claim | None:
        """Claim a recording; None where another has it."""

    def holder(self, content: Content) -> str:
        """Who has it, for people."""

    def begin_attempt(self, content: Content) -> int:
        """Note that an attempt begins; whoever has claimed it asks.

        Returns:
            How many attempts have no outcome, this one included; none whose host was lost.
        """

    def withdraw_attempt(self, content: Content) -> None:
        """Take back the note of an attempt that ended through no fault of the recording."""

    def num_attempts(self, content: Content) -> int:
        """Attempts that were begun and have no outcome."""

    def forgive(self, content: Content) -> None:
        """Forget all attempts but the last."""

    def forget_attempts(self, content: Content) -> None:
        """Forget all attempts: there is an outcome."""

    def forget_heard(self, content: Content) -> None:
        """Forget what was heard."""

    def clear(self, content: Content) -> None:
        """Forget all attempts, unless somebody works on it."""

    def add_heard(self, content: Content, lines: Sequence[str]) -> None:
        """Keep lines of what was heard."""

    def heard(self, content: Content) -> list[str]:
        """All lines in the order in which they came; one that was cut in two may be among them."""

    def last_heard(self, content: Content) -> list[str]:
        """The last of them."""

    def all_heard(self) -> set[Content]:
        """The contents of which something was heard and kept."""

    def heard_since(self, since: datetime) -> Iterator[tuple[Content, datetime]]:
        """Those of which something was kept since a time, and when."""

    def sweep(self) -> None:
        """Remove what attempts of long ago have left behind, that nobody took up again."""


class _Lock:
    """A claim that the kernel keeps."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """See ``Claim``."""
        os.close(self._descriptor)


class FileNotes:
    """The notes as files, several of each content; see ``kept_outcomes`` and ``checkpoints``."""

    def __init__(self, folder: Path, output_root: Path) -> None:
        """Name the folder of the outcomes; nothing is made until something is written.

        Args:
            folder: it.
            output_root: that it is in, as people know it.
        """
        self._folder, self._output_root = folder, output_root

    def _path(self, content: Content, kind: str) -> Path:
        media_fingerprint, settings_fingerprint = content
        return self._folder / settings_fingerprint / f"{media_fingerprint}.{kind}"

    def _made_path(self, content: Content, kind: str) -> Path:
        """The same, in a folder that is there."""
        path = self._path(content, kind)
        with disk_sentences(self._output_root):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def claim(self, content: Content) -> Claim | None:
        """See ``WorkNotes``."""
        descriptor = try_lock(self._made_path(content, "lock"))
        return None if descriptor is None else _Lock(descriptor)

    def holder(self, content: Content) -> str:
        """See ``WorkNotes``."""
        return holder(self._path(content, "lock"))

    def begin_attempt(self, content: Content) -> int:
        """See ``WorkNotes``."""
        path = self._made_path(content, "attempts")
        with disk_sentences(self._output_root), path.open("ab") as stream:
            stream.write(b".")
        return path.stat().st_size

    def withdraw_attempt(self, content: Content) -> None:
        """See ``WorkNotes``."""
        self._leave_attempts(content, self.num_attempts(content) - 1)

    def num_attempts(self, content: Content) -> int:
        """See ``WorkNotes``."""
        try:
            return self._path(content, "attempts").stat().st_size
        except FileNotFoundError:
            return 0

    def forgive(self, content: Content) -> None:
        """See ``WorkNotes``."""
        with disk_sentences(self._output_root):
            self._leave_attempts(content, min(1, self.num_attempts(content)))

    def _leave_attempts(self, content: Content, num: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self._path(content, "attempts"), max(0, num))

    def forget_attempts(self, content: Content) -> None:
        """See ``WorkNotes``."""
        self._path(content, "attempts").unlink(missing_ok=True)

    def forget_heard(self, content: Content) -> None:
        """See ``WorkNotes``."""
        self._path(content, "heard").unlink(missing_ok=True)

    def clear(self, content: Content) -> None:
        """See ``WorkNotes``."""
        if claim := self.claim(content):  # else the lock and the count of attempts are theirs
            for kind in ("attempts", "lock"):
                self._path(content, kind).unlink(missing_ok=True)
            claim.release()

    def add_heard(self, content: Content, lines: Sequence[str]) -> None:
        """See ``WorkNotes``."""
        path = self._made_path(content, "heard")
        with disk_sentences(self._output_root), path.open("a", encoding="utf-8") as stream:
            # The line break in front ends a line that was cut in two.
            stream.write("\n" + "\n".join(lines) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def heard(self, content: Content) -> list[str]:
        """See ``WorkNotes``."""
        return self._lines(content, 0)

    def last_heard(self, content: Content) -> list[str]:
        """See ``WorkNotes``."""
        return self._lines(content, TAIL_BYTES)

    def _lines(self, content: Content, tail_bytes: int) -> list[str]:
        try:
            with self._path(content, "heard").open("rb") as stream:
                if tail_bytes:
                    stream.seek(max(0, os.fstat(stream.fileno()).st_size - tail_bytes))
                return [line.decode(errors="replace") for line in stream.read().splitlines()]
        except FileNotFoundError:
            return []

    def all_heard(self) -> set[Content]:
        """See ``WorkNotes``."""
        return {(path.stem, path.parent.name) for path in self._folder.glob("*/*.heard")}

    def heard_since(self, since: datetime) -> Iterator[tuple[Content, datetime]]:
        """See ``WorkNotes``."""
        for path in self._folder.glob("*/*.heard"):
            with contextlib.suppress(FileNotFoundError):  # finished meanwhile
                at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                if at >= since:
                    yield (path.stem, path.parent.name), at

    def sweep(self) -> None:
        """See ``WorkNotes``."""
        FolderFiles(self._folder, f"OUTPUT_DIR={self._output_root}").sweep(".heard", ".attempts")
