"""What a machine runs out of, told from what its libraries say of it, in a sentence.

A full disk comes as an error of Python, of SQLite, of SQLAlchemy around that, or as the text that a
step left of one of them. All of them keep the words of the C library or of SQLite.
"""

import re
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path

# Source: strerror(3) of Linux; SQLite's result codes 8, 10, 13 and 14.
_FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
_READ_ONLY = ("Read-only file system", "attempt to write a readonly database", "Permission denied")
_FILES = "Too many open files"
# What SQLite says of both.
_UNOPENED = "unable to open database file"
_NO_FOLDER = "Not a directory"
_DAMAGE = ("Input/output error", "disk I/O error")
_PATH = re.compile(r"'(/[^'\n]+)'")
_PLACES = "where OPENTR_HOME, OUTPUT_DIR or temporary files are"
ENOUGH_FILES = 1024
# SQLite and Dagster need more at a time.
FULL_BYTES = 1_000_000


def shortage(said: BaseException | str, folders: Mapping[str, Path] | None = None) -> str:
    """A sentence with a remedy; empty where something else is wrong.

    Args:
        said: an error, or the text of one.
        folders: that are written to, by the variables that name them: where nobody says which disk
            is full, these are asked.
    """
    text = said if isinstance(said, str) else "\n".join(_chain(said))
    found = _PATH.search(text)
    place = f"at {found[1]}" if found else _full(folders or {}) or _PLACES
    if any(words in text for words in _FULL):
        return (
            f"The disk {place} is full; make room and do it again: what was finished is kept, and "
            "is not done twice."
        )
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if _FILES in text or (_UNOPENED in text and limit < ENOUGH_FILES):
        return (
            f"A file cannot be opened: this process may have {limit} open at a time; raise that "
            f"(ulimit -n {max(ENOUGH_FILES, 2 * limit)}) and do it again."
        )
    if any(words in text for words in (*_READ_ONLY, _UNOPENED)):
        return (
            f"Nothing can be written {place}: the file system is read-only, or the files are "
            "another user's; name another folder, or get the right to write there."
        )
    if _NO_FOLDER in text:
        return f"No folder can be made {place}: a part of that path is a file; name another folder."
    if any(words in text for words in _DAMAGE):
        return (
            f"The disk {place} cannot be read or written: it is full, or broken; make room, or see "
            "the system's log."
        )
    return ""


def _full(folders: Mapping[str, Path]) -> str:
    full = []
    for name, folder in folders.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if shutil.disk_usage(there).free < FULL_BYTES:
            full.append(f"{name}={folder}")
    return f"of {' and '.join(full)}" if full else ""


def _chain(error: BaseException | None) -> list[str]:
    """What an error says, and those that it came of."""
    said = []
    while error is not None:
        said.append(str(error))
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return said
