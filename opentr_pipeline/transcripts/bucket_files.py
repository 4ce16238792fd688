"""Single files that many hosts change: each is an object that is replaced on a condition."""

import json
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
        """Have the file here be as it is there; where it is not there, it stays."""
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
            self._note(name).unlink(missing_ok=True)  # else nobody could make it again
            return
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, is_durable=True)
        self._keep(name, version_of(meta))

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
                path.unlink()
                self._note(name).unlink()
        moved = [name for name, tag in there.items() if not self._is_followed(name, tag)]
        with ThreadPoolExecutor(NUM_AT_ONCE) as threads:
            list(threads.map(lambda name: self.follow(store, name), moved))

    def _is_followed(self, name: str, e_tag: str | None) -> bool:
        known = self._version(name)
        return bool(known and e_tag) and plain_tag((known or {}).get("e_tag")) == plain_tag(e_tag)

    def commit(self, store: "ObjectStore", name: str, content: bytes) -> bool:
        """Replace the file there, if it is the one that was followed; see ``Elsewhere.commit``."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        known = self._version(name)
        mode: Any = known or "create"
        try:
            obstore.put(store, name, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError, NotFoundError):
            return self._is_there(store, name, content)
        return True

    def _is_there(self, store: "ObjectStore", name: str, content: bytes) -> bool:
        """Whether it was ours, and the answer got lost."""
        import obstore

        try:
            with as_system_errors(name):
                return bytes(obstore.get(store, name).bytes()) == content
        except FileNotFoundError:
            return False

    def _note(self, name: str) -> Path:
        return self._notes / f"{name.replace('/', '-').strip('.')}.json"

    def _version(self, name: str) -> Version | None:
        try:
            version: Version = json.loads(self._note(name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        # Without the file itself nothing of it is known here.
        return version if (self._root / name).exists() else None

    def _keep(self, name: str, version: Version) -> None:
        self._notes.mkdir(parents=True, exist_ok=True)
        write_whole(self._note(name), json.dumps(version).encode())
