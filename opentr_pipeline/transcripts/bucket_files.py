"""Single files that many hosts change: each is an object that is replaced on a condition.

Git and editors change the copies too, and send nothing. A copy that is not what was followed is
never written over: ``.jsonl`` files then have the lines of both, as git puts them together, and
stay changed until they are committed.
"""

import errno
import hashlib
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.archive.objects import as_system_errors, plain_tag, version_of
from opentr_pipeline.whole_files import write_whole

if TYPE_CHECKING:
    from obstore.store import ObjectStore

Version = dict[str, str]
# At once, where a host follows many files.
NUM_AT_ONCE = 8
# Who is refused waits as long at most, else those who try at once would meet again.
PAUSE_S = 0.2
LINES = ".jsonl"
DIGEST = "sha256"  # of the bytes that were followed, beside their version in the note


class BucketFiles:
    """Files of a store that are the same here and there; asked by who holds the file's lock."""

    def __init__(self, root: Path, notes: Path) -> None:
        """Name the folders.

        Args:
            root: of the copy on this machine.
            notes: keeps which version of each file the copy has.
        """
        self._root, self._notes = root, notes

    def follow(self, store: "ObjectStore", name: str) -> None:
        """Have the file here be as it is there, with the lines that only this machine has.

        What is gone there goes here, unless it was changed here.
        """
        import obstore
        from obstore.exceptions import NotModifiedError

        known = self._version(name)
        try:
            with as_system_errors(name):
                try:
                    options: Any = {"if_none_match": known["e_tag"]} if known else {}
                    found = obstore.get(store, name, options=options)
                except NotModifiedError:
                    return
                content, meta = bytes(found.bytes()), found.meta
        except FileNotFoundError:
            self._forget(name)
            return
        path, merged = self._root / name, content
        if name.endswith(LINES) and self.is_changed_here(name):
            merged = united(content, path.read_bytes())
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, merged, is_durable=True)
        self._keep(name, version_of(meta), content)

    def is_changed_here(self, name: str) -> bool:
        """Whether the file is not what was followed, or nobody has it but this machine."""
        try:
            digest = _digest((self._root / name).read_bytes())
        except FileNotFoundError:
            return False
        return self._noted(name).get(DIGEST, digest if self._note(name).exists() else "") != digest

    def _forget(self, name: str) -> None:
        """Let go of what is gone there, else nobody could make it again."""
        if self._version(name) and not self.is_changed_here(name):
            (self._root / name).unlink()
        self._note(name).unlink(missing_ok=True)

    def follow_all(self, store: "ObjectStore", folder: str) -> None:
        """The same of all files of a folder; one that was there, and is not any more, goes.

        One that was never there stays: this machine has made it.
        """
        import obstore

        with as_system_errors(folder):
            pages = list(obstore.list(store, folder, chunk_size=1000))
        there = {one["path"]: one["e_tag"] for page in pages for one in page}
        there = {name: tag for name, tag in there.items() if name.rpartition("/")[0] == folder}
        for path in (self._root / folder).glob("*"):
            name = f"{folder}/{path.name}"
            if name not in there and self._version(name):
                self._forget(name)
        moved = [name for name, tag in there.items() if not self._is_followed(name, tag)]
        with ThreadPoolExecutor(NUM_AT_ONCE) as threads:
            list(threads.map(lambda name: self.follow(store, name), moved))

    def _is_followed(self, name: str, e_tag: str | None) -> bool:
        known = self._version(name)
        return bool(known and e_tag) and plain_tag((known or {}).get("e_tag")) == plain_tag(e_tag)

    def commit(self, store: "ObjectStore", name: str, content: bytes) -> bool:
        """Replace the file there, if it is the one that was followed, and then here.

        See ``Elsewhere.commit``.

        Raises:
            OSError: the condition holds, and is refused.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        known = self._version(name)
        mode: Any = known or "create"
        try:
            put: Any = obstore.put(store, name, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError, NotFoundError):
            put = self._put_before(store, name, content, known)
            if put is None:
                time.sleep(random.uniform(0, PAUSE_S))
                return False
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, is_durable=True)
        self._keep(name, version_of(put), content)
        return True

    def _put_before(
        self, store: "ObjectStore", name: str, content: bytes, known: Version | None
    ) -> Any:
        """What says which version ours is, where only the answer got lost; None: it is another."""
        import obstore

        try:
            with as_system_errors(name):
                found = obstore.get(store, name)
                if bytes(found.bytes()) == content:
                    return found.meta
                e_tag = found.meta["e_tag"]
        except FileNotFoundError:
            e_tag = None
        if plain_tag((known or {}).get("e_tag")) == plain_tag(e_tag):
            raise refused(name)
        return None

    def _note(self, name: str) -> Path:
        return self._notes / f"{name.replace('/', '-').strip('.')}.json"

    def _noted(self, name: str) -> Version:
        try:
            noted: Version = json.loads(self._note(name).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return noted

    def _version(self, name: str) -> Version | None:
        noted = self._noted(name)
        noted.pop(DIGEST, None)
        # Without the file itself nothing of it is known here.
        return noted if noted and (self._root / name).exists() else None

    def _keep(self, name: str, version: Version, content: bytes) -> None:
        self._notes.mkdir(parents=True, exist_ok=True)
        noted = {**version, DIGEST: _digest(content)}
        write_whole(self._note(name), json.dumps(noted).encode())


def refused(name: str) -> OSError:
    """What is said of a server that nobody can publish to."""
    return OSError(errno.EPERM, "it refuses a condition that holds", name)


def united(theirs: bytes, ours: bytes) -> bytes:
    """Files of lines, put together: the lines of one, and what only the other has."""
    lines = [line.rstrip(b"\r") for line in theirs.split(b"\n")]
    there = set(lines)
    added = [line for line in (each.rstrip(b"\r") for each in ours.split(b"\n")) if line]
    more = [line for line in dict.fromkeys(added) if line not in there]
    return b"".join(line + b"\n" for line in (*(line for line in lines if line), *more))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
