"""Published transcripts as files, in a tree that mirrors the archive."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from opentr_pipeline.commands import command
from opentr_pipeline.errors import DocumentError
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.exports.titles import shown_title
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.derived_files import (
    Note,
    WrittenTree,
    digest_of,
    file_name,
    folder_name,
    portable,
)
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
        left_out: a sentence about each document that its format cannot hold.
    """

    num_recordings: int = 0
    num_wordless: int = 0
    num_written: int = 0
    num_unchanged: int = 0
    num_removed: int = 0
    unwritten: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

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
        is_portable: names are such that every file system takes them.
    """

    store: TranscriptStore
    root: Path
    formats: Sequence[str]
    layout: SubtitleSettings
    paths: Sequence[str] = ()
    guards_formulas: bool = True
    is_portable: bool = False

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
        done, digests = Exported(), {name: noted.digests.get(name, "") for name in kept}
        wanted = self._tree.transcripts(partition_key, self._is_asked_for)
        titles = self._titles(partition_key)
        for path, recording_id, transcript in wanted:
            if not transcript.segments or transcript.status == "no_speech":
                done.num_wordless += 1
                continue
            done.num_recordings += 1
            title = titles.get(recording_id, "")
            document = Document(path, transcript, self.layout, self.guards_formulas, title)
            digests |= self._write_document(document, noted, done)
        if stale := set(noted.names).difference(digests):
            edited = {name for name in stale if self._tree.is_by_hand(name, noted)}
            for name in self._tree.of_no_other(edited, partition_key) if edited else ():
                digests[name] = self._left(name, noted, done)
                stale.remove(name)
            done.num_removed = self._tree.remove(stale, partition_key)
        facts = {name: getattr(done, name) for name in ("num_recordings", "num_wordless")}
        known = {name: digest for name, digest in digests.items() if digest}
        note = Note("" if done.unwritten else made_from, sorted(digests), facts, known)
        self._tree.keep(partition_key, note)
        return done

    def _write_document(self, document: Document, noted: Note, done: Exported) -> dict[str, str]:
        """Write a transcript in all formats that can hold it; the digests of its files now."""
        digests = {}
        path = portable(document.path) if self.is_portable else document.path
        for ending in self.formats:
            name = file_name(path, ending)
            try:
                content = FORMATS[ending](document)
            except DocumentError as error:
                done.left_out.append(f"{name}: {error}")
                continue
            if self._tree.is_by_hand(name, noted, content):
                digests[name] = self._left(name, noted, done)
                continue
            is_news = self._tree.put(name, content, done.unwritten)
            done.num_written += is_news is True
            done.num_unchanged += is_news is False
            if is_news is not None or name in noted.names:
                digests[name] = digest_of(content)
        return digests

    def _left(self, name: str, noted: Note, done: Exported) -> str:
        """Leave a file that somebody has edited; the digest of it as it was written."""
        done.unwritten.append(f"{name} (edited by hand; {command('import')} takes it in)")
        return noted.digests[name]

    def _titles(self, partition_key: str) -> dict[str, str]:
        """What recordings are called by themselves, where a format has a place for it."""
        if not set(self.formats) & {"docx", "pdf"}:
            return {}
        columns = ["recording_id", "path", "tags"]
        table = self.store.read_partition("recordings", partition_key).select(columns)
        return {
            one["recording_id"]: shown_title(one["path"], one["tags"]) for one in table.to_pylist()
        }

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
