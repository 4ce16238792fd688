"""Published transcripts as files, in a tree that mirrors the archive."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.derived_files import Note, WrittenTree, file_name, folder_name
from opentr_pipeline.transcripts.store import TranscriptStore

# What the asset keeps; ``opentr export`` writes the others as well.
SUBTITLE_FORMATS = ("srt", "vtt", "txt")


@dataclass
class Exported:
    """What became of the files of some partitions.

    Attributes:
        num_recordings: with words, so that they have files.
        num_wordless: recordings in which nobody speaks, or that could not be heard.
        unwritten: a word about each file whose place somebody has taken.
    """

    num_recordings: int = 0
    num_wordless: int = 0
    num_written: int = 0
    num_unchanged: int = 0
    num_removed: int = 0
    unwritten: list[str] = field(default_factory=list)

    def add(self, other: "Exported") -> None:
        """Count another partition's."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


@dataclass(frozen=True)
class Export:
    """Where and how transcripts are written.

    Attributes:
        root: the tree.
        formats: keys of ``FORMATS``.
        paths: folders and media files in the archive to write nothing else than; empty: all.
        guards_formulas: see ``formats.Document``.
    """

    store: TranscriptStore
    root: Path
    formats: Sequence[str]
    layout: SubtitleSettings
    paths: Sequence[str] = ()
    guards_formulas: bool = True

    @cached_property
    def _tree(self) -> WrittenTree:
        return WrittenTree(self.store, self.root)

    def partition_keys(self) -> list[str]:
        """The partitions that are published, or have files."""
        return self._tree.partition_keys()

    def write(self, partition_key: str) -> Exported:
        """Make the files of a partition what its transcripts say.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        with self._tree.writing(partition_key):
            return self._write(partition_key)

    def _write(self, partition_key: str) -> Exported:
        noted = self._tree.noted(partition_key)
        made_from = self._made_from(partition_key)
        kept = {name for name in noted.names if not self._is_ours(name)}
        ours = set(noted.names) - kept
        if made_from and noted.made_from == made_from and all(map(self._tree.is_there, ours)):
            return Exported(**noted.facts, num_unchanged=len(ours))
        done = Exported()
        wanted = self._tree.transcripts(partition_key, self._is_asked_for)
        for path, _, transcript in wanted:
            if not transcript.segments or transcript.status == "no_speech":
                done.num_wordless += 1
                continue
            done.num_recordings += 1
            document = Document(path, transcript, self.layout, self.guards_formulas)
            for ending in self.formats:
                name = file_name(path, ending)
                is_news = self._tree.put(name, FORMATS[ending](document), done.unwritten)
                done.num_written += is_news is True
                done.num_unchanged += is_news is False
                if is_news is not None or name in ours:
                    kept.add(name)
        if stale := set(noted.names) - kept:
            done.num_removed = self._tree.remove(stale, partition_key)
        facts = {name: getattr(done, name) for name in ("num_recordings", "num_wordless")}
        note = Note("" if done.unwritten else made_from, sorted(kept), facts)
        self._tree.keep(partition_key, note)
        return done

    def _made_from(self, partition_key: str) -> str:
        """What the files of a partition depend on; empty where they are to be made anyhow."""
        if self.paths:
            return ""
        others = self.layout.cue_layout, str(self.guards_formulas)
        return self._tree.made_from(partition_key, *self.formats, *others)

    def _is_asked_for(self, path: str) -> bool:
        return not self.paths or any(
            one in (".", path) or path.startswith(f"{one}/") for one in self.paths
        )

    def _is_ours(self, name: str) -> bool:
        """Whether a file that was written before is one that this export would write."""
        ending = name.rpartition(".")[2]
        return ending in self.formats and (
            not self.paths
            or any(
                one == "." or name == file_name(one, ending) or name.startswith(f"{folder}/")
                for one, folder in zip(self.paths, map(folder_name, self.paths), strict=True)
            )
        )


def formats_there(
    store: TranscriptStore, root: Path, partition_key: str
) -> dict[tuple[str, ...], list[str]]:
    """The formats in which a partition's recordings are written, by the paths of these.

    Paths are empty where all are that can be.

    Args:
        store: of the transcripts.
        root: of the tree.
        partition_key: theirs.
    """
    names = set(WrittenTree(store, root).noted(partition_key).names)
    columns = ["path", "status", "num_segments"]
    rows = store.read_partition("transcripts", partition_key).select(columns).to_pylist()
    paths = [row["path"] for row in rows if row["num_segments"] and row["status"] != "no_speech"]
    found: dict[tuple[str, ...], list[str]] = {}
    for ending in FORMATS:
        written = tuple(path for path in paths if file_name(path, ending) in names)
        if written:
            found.setdefault(() if len(written) == len(paths) else written, []).append(ending)
    return found
