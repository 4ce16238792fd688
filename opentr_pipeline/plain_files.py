"""Files where others may have put something else: opened only where they are what they should be.

In a folder that every user of a host may write to, a name can be a link to a file of ours, a pipe
that nobody answers, or hold whatever somebody likes.
"""

import contextlib
import errno
import os
import pwd
import stat
from io import BufferedReader
from pathlib import Path

from opentr_pipeline.errors import PlantedFileError

# More than anything of ours in such a folder.
MAX_BYTES = 1 << 20
# A file that nothing has been written to but some bytes here and there: holes read as zeros, and so
# does silence, but hours of it are no such size.
MIN_SPARSE_BYTES = 100_000_000
MIN_WRITTEN_SHARE = 0.01
MAX_STRETCHES = 10_000
BLOCK_BYTES = 512


def open_plain(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a regular file, never of what a link leads to; not inherited.

    Args:
        path: of the file.
        flags: as for ``os.open``.
        mode: where it is made.

    Raises:
        PlantedFileError: it is a link, or no regular file.
        OSError: it cannot be opened.
    """
    try:
        # A pipe would have us wait for whoever writes to it.
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _planted(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _planted(path)
    return descriptor


def _planted(path: Path) -> PlantedFileError:
    return PlantedFileError(
        f"{path} is a link or no regular file, so that somebody may want us to write where he "
        "cannot; remove it and try again."
    )


def read_plain(path: Path) -> str:
    """The text of a small file.

    Raises:
        PlantedFileError: it is a link, or no regular file.
        OSError: it cannot be read.
        ValueError: it is no text.
    """
    return read_owned(path)[0]


def read_owned(path: Path) -> tuple[str, os.stat_result]:
    """The same, and whose the file is that was read."""
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as stream:
        return stream.read(MAX_BYTES).decode(), os.fstat(stream.fileno())


def write_plain(path: Path, text: str) -> None:
    """Replace the text of a file that is there.

    Raises:
        PlantedFileError: it is a link, or no regular file.
        OSError: it is not there, or cannot be written.
    """
    with os.fdopen(open_plain(path, os.O_WRONLY | os.O_TRUNC), "wb") as stream:
        stream.write(text.encode())


def user_name(uid: int) -> str:
    """A user for people."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:  # of another container, or no longer there
        return f"user {uid}"


def login_name() -> str:
    """Who this process works for, as others on this machine call them."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # of another container
        return f"user {os.geteuid()}"


def private_folder(folder: Path) -> Path:
    """A folder that other users see nothing of, made where it is missing.

    Who can open a database for reading can lock it. A group has it where it has, by the umask, what
    this user makes. One of ours that is open to others, as an earlier release made it, is closed.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _close_to_others(folder)
    elif folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o007:
        with contextlib.suppress(OSError):  # on a disk that is only read, who looks can go on
            _close_to_others(folder)
    return folder


def _close_to_others(folder: Path) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(mode & (0o2770 if mode & 0o020 else 0o2700))


def open_regular(path: Path | str, inside: str = "") -> BufferedReader:
    """Open a regular file to read, without waiting; its ``name`` is the path.

    Args:
        path: a link is followed.
        inside: no link leads out of this folder, which is a real path; empty: it may lead anywhere.

    Raises:
        OSError: it cannot be opened, is no regular file, or is outside.
    """
    stream = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115
    refusal = _refusal(stream.fileno(), inside)
    if refusal:
        stream.close()
        raise OSError(errno.EINVAL, refusal, os.fspath(path))
    return stream


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _refusal(descriptor: int, inside: str) -> str:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return "It is no regular file"
    # What was opened, and not what the name leads to by now.
    place = os.readlink(f"/proc/self/fd/{descriptor}")
    if inside and os.path.commonpath([inside, place]) != inside:
        return "It is a link that leaves the archive"
    return ""


def is_mostly_holes(descriptor: int) -> bool:
    """Whether hardly anything was ever written to a regular file, however long it is."""
    facts = os.fstat(descriptor)
    most = MIN_WRITTEN_SHARE * facts.st_size
    if facts.st_size < MIN_SPARSE_BYTES or facts.st_blocks * BLOCK_BYTES >= most:
        return False
    # Some file systems count no blocks, of whatever was written.
    return _num_written(descriptor, most) < most


def _num_written(descriptor: int, most: float) -> int:
    """How many bytes are no hole, counted as far as that many."""
    num_written = end = 0
    for _ in range(MAX_STRETCHES):
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # there is no more
                return num_written
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        num_written += end - start
        if num_written >= most:
            break
    return num_written
