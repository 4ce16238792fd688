"""Finished recordings that are not published yet, kept one by one the moment they are done.

Below ``.store/checkpoints/``, as ``kept_outcomes`` says, and beside those files::

    NAME.heard      a line for each window that was heard so far, of a recording that takes long
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from pathlib import Path

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.transcripts.kept_outcomes import KeptOutcomes
from opentr_pipeline.transcripts.layout import disk_sentences
from opentr_pipeline.transcripts.transcript import Content, Transcript, from_dict
from opentr_pipeline.transcripts.window_results import Heard, heard_from_dict

# More than a window's line.
TAIL_BYTES = 100_000


class Checkpoints(KeptOutcomes[Transcript]):
    """The checkpoints of one archive, by content and options."""

    leftovers = (".heard", ".attempts")

    def __init__(self, store_folder: Path) -> None:
        """Name the folder; nothing is made until something is written.

        Args:
            store_folder: ``TranscriptStore.inner``.
        """
        super().__init__(store_folder, "checkpoints", from_dict)

    def save(self, transcript: Transcript) -> None:
        """Keep a transcript; it is whole or not there, even after a power cut.

        Raises:
            StoreError: the disk is full.
        """
        if transcript.is_final:
            self.keep(transcript.content, transcript, "json", ("failed", "heard", "attempts"))
        else:
            self.keep(transcript.content, transcript, "failed", ("attempts",))

    def newest(self, num: int) -> list[Transcript]:
        """The final outcomes that were kept last."""
        paths = [(_modified_ns(path), path) for path in self._folder.glob("*/*.json")]
        found = []
        for _, path in sorted(paths, reverse=True)[:num]:
            with contextlib.suppress(FileNotFoundError):  # published meanwhile
                found.append(self.read(path))
        return found

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
                kept = self.read(path)
                if kept.voices:
                    self.save(dataclasses.replace(kept, voices=()))


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def failures(store_folder: Path) -> dict[Content, Transcript]:
    """The outcome of each content whose last attempt failed."""
    found, kept = {}, Checkpoints(store_folder)
    for path in store_folder.glob("checkpoints/*/*.failed"):
        try:
            transcript = kept.read(path)
        except FileNotFoundError:  # tried again meanwhile
            continue
        found[transcript.content] = transcript
    return found


def failed_attempts(store_folder: Path) -> dict[Content, int]:
    """Attempts at each content whose last one failed."""
    return {content: one.num_attempts for content, one in failures(store_folder).items()}
