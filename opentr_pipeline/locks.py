"""Locks that the kernel keeps: freed when their holder dies, however it dies.

``flock`` directly rather than a lock library: the worker slots must never fall back to a softer
kind of lock, and must work for files that another user made.
"""

import contextlib
import fcntl
import logging
import os
import signal
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from opentr_pipeline.errors import PlantedFileError
from opentr_pipeline.plain_files import open_plain, user_name
from opentr_pipeline.wording import visible

POLL_S = 0.2
# What waits longer says for whom.
SILENT_S = 2.0
UNKNOWN_HOLDER = "a process that cannot be seen from here"
MAX_COMMAND_BYTES = 120
_log = logging.getLogger(__name__)


class Patience:
    """Waits in small pauses; when that takes longer than a moment, it is said once for what."""

    def __init__(self) -> None:
        """Nothing was waited for yet."""
        self._waited_s = 0.0

    def pause(self, what: Callable[[], str]) -> None:
        """Wait a little.

        Args:
            what: is waited for, and who has it.
        """
        time.sleep(POLL_S)
        before_s, self._waited_s = self._waited_s, self._waited_s + POLL_S
        if before_s < SILENT_S <= self._waited_s:
            _log.warning("Waiting for %s.", what())


def try_lock(path: Path, shared: bool = False) -> int | None:
    """Take the lock of a file, made where it is missing.

    Who can open a file can keep others out by its lock. So whoever may write into the folder can
    open it, and nobody else: among private folders no other user, in the folder of the worker slots
    all of them, whatever their umask.

    Args:
        path: the file.
        shared: with others that share it; they keep out only who wants it for himself.

    Returns:
        An open descriptor that holds the lock until it is closed, not inherited by programs
        that this process starts; None where another process holds it.

    Raises:
        PlantedFileError: the file is a link, or no regular file.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_named(descriptor, path):
            os.utime(descriptor)  # cleaners of temporary folders remove what looks old
            return descriptor
        os.close(descriptor)  # removed meanwhile: its lock would keep nobody out


def _open(path: Path) -> int:
    while True:
        try:
            descriptor = open_plain(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            _open_to_writers(descriptor, path.parent.stat())
            return descriptor
        except FileExistsError:
            try:
                # Not to be made: the kernel refuses that for files of others in such folders.
                descriptor = open_plain(path, os.O_RDWR)
            except FileNotFoundError:  # removed between the two
                continue
            except PermissionError:
                raise _kept_from_us(path) from None
            _close_to_others(descriptor, path.parent.stat())
            return descriptor


def _kept_from_us(path: Path) -> PlantedFileError:
    owner = user_name(path.lstat().st_uid)
    return PlantedFileError(
        f"{path} belongs to {owner}, who lets nobody else lock it; have it removed and try again."
    )


def _open_to_writers(descriptor: int, folder: os.stat_result) -> None:
    """Let those use a lock file who may write into its folder."""
    # Root is not who uses it: the containers of the stack are another user than who started them.
    # Where everybody may use it, it need be nobody's.
    is_for_all = folder.st_mode & 0o002
    owner = -1 if os.geteuid() or is_for_all else folder.st_uid
    with contextlib.suppress(PermissionError):  # no member of that group
        os.fchown(descriptor, owner, folder.st_gid)
    with contextlib.suppress(PermissionError):  # some file systems know no modes
        os.fchmod(descriptor, _mode_in(folder))


def _close_to_others(descriptor: int, folder: os.stat_result) -> None:
    """The same for a file of ours that an earlier release has left open to more."""
    file = os.fstat(descriptor)
    mode = stat.S_IMODE(file.st_mode)
    if file.st_uid == os.geteuid() and mode & ~_mode_in(folder):
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, mode & _mode_in(folder))


def _mode_in(folder: os.stat_result) -> int:
    writers = folder.st_mode & 0o022
    return 0o600 | writers | writers << 1


def _is_named(descriptor: int, path: Path) -> bool:
    """Whether the path still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock of a file for himself at this moment."""
    return _is_held(path, shared=True)  # which does not disturb others who ask


def is_shared(path: Path) -> bool:
    """Whether somebody holds the lock of a file, shared or not; two who ask may hear each other."""
    return _is_held(path, shared=False)


def _is_held(path: Path, *, shared: bool) -> bool:
    if not path.exists():  # asking makes no file
        return False
    descriptor = try_lock(path, shared)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def is_being_written(path: str) -> bool:
    """Whether some process has a file open for writing, as far as the kernel tells.

    It refuses a read lease on such a file. Some file systems have no leases, and files of others
    are not ours to ask about; those count as not being written.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:  # held by a file server for somebody who writes, or not ours to see
        return isinstance(error, BlockingIOError)
    try:
        # Whoever opens it for writing meanwhile breaks the lease; the usual signal would kill us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)  # ends the lease
    return False


def holder(path: Path) -> str:
    """Who holds the lock of a file, for people: ``process 1234 (opentr run)``."""
    pid = holder_pid(path)
    if not pid:
        return UNKNOWN_HOLDER
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()[:MAX_COMMAND_BYTES]
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return f"a process that {pid} started"
    whose = "" if uid == os.geteuid() else f" of {user_name(uid)}"
    words = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return f"process {pid}{whose} ({visible(words)})"


def holder_pid(path: Path) -> int:
    """The process that took the lock of a file; 0 where nobody did, or that cannot be told.

    Source: proc_locks(5). A process in another container has the number 0 there; file systems that
    lie above others have other device numbers, so the inode alone is compared.
    """
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return 0
    rows = [line.split() for line in lines if " FLOCK " in line and " -> " not in line]
    pids = {int(row[4]) for row in rows if row[5].rpartition(":")[2] == str(inode)}
    return pids.pop() if len(pids) == 1 else 0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock of a file, and hold it; a longer wait is logged."""
    patience = Patience()
    while (descriptor := try_lock(path)) is None:
        patience.pause(lambda: f"the lock {visible(str(path))}, which {holder(path)} holds")
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def shared(paths: Iterable[Path], patience_s: float) -> Iterator[None]:
    """Hold locks that others may share; who asks ``is_shared`` meanwhile hears yes.

    Args:
        paths: the files.
        patience_s: how long somebody may keep one for himself; without it is gone on then.
    """
    until = time.monotonic() + patience_s
    with ExitStack() as held:
        for path in paths:
            while (descriptor := try_lock(path, shared=True)) is None:
                if time.monotonic() > until:
                    _log.warning("%s keeps %s for himself.", holder(path), visible(str(path)))
                    break
                time.sleep(POLL_S / 10)  # somebody asks just now
            else:
                held.callback(os.close, descriptor)
        yield
