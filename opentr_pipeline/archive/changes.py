"""What is new in an archive since the last look at it, and has settled.

Names come from folders that are new or have changed. A folder whose time was first seen less than
``RACY_S`` ago is read again: a name may have been added within the same tick of the file system's
clock. Time is measured by a clock that nobody can set, which begins anew when the machine does.
"""

import contextlib
import itertools
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from opentr_pipeline.archive.ledger import File, Folder, Ledger, State, signed_64
from opentr_pipeline.archive.media_files import (
    UNREADABLE,
    MediaFile,
    describe,
    list_folder,
    look_at,
)
from opentr_pipeline.archive.storage import Storage
from opentr_pipeline.errors import ArchiveError

RACY_S = 2.0
# A look that takes longer goes on in the next one; Dagster ends a tick after 60 s.
LOOK_S = 10.0
FILES_AT_ONCE = 5_000
TO_BE_READ_AGAIN = 0.0
# What will have settled by itself.
AT_REST_SOON: tuple[State, ...] = ("settling", "written")


class _TimeIsUp(Exception):  # noqa: N818
    """A look has taken long enough."""


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class Clock:
    """Seconds since the machine was started, the same for all of its processes.

    Attributes:
        now: those seconds.
        boot: names the start.
        sleep: lets seconds pass.
    """

    now: Callable[[], float] = time.monotonic
    boot: Callable[[], str] = _boot
    sleep: Callable[[float], None] = time.sleep


