"""Folders of derived files, sent to a bucket: what has changed since it was last sent."""

import contextlib
import json
import mimetypes
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from opentr_pipeline.archive.objects import as_system_errors, remove
from opentr_pipeline.locks import locked
from opentr_pipeline.transcripts.layout import StoreLayout
from opentr_pipeline.whole_files import write_whole

if TYPE_CHECKING:
    from obstore.store import ObjectStore

NUM_AT_ONCE = 8
DATABASE = ".sqlite"


def send_folder(store: "ObjectStore", layout: StoreLayout, folder: str) -> None:
    """Have the objects below a name be what the files of a folder are.

    Links stay here, and so does what begins with a dot: it is ours. A database goes as a whole
    that nobody writes to.

    Args:
        store: that has the objects.
        layout: of the copy on this machine.
        folder: in there, and the objects' name.

    Raises:
        OSError: the bucket refuses, or a file cannot be read.
    """
    inner, root = layout.inner / "sent", layout.root / folder
    inner.mkdir(parents=True, exist_ok=True)
    note = inner / f"{folder.strip('.').replace('/', '-')}.json"
    with locked(note.with_suffix(".lock")):
        known = _noted(note)
        here = dict(_files(root))
        changed = [name for name, state in here.items() if known.get(name) != state]
        with ThreadPoolExecutor(NUM_AT_ONCE) as threads:
            list(threads.map(lambda name: _send(store, root / name, f"{folder}/{name}"), changed))
        if gone := known.keys() - here.keys():
            with as_system_errors(folder):
                remove(store, (f"{folder}/{name}" for name in gone))
        write_whole(note, json.dumps(here).encode())


def _noted(note: Path) -> dict[str, str]:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return dict(json.loads(note.read_bytes()))
    return {}


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """The names of regular files, and what changes when a file does."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            is_ours = name.startswith(".") or name.endswith(("-wal", "-shm", "-journal", "lock"))
            if is_ours or path.is_symlink():
                continue
            states = [path.stat(), *_beside(path)]
            state = " ".join(f"{one.st_size}-{one.st_mtime_ns}" for one in states)
            yield str(path.relative_to(root)), state


def _beside(path: Path) -> Iterator[os.stat_result]:
    """What SQLite has written, and not yet into the database itself."""
    if path.suffix == DATABASE:
        with contextlib.suppress(FileNotFoundError):
            yield path.with_name(f"{path.name}-wal").stat()


def _send(store: "ObjectStore", path: Path, name: str) -> None:
    import obstore

    with TemporaryDirectory() as folder, as_system_errors(name):
        if path.suffix == DATABASE:
            path = _whole_database(path, Path(folder, "copy"))
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        obstore.put(store, name, path, attributes={"Content-Type": kind})


def _whole_database(path: Path, copy: Path) -> Path:
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(copy)) as fresh:
        database.backup(fresh)
    return copy
