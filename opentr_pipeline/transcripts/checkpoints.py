"""Finished recordings that are not published yet, kept one by one the moment they are done.

Below ``.store/checkpoints/``, as ``kept_outcomes`` says, and beside those files::

    NAME.heard      a line for each window that was heard so far, of a recording that takes long
"""

import contextlib
import dataclasses
import json
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.kept_outcomes import KeptOutcomes
from opentr_pipeline.transcripts.transcript import Content, Transcript, from_dict
from opentr_pipeline.transcripts.window_results import Heard, heard_from_dict


class Checkpoints(KeptOutcomes[Transcript]):
    """The checkpoints of one archive, by content and options."""

    def __init__(self, store_folder: Path, database: Database | None = None) -> None:
        """Name the folder; nothing is made until something is written.

        Args:
            store_folder: ``TranscriptStore.inner``.
            database: ``TranscriptStore.database``.
        """
        super().__init__(store_folder, "checkpoints", from_dict, database)

    def save(self, transcript: Transcript) -> None:
        """Keep a transcript; it is whole or not there, even after a power cut.

        Raises:
            StoreError: the disk is full.
        """
        if transcript.is_final:
            self.keep(transcript.content, transcript, "json")
            self._notes.forget_heard(transcript.content)
        else:
            self.keep(transcript.content, transcript, "failed")
        self._notes.forget_attempts(transcript.content)

    def listed(self, kind: str) -> set[Content]:
        """The same, and of kind ``heard`` what was heard in part."""
        return self._notes.all_heard() if kind == "heard" else super().listed(kind)

    def newest(self, num: int) -> list[Transcript]:
        """The final outcomes that were kept last."""
        return list(self._kept(self._files.newest(".json", num)))

    def failed(self, media_fingerprints: Container[str]) -> Iterator[Transcript]:
        """The outcomes of last attempts that failed, of some media; reads these alone."""
        names = self._files.names(".failed")
        return self._kept(name for name in names if _media_fingerprint(name) in media_fingerprints)

    def _kept(self, names: Iterable[str]) -> Iterator[Transcript]:
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # published, or tried again meanwhile
                yield self.read(name)

    def failed_under(self, settings_fingerprint: str) -> set[str]:
        """The media fingerprints of what failed under some options; reads names alone."""
        names = self._files.names(".failed", settings_fingerprint)
        return set(map(_media_fingerprint, names))

    def heard_so_far(self, content: Content) -> list[Heard]:
        """The windows that an earlier attempt has heard, as far as they were kept."""
        lines = self._notes.heard(content)
        found = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut in two, or older
                found.append(heard_from_dict(json.loads(line)))
        return found

    def reached_s(self, content: Content) -> float:
        """How far a recording that takes long was heard, as far as that was kept."""
        for line in reversed(self._notes.last_heard(content)):
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
        for content, at in self._notes.heard_since(since):
            wall_s = sum(one.wall_s for one in self.heard_so_far(content))
            found.append((at, self.reached_s(content), wall_s))
        return found

    def keep_heard(self, content: Content, windows: Sequence[Heard]) -> None:
        """Keep windows of a recording that is not done yet; earlier deaths are forgiven.

        Raises:
            StoreError: the disk is full.
        """
        lines = [json.dumps(dataclasses.asdict(one)) for one in windows]
        self._notes.add_heard(content, lines)
        self._notes.forgive(content)

    def without_voices(self, media_fingerprints: Container[str]) -> None:
        """Take the voices out of what is kept of some contents: names, and the vectors."""
        for content in self.listed("json"):
            if content[0] not in media_fingerprints:
                continue
            kept = self.load(content)
            if kept and kept.is_final and kept.voices:  # else published meanwhile
                self.save(dataclasses.replace(kept, voices=()))


def _media_fingerprint(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".failed")


class FailedAttempts:
    """Attempts at contents whose last one failed, looked up when somebody asks for one of them."""

    def __init__(self, kept: Checkpoints | None = None) -> None:
        """Say where they are kept; nothing: there are none."""
        self._kept = kept
        self._failed: dict[str, set[str]] = {}

    def of(self, content: Content) -> int:
        """Attempts at one content; 0 where the last one did not fail."""
        media_fingerprint, settings_fingerprint = content
        if self._kept is None:
            return 0
        if settings_fingerprint not in self._failed:
            self._failed[settings_fingerprint] = self._kept.failed_under(settings_fingerprint)
        if media_fingerprint not in self._failed[settings_fingerprint]:
            return 0
        transcript = self._kept.load(content)
        return transcript.num_attempts if transcript and not transcript.is_final else 0
