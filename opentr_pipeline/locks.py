"""Locks that the kernel keeps: freed when their holder dies, however it dies.

``flock`` directly rather than a lock library: the worker slots must never fall back to a softer
kind of lock, and must work for files that another user made.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from opentr_pipeline.plain_files import open_plain

POLL_S = 0.2


# Of files that any user of the host takes locks of, whatever his umask.
PUBLIC = 0o666
PRIVATE = 0o600


def try_lock(path: Path, shared: bool = False, mode: int = PUBLIC) -> int | None:
    """Take the lock of a file, made where it is missing.

    Args:
        path: the file.
        shared: with others that share it; they keep out only who wants it for himself.
        mode: of the file; who can open it can keep others out.

    Returns:
        An open descriptor that holds the lock until it is closed, not inherited by programs
        that this process starts; None where another process holds it.

    Raises:
        PlantedFileError: the file is a link, or no regular file.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        descriptor = _open(path, mode)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_named(descriptor, path):
            os.utime(descriptor)  # cleaners of temporary folders remove what looks old
            return descriptor
        os.close(descriptor)  # removed meanwhile: its lock would keep nobody out


def _open(path: Path, mode: int) -> int:
    while True:
        try:
            descriptor = open_plain(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            os.fchmod(descriptor, mode)
            return descriptor
        except FileExistsError:
            try:
                # Not to be made: the kernel refuses that for files of others in such folders.
                return open_plain(path, os.O_RDWR)
            except FileNotFoundError:  # removed between the two
                continue


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


@contextmanager
def locked(path: Path, mode: int = PUBLIC) -> Iterator[None]:
    """Wait for the lock of a file, and hold it."""
    while (descriptor := try_lock(path, mode=mode)) is None:
        time.sleep(POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def shared(paths: Iterable[Path]) -> Iterator[None]:
    """Hold locks that others may share; who asks ``is_shared`` meanwhile hears yes."""
    with ExitStack() as held:
        for path in paths:
            while (descriptor := try_lock(path, shared=True)) is None:
                time.sleep(POLL_S / 10)  # somebody asks just now
            held.callback(os.close, descriptor)
        yield
