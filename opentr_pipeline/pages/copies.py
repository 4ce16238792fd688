"""A copy of the pages with the media in it, to be handed on."""

import errno
import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from opentr_pipeline.errors import StoreError
from opentr_pipeline.pages.lists import MEDIA
from opentr_pipeline.plain_files import open_regular
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.transcripts.layout import disk_sentences
from opentr_pipeline.whole_files import replacing
from opentr_pipeline.wording import number_text, size_text

# What says that a folder is a copy of ours, whose other files may be removed.
MARK = ".opentr-pages"
# File systems of USB sticks keep times to two seconds.
SAME_TIME_S = 2.0
NUM_NAMED = 3
# What a file system says of a name that it does not take, or of a size.
_REFUSALS = {errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG, errno.EFBIG}


@dataclass
class Copied:
    """What became of a copy.

    Attributes:
        missing: names whose media are gone from the archive.
        refused: names that the other file system does not take.
    """

    num_copied: int = 0
    num_unchanged: int = 0
    num_removed: int = 0
    size_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """What was done."""
        return (
            f"{number_text(self.num_copied, 'file')} copied ({size_text(self.size_bytes)}), "
            f"{self.num_unchanged} unchanged, {self.num_removed} removed."
        )

    @property
    def sentences(self) -> list[str]:
        """What is to be said of what is not there."""
        found = []
        if self.missing:
            found.append(
                f"{number_text(len(self.missing), 'media file')} of the pages cannot be read: "
                f"{_named(self.missing)}; run a scan, or bring them back."
            )
        if self.refused:
            found.append(
                f"{number_text(len(self.refused), 'file')} could not be copied: "
                f"{_named(self.refused)}; choose a disk that takes such names and sizes, such as "
                "one with exFAT or ext4."
            )
        return found


def copy_with_media(pages: Path, archive: Place, folder: Path) -> Copied:
    """Make a folder the same as the pages, with each medium in the place of the link to it.

    What is there already with the same size and time is left; what is not a page any more goes.

    Args:
        pages: the root of their tree.
        archive: which no link to a medium may leave.
        folder: new, empty, or such a copy.

    Raises:
        StoreError: the folder holds something else, or the disk is full.
    """
    done = Copied()
    within = {True: os.path.realpath(str(archive)), False: os.path.realpath(pages)}
    with disk_sentences(folder, str(folder)):
        _take(folder, pages)
        names = sorted(_names(pages))
        alike = _alike(names) if _takes_cases_for_the_same(folder) else set()
        done.refused += sorted(alike)
        for name in names:
            if name not in alike:
                is_media = name.startswith(f"{MEDIA}/")
                _copy(pages / name, within[is_media], folder / name, name, done)
        _remove_others(folder, set(names), done)
    return done


def _takes_cases_for_the_same(folder: Path) -> bool:
    return (folder / MARK.upper()).exists()


def _alike(names: Iterable[str]) -> set[str]:
    """Names that are another's on a file system that makes no difference between A and a."""
    seen: set[str] = set()
    alike = set()
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            alike.add(name)
        seen.add(folded)
    return alike


def _remove_others(folder: Path, names: set[str], done: Copied) -> None:
    for name in set(_names(folder)) - names:
        (folder / name).unlink()
        done.num_removed += 1
    for where, _, _ in os.walk(folder, topdown=False):
        if not os.listdir(where):
            os.rmdir(where)


def _take(folder: Path, pages: Path) -> None:
    if folder.resolve() == pages.resolve() or pages.resolve() in folder.resolve().parents:
        raise StoreError(f"{folder} is where the pages are; name another folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise StoreError(f"{folder} holds something else already; name an empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("A copy of an archive's pages; whatever else is in here goes.\n")


def _names(root: Path) -> Iterator[str]:
    """The files of a tree, other than what is noted about it."""
    for where, folders, names in os.walk(root):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(where, name), root)


def _copy(source: Path, inside: str, target: Path, name: str, done: Copied) -> None:
    try:
        stream = open_regular(source, inside)
    except OSError:  # gone, or a link to something else by now
        done.missing.append(name)
        return
    with stream:
        _copy_stream(stream, target, name, done)


def _copy_stream(stream: BinaryIO, target: Path, name: str, done: Copied) -> None:
    found = os.fstat(stream.fileno())
    if _is_same(found, target):
        done.num_unchanged += 1
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, target.with_name(".new")) as fresh:
            with fresh.open("wb") as copied:
                shutil.copyfileobj(stream, copied)
            os.utime(fresh, ns=(found.st_atime_ns, found.st_mtime_ns))
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        done.refused.append(name)
        return
    done.num_copied += 1
    done.size_bytes += found.st_size


def _is_same(found: os.stat_result, target: Path) -> bool:
    try:
        there = target.stat()
    except OSError:
        return False
    is_old = abs(there.st_mtime - found.st_mtime) <= SAME_TIME_S
    return there.st_size == found.st_size and is_old


def _named(names: list[str]) -> str:
    return ", ".join(names[:NUM_NAMED]) + (", ..." if names[NUM_NAMED:] else "")
