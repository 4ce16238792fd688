"""Where the bytes of an archive are: the seam between what is a folder today and other places.

Everything that reads an archive asks these few questions, and no other; nothing is ever written.
``bucket`` answers them for buckets.
``test_storage`` holds whatever answers them to what they promise.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol, cast

from opentr_pipeline.errors import ArchiveError
from opentr_pipeline.locks import is_being_written
from opentr_pipeline.plain_files import is_mostly_holes, open_regular
from opentr_pipeline.settings.addresses import BucketAddress, Place

Kind = Literal["file", "folder", "other"]


class Facts(NamedTuple):
    """What is at a path, where it is a link what that leads to.

    Attributes:
        kind: of the path itself: a link to a folder is no folder.
        modified_ns: nanoseconds since 1970 UTC; of a folder, when names came or went, or now where
            nobody keeps that.
        device: with ``inode`` what tells these bytes from all others; of a folder's files it
            survives a rename.
        changed_ns: when the bytes, or anything else about the file, last changed, as the file
            system keeps it by itself: nobody can set it back.
        refusal: why a link is not to be followed; else empty.
    """

    kind: Kind
    size_bytes: int
    modified_ns: int
    device: int
    inode: int
    changed_ns: int
    refusal: str = ""


class Listed(NamedTuple):
    """A name in a folder.

    Attributes:
        path: from the archive's root, ``/`` between the parts; empty for the root itself. Bytes
            that are not UTF-8 are surrogate escapes, so that ``os.fsencode`` gives them back.
        is_folder: links are none.
        inode: another one where the name was given to other bytes.
        facts: as ``stat`` has them, where listing tells them already.
        refusal: why nobody can ask for what has the name; else empty.
    """

    path: str
    is_folder: bool
    is_link: bool
    inode: int
    facts: Facts | None = None
    refusal: str = ""


class Storage(Protocol):
    """What an archive is asked; paths are those of ``Listed``."""

    @property
    def name(self) -> str:
        """What people know it by."""

    @property
    def has_whole_files(self) -> bool:
        """Whether files appear when all of their bytes are there, so that nothing has to settle."""

    def check(self) -> None:
        """Make sure that it can be read.

        Raises:
            ArchiveError: it is not there, or not ours to read.
        """

    def list(self, folder: str) -> Iterator[Listed]:
        """All names in a folder, in no order.

        Raises:
            OSError: it cannot be read, or only in part.
        """

    def stat(self, path: str) -> Facts:
        """What is at a path.

        Raises:
            OSError: nothing, or nothing that is ours to see.
        """

    def opened(self, path: str) -> AbstractContextManager[BinaryIO]:
        """The bytes: a stream that can seek, and whose ``name`` ends as the path does.

        Regular files alone: a pipe would have us wait, and a link may lead out of the archive.

        Raises:
            OSError: it cannot be read, or is no regular file of the archive. Reading raises it
                too, where the bytes are replaced meanwhile and that shows.
        """

    def is_hollow(self, stream: BinaryIO) -> bool:
        """Whether hardly anything was ever written to what ``opened`` gave, however long it is."""

    def is_being_written(self, path: str) -> bool:
        """Whether somebody has it open for writing, as far as can be told."""

    def digest(self, path: str) -> str:
        """Names the whole content: SHA-256 in hexadecimal digits.

        Raises:
            OSError: it cannot be read.
        """


def sha256_of(stream: BinaryIO) -> str:
    """The digest of what a stream gives from where it stands, in hexadecimal digits."""
    return hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest()


class FolderStorage:
    """A folder of this machine."""

    has_whole_files = False

    def __init__(self, root: Path) -> None:
        """Name the folder; nothing is read yet."""
        self._root = root
        self.name = os.path.realpath(root)  # with no link in it
        self._prefix = self.name.rstrip("/") + "/"

    def check(self) -> None:
        """See ``Storage``."""
        if not self._root.is_dir():
            raise ArchiveError(
                f"There is no folder {self._root}; name the archive's folder, or set ARCHIVE_DIR."
            )
        if not os.access(self._root, os.R_OK | os.X_OK):
            raise ArchiveError(f"The archive {self._root} cannot be read; check its permissions.")

    def list(self, folder: str) -> Iterator[Listed]:
        """See ``Storage``."""
        inside = folder + "/" if folder else ""
        with os.scandir(self._place(folder)) as entries:
            for entry in entries:
                yield Listed(
                    inside + entry.name,
                    entry.is_dir(follow_symlinks=False),
                    entry.is_symlink(),
                    entry.inode(),
                )

    def stat(self, path: str) -> Facts:
        """See ``Storage``."""
        place = self._place(path)
        info, refusal = os.lstat(place), ""
        kind: Kind = "folder" if stat.S_ISDIR(info.st_mode) else "other"
        if stat.S_ISLNK(info.st_mode):
            info, refusal = os.stat(place), self._refusal(place)
        if stat.S_ISREG(info.st_mode):
            kind = "file"
        return Facts(
            kind,
            info.st_size,
            info.st_mtime_ns,
            info.st_dev,
            info.st_ino,
            info.st_ctime_ns,
            refusal,
        )

    def _place(self, path: str) -> str:
        return self._prefix + path if path else self.name

    def _refusal(self, link: str) -> str:
        target = os.path.realpath(link)
        if os.path.commonpath([self.name, target]) != self.name:
            return "link that leaves the archive"
        return "link to a folder of the archive" if os.path.isdir(target) else ""

    @contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO]:
        """See ``Storage``."""
        with open_regular(self._root / path, self.name) as stream:
            yield stream

    def is_hollow(self, stream: BinaryIO) -> bool:
        """See ``Storage``."""
        return is_mostly_holes(stream.fileno())

    def is_being_written(self, path: str) -> bool:
        """See ``Storage``."""
        return is_being_written(self._place(path))

    def digest(self, path: str) -> str:
        """See ``Storage``."""
        with open_regular(self._root / path, self.name) as stream:
            return sha256_of(stream)


def storage_of(archive: Place) -> Storage:
    """The storage of an archive by its address; the one place that knows which kinds there are."""
    if isinstance(archive, BucketAddress):
        from opentr_pipeline.archive.bucket import BucketStorage

        return BucketStorage(archive)
    return FolderStorage(archive)
