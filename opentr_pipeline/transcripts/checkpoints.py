"""Finished recordings that are not published yet, kept one by one the moment they are done.

Below ``.store/checkpoints/``, in a folder for each settings fingerprint that is made when it is
needed, named by media fingerprint::

    NAME.json       the transcript
    NAME.failed     the same, where the status is ``failed``
    NAME.attempts   one byte for each attempt that was begun and has no outcome yet
    NAME.lock       held by the step that works on it
    NAME.heard      a line for each window that was heard so far, of a recording that takes long
"""

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from pathlib import Path

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.locks import Patience, holder, try_lock
from opentr_pipeline.transcripts.layout import disk_sentences
from opentr_pipeline.transcripts.transcript import Content, Transcript, from_dict
from opentr_pipeline.transcripts.window_results import Heard, heard_from_dict
from opentr_pipeline.whole_files import write_whole

OUTCOME_KINDS = ("json", "failed")
KEPT_DAYS = 30
# More than a window's line.
TAIL_BYTES = 100_000


class Checkpoints:
    """The checkpoints of one archive, by content and options."""

    def __init__(self, store_folder: Path) -> None:
        """Name the folder; nothing is made until something is written.

        Args:
            store_folder: ``TranscriptStore.inner``.
        """
        self._output_root = store_folder.parent
        self._folder = store_folder / "checkpoints"
        self._patience = Patience()

    def _path(self, content: Content, kind: str) -> Path:
        media_fingerprint, settings_fingerprint = content
        return self._folder / settings_fingerprint / f"{media_fingerprint}.{kind}"

    def _made_path(self, content: Content, kind: str) -> Path:
        """The same, in a folder that is there."""
        path = self._path(content, kind)
        with disk_sentences(self._output_root):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save(self, transcript: Transcript) -> None:
        """Keep a transcript; it is whole or not there, even after a power cut.

        Raises:
            StoreError: the disk is full.
        """
        name = transcript.content
        path = self._made_path(name, "json" if transcript.is_final else "failed")
        with disk_sentences(self._output_root):
            text = json.dumps(dataclasses.asdict(transcript))
            write_whole(path, text.encode(), is_durable=True)
            if transcript.is_final:
                for kind in ("failed", "heard"):
                    self._path(name, kind).unlink(missing_ok=True)
            self._path(name, "attempts").unlink(missing_ok=True)

    def has(self, content: Content) -> bool:
        """Whether there is an outcome."""
        return any(self._path(content, kind).exists() for kind in OUTCOME_KINDS)

    def listed(self, kind: str) -> set[Content]:
        """The contents that have a file of a kind: ``json`` is a final outcome."""
        paths = self._folder.glob(f"*/*.{kind}")
        return {(path.stem, path.parent.name) for path in paths}

    def newest(self, num: int) -> list[Transcript]:
        """The final outcomes that were kept last."""
        paths = [(_modified_ns(path), path) for path in self._folder.glob("*/*.json")]
        found = []
        for _, path in sorted(paths, reverse=True)[:num]:
            with contextlib.suppress(FileNotFoundError):  # published meanwhile
                found.append(_load(path))
        return found

    def load(self, content: Content) -> Transcript | None:
        """The outcome, or None."""
        for kind in OUTCOME_KINDS:
            try:
                return _load(self._path(content, kind))
            except FileNotFoundError:
                continue
        return None

    def drop(self, content: Content) -> None:
        """Forget an outcome that is published, or one that is to be made again."""
        for kind in OUTCOME_KINDS:
            self._path(content, kind).unlink(missing_ok=True)
        claim = self.lock(content)
        if claim is None:
            return  # somebody works on it: the lock and the count of attempts are theirs
        for kind in ("attempts", "lock"):
            self._path(content, kind).unlink(missing_ok=True)
        os.close(claim)

    def lock(self, content: Content) -> int | None:
        """Claim a recording, so that two runs do not transcribe it at once.

        Returns:
            A descriptor that holds the claim until it is closed, or None where another has it.
        """
        return try_lock(self._made_path(content, "lock"))

    def wait_for(self, content: Content) -> None:
        """Wait a little for a process that has claimed a recording."""
        path = self._path(content, "lock")
        self._patience.pause(lambda: f"recordings that {holder(path)} works on")

    def begin_attempt(self, content: Content) -> int:
        """Note that an attempt begins; a process that dies leaves the note.

        Returns:
            How many attempts this makes without an outcome.
        """
        path = self._made_path(content, "attempts")
        with disk_sentences(self._output_root), path.open("ab") as stream:
            stream.write(b".")
        return path.stat().st_size

    def withdraw_attempt(self, content: Content) -> None:
        """Take back the note of an attempt that ended through no fault of the recording."""
        path = self._path(content, "attempts")
        with contextlib.suppress(FileNotFoundError):
            os.truncate(path, max(0, path.stat().st_size - 1))

    def num_attempts(self, content: Content) -> int:
        """Attempts that were begun and have no outcome."""
        try:
            return self._path(content, "attempts").stat().st_size
        except FileNotFoundError:
            return 0

    def heard_so_far(self, content: Content) -> list[Heard]:
        """The windows that an earlier attempt has heard, as far as they were kept."""
        try:
            lines = self._path(content, "heard").read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut in two, or older
                found.append(heard_from_dict(json.loads(line)))
        return found

    def reached_s(self, content: Content) -> float:
        """How far a recording that takes long was heard, as far as that was kept."""
        try:
            with self._path(content, "heard").open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL_BYTES))
                lines = stream.read().splitlines()
        except FileNotFoundError:
            return 0.0
        for line in reversed(lines):
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut in two
                return float(json.loads(line)["start"]) / SAMPLE_RATE_HZ
        return 0.0

    def under_way(self, since: datetime) -> list[tuple[datetime, float, float]]:
        """Recordings that take long: when a window was kept last, how far they were heard, in what.

        Args:
            since: what was kept earlier is left out.

        Returns:
            For each the time, seconds of its audio, and seconds that the engine took for these.
        """
        found = []
        for path in self._folder.glob("*/*.heard"):
            at = datetime.fromtimestamp(_modified_ns(path) / 1e9, UTC)
            if at >= since:
                content = path.stem, path.parent.name
                wall_s = sum(one.wall_s for one in self.heard_so_far(content))
                found.append((at, self.reached_s(content), wall_s))
        return found

    def keep_heard(self, content: Content, windows: Sequence[Heard]) -> None:
        """Keep windows of a recording that is not done yet; earlier deaths are forgiven.

        Raises:
            StoreError: the disk is full.
        """
        lines = [json.dumps(dataclasses.asdict(one)) for one in windows]
        with disk_sentences(self._output_root):
            with self._made_path(content, "heard").open("a", encoding="utf-8") as stream:
                # The line break in front ends a line that was cut in two.
                stream.write("\n" + "\n".join(lines) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(FileNotFoundError):
                path = self._path(content, "attempts")
                os.truncate(path, min(1, path.stat().st_size))

    def without_voices(self, media_fingerprints: Container[str]) -> None:
        """Take the voices out of what is kept of some contents: names, and the vectors."""
        for path in self._folder.glob("*/*.json"):
            if path.stem not in media_fingerprints:
                continue
            with contextlib.suppress(FileNotFoundError):  # published meanwhile
                kept = _load(path)
                if kept.voices:
                    self.save(dataclasses.replace(kept, voices=()))

    def sweep(self) -> None:
        """Remove what attempts of long ago have left behind, that nobody took up again."""
        for path in self._folder.glob("*/*"):
            is_left = path.suffix in (".heard", ".attempts") or path.suffix.startswith(".new-")
            with contextlib.suppress(FileNotFoundError):  # another run sweeps as well
                if is_left and path.stat().st_mtime < time.time() - KEPT_DAYS * 86_400:
                    path.unlink()


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _load(path: Path) -> Transcript:
    return from_dict(json.loads(path.read_text(encoding="utf-8")))


def failures(store_folder: Path) -> dict[Content, Transcript]:
    """The outcome of each content whose last attempt failed."""
    found = {}
    for path in store_folder.glob("checkpoints/*/*.failed"):
        try:
            transcript = _load(path)
        except FileNotFoundError:  # tried again meanwhile
            continue
        found[transcript.content] = transcript
    return found


def failed_attempts(store_folder: Path) -> dict[Content, int]:
    """Attempts at each content whose last one failed."""
    return {content: one.num_attempts for content, one in failures(store_folder).items()}
