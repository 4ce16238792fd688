"""Single files that many hosts change: each is an object that is replaced on a condition."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.archive.objects import as_system_errors, version_of
from opentr_pipeline.whole_files import write_whole

if TYPE_CHECKING:
    from obstore.store import ObjectStore

Version = dict[str, str]


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
            return
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, is_durable=True)
        self._keep(name, version_of(meta))

    def commit(self, store: "ObjectStore", name: str, content: bytes) -> bool:
        """Replace the file there, if it is the one that was followed; see ``Elsewhere.commit``."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        known = self._version(name)
        mode: Any = known or "create"
        try:
            obstore.put(store, name, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return bytes(obstore.get(store, name).bytes()) == content
        return True

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
