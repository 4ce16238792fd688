"""Files of edits on a disk, which git and editors change as well, without asking for our locks."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from opentr_pipeline.whole_files import replacing

State = tuple[int, ...]


class _ChangedError(Exception):
    """Somebody else was faster."""


def state_of(path: Path) -> State:
    """What is another after each change of a file; the same for all that are not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def append(path: Path, content: bytes) -> bool:
    """Add to a file, which may be made by that, all of it or nothing.

    Returns:
        That it is done.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    place = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        num_before = os.fstat(place).st_size
        # At once: nothing that others add comes between.
        if os.write(place, content) < len(content):
            os.ftruncate(place, num_before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(place)
    finally:
        os.close(place)
    return True


def replace_unchanged(path: Path, was: State, content: bytes) -> bool:
    """Put another file in the place of one, for the same people to read and write.

    Returns:
        Whether that is done: not where somebody has changed it since it was as it ``was``.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    path = path.resolve()  # a link stays one
    try:
        with replacing(path) as fresh:
            with fresh.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            with suppress(FileNotFoundError):
                before = path.stat()
                with suppress(PermissionError):  # who is not in that group cannot give it
                    os.chown(fresh, -1, before.st_gid)
                fresh.chmod(stat.S_IMODE(before.st_mode))
            if state_of(path) != was:
                raise _ChangedError
    except _ChangedError:
        return False
    return True
