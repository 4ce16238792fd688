"""Files that are made from published partitions, in a tree of their own.

What was written for a partition is noted in the tree (``.written/KEY.json``), so that files of
recordings that are gone go too, and nobody else's. Files are replaced one by one, atomically. What
would be the same is left alone, and a partition of which nothing has changed need not be read.
What somebody else has put in the place of a file costs that file, and no other one.
"""

import contextlib
import errno
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from opentr_pipeline import __version__
from opentr_pipeline.locks import locked
from opentr_pipeline.transcripts.layout import disk_sentences
from opentr_pipeline.whole_files import replacing, write_whole
from opentr_pipeline.wording import number_text

if TYPE_CHECKING:
    from opentr_pipeline.transcripts.store import TranscriptStore
    from opentr_pipeline.transcripts.transcript import Transcript

# Source: NAME_MAX of Linux's file systems.
MAX_NAME_BYTES = 255
# Of all files that stand in trees beside folders of the archive's.
ENDINGS = ("srt", "vtt", "txt", "json", "tsv", "csv", "html", "docx", "pdf")
# Without the longest ending and its dot.
MAX_STEM_BYTES = MAX_NAME_BYTES - 5
# What has the name of such a file, or of a folder that would have had.
_LIKE_A_FILE = re.compile(rf"\.({'|'.join(ENDINGS)})~*$", re.IGNORECASE)
_CUT = re.compile("~[0-9a-f]{32}$")
# These concern every file of a tree.
_OF_THE_DISK = {*(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)}
NUM_NAMED = 3
# What Windows and USB sticks take in no name, and what looks like what is put in its place.
# Source: Microsoft, Naming Files, Paths, and Namespaces.
_NOT_PORTABLE = re.compile(r"""[<>:"\\|?*\x00-\x1f]|[. ](?=/)|%(?=[0-9A-F]{2})""")


@dataclass(frozen=True)
class Note:
    """What was written for a partition.

    Attributes:
        made_from: digest of what the files depend on; empty where that is not all of one kind.
        names: of the files, from the tree's root on.
        facts: about the files, which would else be read again.
        digests: of files that people may edit, by name, as they were written.
    """

    made_from: str = ""
    names: Sequence[str] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenTree:
    """A folder of files made from the partitions of a store."""

    store: "TranscriptStore"
    root: Path

    def partition_keys(self) -> list[str]:
        """The partitions that are published, or have files."""
        return sorted(self.store.partition_keys() | self._noted_keys())

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Wait until nobody else writes what has this name.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        with disk_sentences(self.root, str(self.root)):
            self._notes.mkdir(parents=True, exist_ok=True)
            with locked(self._notes / f"{name}.lock"):
                yield

    def made_from(self, partition_key: str, *others: str) -> str:
        """A digest of what a partition's files depend on; empty where it is not published.

        Args:
            partition_key: its tables and this release count always.
            others: whatever else makes other files.
        """
        state = self.store.state(partition_key)
        parts = "\n".join([__version__, state, *others])
        return hashlib.sha256(parts.encode()).hexdigest() if state else ""

    def transcripts(
        self, partition_key: str, is_wanted: Callable[[str], bool] = bool
    ) -> "Iterator[tuple[str, str, Transcript]]":
        """Path, id and transcript of the recordings that are not gone.

        Args:
            partition_key: theirs.
            is_wanted: says so of a path.
        """
        from opentr_pipeline.transcripts.schemas import by_recording, transcript_of

        here = self.store.read_partition("recordings", partition_key).select(
            ["recording_id", "in_archive"]
        )
        gone = {row["recording_id"] for row in here.to_pylist() if row["in_archive"] is False}
        for recording_id, tables in by_recording(self.store.read_together(partition_key)):
            path = tables["transcripts"]["path"][0].as_py()
            if recording_id not in gone and is_wanted(path):
                yield path, recording_id, transcript_of(tables, recording_id)

    def noted(self, partition_key: str) -> Note:
        """What was written for a partition last."""
        path = self._notes / f"{partition_key}.json"
        # None yet, or cut short by a power cut: then all is written again.
        with contextlib.suppress(FileNotFoundError, ValueError):
            kept = json.loads(path.read_bytes())
            names = [name for name in kept["names"] if _is_ours(name)]
            digests = kept.get("digests", {})
            return Note(kept["made_from"], names, kept.get("facts", {}), digests)
        return Note()

    def keep(self, partition_key: str, note: Note) -> None:
        """Note what has been written for a partition."""
        self.replace(f".written/{partition_key}.json", json.dumps(vars(note)).encode())

    def is_there(self, name: str) -> bool:
        """Whether a file is still where it was written, or a link to whatever."""
        path = self.root / name
        return path.is_symlink() or path.is_file()

    def is_by_hand(self, name: str, noted: Note, content: bytes | None = None) -> bool:
        """Whether somebody has edited a file since it was written.

        Args:
            name: of the file.
            noted: of its partition.
            content: that it is to have; where it has, nothing is lost.
        """
        written, path = noted.digests.get(name), self.root / name
        if not written or not path.is_file():
            return False
        now = path.read_bytes()
        return now != content and digest_of(now) != written

    def take_over(self, partition_key: str, name: str, content: bytes) -> None:
        """Note that what somebody has made of a file is kept elsewhere now.

        Args:
            partition_key: that the file may be of.
            name: of the file.
            content: that was read.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        with self.writing(partition_key):
            noted = self.noted(partition_key)
            if name in noted.digests:
                digests = {**noted.digests, name: digest_of(content)}
                self.keep(partition_key, replace(noted, digests=digests))

    def replace(self, name: str, content: bytes) -> bool:
        """Write a file unless it is the same already; whether it was not."""
        target = self.root / name
        if target.is_file() and target.read_bytes() == content:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content, self._notes / f"{uuid.uuid4().hex}.new")
        return True

    def put(self, name: str, content: bytes, unwritten: list[str]) -> bool | None:
        """The same; where something else stands in its place, None, and a word about it.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        try:
            return self.replace(name, content)
        except OSError as error:
            if error.errno in _OF_THE_DISK:
                raise
            unwritten.append(f"{name} ({error.strerror})")
            return None

    def link(self, name: str, target: Path) -> None:
        """Make a link, unless it is the same already."""
        path = self.root / name
        if path.is_symlink() and path.readlink() == target:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, self._notes / f"{uuid.uuid4().hex}.link") as fresh:
            fresh.symlink_to(target)

    def remove(self, names: Iterable[str], partition_key: str) -> int:
        """Remove files of a partition, and the folders that this leaves empty."""
        left = self.of_no_other(names, partition_key)
        for name in left:
            target = self.root / name
            # Gone already, or somebody has put something else there.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                target.unlink()
            for folder in target.relative_to(self.root).parents[:-1]:
                with contextlib.suppress(OSError):  # not empty
                    (self.root / folder).rmdir()
        return len(left)

    def of_no_other(self, names: Iterable[str], partition_key: str) -> set[str]:
        """Those of some files that are noted by no other partition.

        A recording whose partition changed with its modified time has its files noted by both.
        """
        others = self._noted_keys() - {partition_key}
        return set(names).difference(*(self.noted(key).names for key in sorted(others)))

    @property
    def _notes(self) -> Path:
        return self.root / ".written"

    def _noted_keys(self) -> set[str]:
        return {path.stem for path in self._notes.glob("*.json")}


