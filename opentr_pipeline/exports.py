"""Published transcripts as files, in a tree that mirrors the archive.

``film/a.mp3`` becomes ``film/a.mp3.srt``, so that ``a.mp3`` and ``a.wav`` never meet. What was
written for a partition is noted in the tree (``.written/KEY.json``), so that files of recordings
that are gone go too, and nobody else's. Files are replaced one by one, atomically. What would be
the same is left alone, and a partition of which nothing has changed is not even read.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from opentr_pipeline import __version__
from opentr_pipeline.locks import locked
from opentr_pipeline.partition_facts import file_state, generation_of
from opentr_pipeline.subtitle_settings import SubtitleSettings
from opentr_pipeline.tables import by_recording, disk_sentences, transcript_of
from opentr_pipeline.transcript import Transcript
from opentr_pipeline.transcript_files import FORMATS, Document
from opentr_pipeline.transcript_store import TranscriptStore

# What the asset keeps; ``opentr export`` writes the others as well.
SUBTITLE_FORMATS = ("srt", "vtt", "txt")
FOLDER = "exports"  # below OUTPUT_DIR, unless another is named
# Source: NAME_MAX of Linux's file systems.
MAX_NAME_BYTES = 255


@dataclass
class Exported:
    """What became of the files of some partitions.

    Attributes:
        num_recordings: with words, so that they have files.
        num_wordless: recordings in which nobody speaks, or that could not be heard.
    """

    num_recordings: int = 0
    num_wordless: int = 0
    num_written: int = 0
    num_unchanged: int = 0
    num_removed: int = 0

    def add(self, other: "Exported") -> None:
        """Count another partition's."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


@dataclass(frozen=True)
class Note:
    """What was written for a partition.

    Attributes:
        made_from: digest of what the files depend on; empty where that is not all of one kind.
        names: of the files, from the tree's root on; those of formats that others wrote too.
    """

    made_from: str = ""
    names: Sequence[str] = ()
    num_recordings: int = 0
    num_wordless: int = 0


@dataclass(frozen=True)
class Export:
    """Where and how transcripts are written.

    Attributes:
        root: the tree.
        formats: keys of ``FORMATS``.
        paths: folders and media files in the archive to write nothing else than; empty: all.
    """

    store: TranscriptStore
    root: Path
    formats: Sequence[str]
    layout: SubtitleSettings
    paths: Sequence[str] = ()

    def partition_keys(self) -> list[str]:
        """The partitions that are published, or have files."""
        published = (self.store.root / "transcripts").glob("*.parquet")
        return sorted({path.stem for path in (*published, *self._notes.glob("*.json"))})

    def write(self, partition_key: str) -> Exported:
        """Make the files of a partition what its transcripts say.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        with disk_sentences(self.root, str(self.root)):
            self._notes.mkdir(parents=True, exist_ok=True)
            with locked(self._notes / f"{partition_key}.lock"):
                return self._write(partition_key)

    def _write(self, partition_key: str) -> Exported:
        noted = self._noted(partition_key)
        made_from = self._made_from(partition_key)
        kept = {name for name in noted.names if not self._is_ours(name)}
        ours = set(noted.names) - kept
        if made_from and noted.made_from == made_from and all(map(self._is_there, ours)):
            return Exported(noted.num_recordings, noted.num_wordless, num_unchanged=len(ours))
        done = Exported()
        for path, recording_id, transcript in self._transcripts(partition_key):
            if not transcript.segments or transcript.status == "no_speech":
                done.num_wordless += 1
                continue
            done.num_recordings += 1
            document = Document(path, transcript, self.layout)
            for ending in self.formats:
                name = file_name(path, recording_id, ending)
                kept.add(name)
                is_news = self._replace(name, FORMATS[ending](document).encode())
                done.num_written += is_news
                done.num_unchanged += not is_news
        if stale := set(noted.names) - kept:
            done.num_removed = self._remove(stale, partition_key)
        note = Note(made_from, sorted(kept), done.num_recordings, done.num_wordless)
        self._replace(f".written/{partition_key}.json", json.dumps(vars(note)).encode())
        return done

    def _made_from(self, partition_key: str) -> str:
        """What the files of a partition depend on; empty where they are to be made anyhow."""
        rows = self.store.path("recordings", partition_key)
        layout = self.layout.model_dump_json(include=set(SubtitleSettings.model_fields))
        try:
            parts = [
                generation_of(self.store, partition_key).name,
                file_state(rows) if rows.exists() else "",
                *(__version__, *self.formats, layout),
            ]
        except FileNotFoundError:  # not published
            return ""
        return "" if self.paths else hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _transcripts(self, partition_key: str) -> Iterator[tuple[str, str, Transcript]]:
        """Path, id and transcript of the recordings that are asked for and not gone."""
        here = self.store.read_partition("recordings", partition_key).select(
            ["recording_id", "in_archive"]
        )
        gone = {row["recording_id"] for row in here.to_pylist() if row["in_archive"] is False}
        for recording_id, tables in by_recording(self.store.read_together(partition_key)):
            path = tables["transcripts"]["path"][0].as_py()
            if recording_id not in gone and self._is_asked_for(path):
                yield path, recording_id, transcript_of(tables, recording_id)

    def _is_asked_for(self, path: str) -> bool:
        return not self.paths or any(
            one in (".", path) or path.startswith(f"{one}/") for one in self.paths
        )

    def _is_ours(self, name: str) -> bool:
        """Whether a file that was written before is one that this export would write."""
        path, _, ending = name.rpartition(".")
        return ending in self.formats and self._is_asked_for(path)

    @property
    def _notes(self) -> Path:
        return self.root / ".written"

    def _noted(self, partition_key: str) -> Note:
        path = self._notes / f"{partition_key}.json"
        return Note(**json.loads(path.read_bytes())) if path.exists() else Note()

    def _is_there(self, name: str) -> bool:
        return (self.root / name).is_file()

    def _replace(self, name: str, content: bytes) -> bool:
        """Write a file unless it is the same already."""
        target = self.root / name
        if target.is_file() and target.read_bytes() == content:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._notes / f"{os.getpid()}.new"
        fresh.write_bytes(content)
        os.replace(fresh, target)
        return True

    def _remove(self, names: set[str], partition_key: str) -> int:
        """Remove files, and the folders that this leaves empty.

        A recording whose partition changed with its modified time has its files noted by both.
        """
        others = {path.stem for path in self._notes.glob("*.json")} - {partition_key}
        names = names.difference(*(self._noted(key).names for key in sorted(others)))
        for name in names:
            target = self.root / name
            target.unlink(missing_ok=True)
            for folder in target.parents:
                if folder == self.root or any(folder.iterdir()):
                    break
                folder.rmdir()
        return len(names)


def file_name(path: str, recording_id: str, ending: str) -> str:
    """Where in the tree a recording's file is.

    Args:
        path: of the media file in the archive.
        recording_id: tells files apart whose names are too long to take an ending.
        ending: of the file, without the dot.
    """
    folder, _, name = path.rpartition("/")
    if len(f"{name}.{ending}".encode()) > MAX_NAME_BYTES:
        room = MAX_NAME_BYTES - len(f"~{recording_id[:8]}.{ending}")
        name = f"{name.encode()[:room].decode(errors='ignore')}~{recording_id[:8]}"
    return f"{folder}/{name}.{ending}".lstrip("/")