class Watch:
    """One look at an archive; what it finds goes into the ledger.

    Attributes:
        now: when the look began.
        num_gone: media files that are not there any more.
        num_unreadable: folders that could not be read, or not all of their files.
        is_complete: whether every folder that is known has been read at least once.
    """

    def __init__(self, ledger: Ledger, storage: Storage, settle_s: float, clock: Clock) -> None:
        """Begin a look inside ``Ledger.opened``.

        Args:
            ledger: remembers.
            storage: the archive's, which can be read.
            settle_s: seconds that a file must stay the same; minus infinity: none.
            clock: tells the time.
        """
        self._ledger, self._storage, self._clock = ledger, storage, clock
        self._settle_s = settle_s
        self.now = clock.now()
        self.num_gone = self.num_unreadable = 0
        self.is_complete = True
        boot, said = clock.boot(), ledger.note("boot")
        # A clock that runs back is another one: a container's may begin at any time.
        if said and (said != boot or float(ledger.note("looked_at") or 0) > self.now):
            ledger.restart_clock(self.now)
        ledger.keep_note("boot", boot)
        ledger.keep_note("looked_at", repr(self.now))

    def look(self) -> None:
        """Find names, and look a second time at files that may have settled."""
        self._is_stock = self._ledger.note("first_look") is None
        self._folders = {folder.path: folder for folder in self._ledger.folders()}
        self._find_names()
        self.is_complete = all(one.listed_at is not None for one in self._folders.values())
        if self.is_complete and self._is_stock:
            self._ledger.keep_note("first_look", "complete")
        self._settle()

    def settles_at(self) -> float:
        """When the next upload will have settled, if nobody touches it; infinity: there is none."""
        since = self._ledger.first_upload_in(AT_REST_SOON)
        return inf if since is None or self._settle_s == -inf else since + self._settle_s

    def path(self, file: File) -> str:
        """Where a file of the ledger is, from the archive's root."""
        folder = self._paths[file.folder]
        return os.fsdecode(folder + b"/" + file.name if folder else file.name)

    def look_again(self, files: Sequence[File]) -> list[File]:
        """Those files that are as the ledger has them; of the others it gets to know."""
        same, fresh, gone = [], [], []
        for file in files:
            now_here = self._now_here(file)
            if now_here is None:
                gone.append((file.folder, file.name))
            elif now_here == file:
                same.append(file)
            else:
                fresh.append(now_here)
        self._ledger.put_files(fresh)
        self._ledger.drop_files(gone)
        self.num_gone += len(gone)
        return same

    def _now_here(self, file: File) -> File | None:
        path = self.path(file)
        looked = look_at(path, self._storage)
        if looked == UNREADABLE and self._is_named(path):
            return file._replace(state="settling", since=self._clock.now())
        return self._seen(looked, file) if isinstance(looked, MediaFile) else None

    def _is_named(self, path: str) -> bool:
        """Whether a folder has the name, though nobody can say what it leads to."""
        with contextlib.suppress(OSError):
            return any(one.path == path for one in self._storage.list(path.rpartition("/")[0]))
        return False

    def _seen(self, media_file: MediaFile, before: File) -> File:
        """A file as it is; the same where nothing about it has changed."""
        facts, changed_ns = _facts(media_file), signed_64(media_file.changed_ns)
        if facts == before[2:6] and before.changed_ns in (changed_ns, None):
            return before._replace(changed_ns=changed_ns)
        since = self._clock.now()
        return File(before.folder, before.name, *facts, "settling", since, 0, "", False, changed_ns)

    def _settle(self) -> None:
        until = self.now - self._settle_s
        while not self._is_over():
            files = self._ledger.files_in(AT_REST_SOON, until, FILES_AT_ONCE)
            if not files:
                break
            settled = self.look_again(files)
            self._ledger.put_files(file._replace(state="settled") for file in settled)

    def _is_over(self) -> bool:
        return self._clock.now() > self.now + LOOK_S

    def _find_names(self) -> None:
        """Look at each folder; where time is up, the next look begins with the one after."""
        numbers = [folder.number for folder in self._folders.values()]
        self._numbers = itertools.count(max(numbers, default=0) + 1)
        if not self._folders:
            self._meet(b"")
        start = int(self._ledger.note("next_folder") or 0)
        order = sorted(self._folders.values(), key=lambda one: (one.number < start, one.number))
        self._waiting = deque(order)
        while self._waiting and not self._is_over():
            self._visit(self._waiting.popleft())
        following = self._waiting[0].number if self._waiting else 0
        self._ledger.keep_note("next_folder", str(following))
        self._paths = {folder.number: folder.path for folder in self._folders.values()}

    def _meet(self, path: bytes) -> Folder:
        folder = Folder(next(self._numbers), path, 0, 0, self._clock.now(), None)
        self._folders[path] = folder
        self._ledger.put_folders([folder])
        return folder

    def _visit(self, folder: Folder) -> None:
        """Read a folder's names where they may have changed."""
        path = os.fsdecode(folder.path)
        try:
            facts = self._storage.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return self._lose(folder)
        except OSError:
            self.num_unreadable += 1
            return None
        if facts.kind != "folder":
            return self._lose(folder)
        inode, modified_ns = signed_64(facts.inode), signed_64(facts.modified_ns)
        if (inode, modified_ns) != (folder.inode, folder.modified_ns):
            seen_at = self._clock.now()
            folder = Folder(
                folder.number, folder.path, inode, modified_ns, seen_at, folder.listed_at
            )
        elif (folder.listed_at or TO_BE_READ_AGAIN) >= folder.seen_at + RACY_S:
            return None
        return self._read(folder, path)

    def _lose(self, folder: Folder) -> None:
        del self._folders[folder.path]
        self.num_gone += self._ledger.drop_folder(folder.number)

    def _read(self, folder: Folder, path: str) -> None:
        began = self._clock.now()
        before = self._ledger.inodes(folder.number)
        fresh: list[File] = []
        try:
            can_read_all = self._compare(folder, path, before, fresh)
        except _TimeIsUp:
            listed_at = None if folder.listed_at is None else TO_BE_READ_AGAIN
        except FileNotFoundError:
            self._lose(folder)
            return
        except OSError as error:
            if not folder.path:  # not an empty archive: a disk that fails, a share that is gone
                raise ArchiveError(
                    f"The archive {self._storage.name} cannot be read: {error.strerror}."
                ) from None
            self.num_unreadable += 1
            listed_at = TO_BE_READ_AGAIN
        else:
            self.num_unreadable += not can_read_all
            listed_at = began if can_read_all else TO_BE_READ_AGAIN
            self._ledger.drop_files((folder.number, name) for name in before)
            self.num_gone += len(before)
        self._ledger.put_files(fresh)
        self._folders[folder.path] = folder._replace(listed_at=listed_at)
        self._ledger.put_folders([self._folders[folder.path]])

    def _compare(
        self, folder: Folder, path: str, before: dict[bytes, int], fresh: list[File]
    ) -> bool:
        """Look at what has a name or an inode that the ledger does not know.

        Args:
            folder: to read.
            path: of it.
            before: names and inodes that are known; those that are gone stay in it.
            fresh: gets the files to keep.

        Returns:
            Whether every file could be looked at.

        Raises:
            _TimeIsUp: this look has taken long enough.
            OSError: the folder cannot be read.
        """
        can_read_all = True
        for listed in list_folder(path, self._storage, Counter()):
            if self._is_over():
                raise _TimeIsUp
            if listed.is_folder:
                inside = os.fsencode(listed.path)
                if inside not in self._folders:
                    self._waiting.append(self._meet(inside))
                continue
            name = os.fsencode(os.path.basename(listed.path))
            inode = before.pop(name, None)
            if inode == signed_64(listed.inode):
                continue
            looked = describe(listed, self._storage)
            if isinstance(looked, MediaFile):
                fresh += self._news(folder.number, name, looked, is_known=inode is not None)
            elif looked == UNREADABLE:
                can_read_all = False
            elif inode is not None:
                before[name] = inode  # it has become something else
        return can_read_all

    def _news(self, folder: int, name: bytes, found: MediaFile, *, is_known: bool) -> list[File]:
        """A file that is new or has changed; none where a link kept what it leads to."""
        before = self._ledger.file(folder, name) if is_known else None
        if before:
            now_here = self._seen(found, before)
            return [] if now_here == before else [now_here]
        since = self._clock.now()
        is_stock, changed_ns = self._is_stock, signed_64(found.changed_ns)
        facts = _facts(found)
        return [File(folder, name, *facts, "settling", since, 0, "", is_stock, changed_ns)]


def _facts(media_file: MediaFile) -> tuple[int, int, int, int]:
    """Size, modified time, device and inode, in the order of ``File``."""
    numbers = (media_file.size_bytes, media_file.modified_ns, media_file.device, media_file.inode)
    size_bytes, modified_ns, device, inode = map(signed_64, numbers)
    return size_bytes, modified_ns, device, inode