def digest_of(content: bytes) -> str:
    """What changes when a file does."""
    return hashlib.sha256(content).hexdigest()


def _is_ours(name: str) -> bool:
    """Whether a name that is noted is one in the tree: what is noted is removed one day."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def unwritten_sentence(unwritten: Sequence[str], root: Path) -> str:
    """What is to be said where files could not be written.

    Args:
        unwritten: a word about each of them.
        root: of their tree.
    """
    named = ", ".join(unwritten[:NUM_NAMED]) + (", ..." if unwritten[NUM_NAMED:] else "")
    return (
        f"{number_text(len(unwritten), 'file')} in {root} could not be written: {named}; move away "
        "what stands in their place, and try again."
    )


def file_name(path: str, ending: str) -> str:
    """Where in a tree a recording's file is: ``film/a.mp3`` becomes ``film/a.mp3.srt``.

    No two files meet, and no file meets a folder: a folder that has the name of a file gets a ``~``
    behind it, and what is cut, because it is too long, gets a digest, as does what looks cut.

    Args:
        path: of the media file, as the tables have it.
        ending: of the file, one of ``ENDINGS``.
    """
    folder, slash, name = path.rpartition("/")
    return f"{folder_name(folder)}{slash}{_fitting(name)}.{ending}"


def portable(path: str) -> str:
    """A path of which every file system takes each name: ``who?.mp3`` becomes ``who%3F.mp3``."""
    return _NOT_PORTABLE.sub(lambda found: f"%{ord(found[0]):02X}", path)


def folder_name(path: str) -> str:
    """Where in a tree a folder of the archive is."""
    marked = (f"{one}~" if _LIKE_A_FILE.search(one) else one for one in path.split("/"))
    return "/".join(map(_fitting, marked))


def _fitting(name: str) -> str:
    raw = name.encode()
    if len(raw) <= MAX_STEM_BYTES and not _CUT.search(name):
        return name
    digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
    head = raw[: MAX_STEM_BYTES - 1 - len(digest)].decode(errors="ignore")
    return f"{head}~{digest}"
