"""An archive in a bucket: its objects, as if ``/`` in their names made folders."""

import errno
import hashlib
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from opentr_pipeline.archive.objects import as_system_errors, object_store, plain_tag
from opentr_pipeline.archive.ranges import Ranges
from opentr_pipeline.archive.storage import Facts, Listed, sha256_of
from opentr_pipeline.errors import ArchiveError
from opentr_pipeline.settings.addresses import BucketAddress

if TYPE_CHECKING:
    from obstore import ObjectMeta

# What one request lists.
PAGE_KEYS = 1000
# Known ahead: a folder is listed with all that is below it, as far as that is so few.
MAX_AHEAD = 20_000
# FFmpeg reads by 32 KiB.
BUFFER_BYTES = 1 << 16
SECOND_NS = 1_000_000_000


class BucketStorage:
    """The objects below an address.

    Objects are told apart by name, size and the tag that their keeper gives each version. There
    are no folders, so nobody knows when names came or went in one: that is always now.

    A look at all folders costs a request for each 1,000 objects, and not one for each folder: what
    is listed with the folder above is given once, when it is asked for.
    """

    has_whole_files = True

    def __init__(self, address: BucketAddress) -> None:
        """Name the place; nothing is asked yet."""
        self._address = address
        self.name = str(address)
        self._device = _number(address.endpoint, address.url)
        self._ahead: dict[str, list[Listed]] = {}
        self._num_ahead = 0

    def check(self) -> None:
        """See ``Storage``."""
        store = object_store(self._address)
        import obstore

        try:
            with as_system_errors(self.name):
                next(iter(obstore.list(store, chunk_size=1)), None)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a name, which whoever lists it says
                raise ArchiveError(
                    f"The archive {self.name} cannot be read ({error.strerror}); check its name, "
                    "the credentials and S3_ENDPOINT_URL, or set ARCHIVE_DIR to another one."
                ) from None

    def list(self, folder: str) -> Iterator[Listed]:
        """See ``Storage``."""
        ahead = self._ahead.pop(folder, None)
        if ahead is None:
            yield from self._listed(folder)
        else:
            self._num_ahead -= len(ahead)
            yield from ahead

    def stat(self, path: str) -> Facts:
        """See ``Storage``."""
        store = object_store(self._address)
        import obstore

        if path and path not in self._ahead:
            try:
                with as_system_errors(path):
                    return self._facts(obstore.head(store, path))
            except FileNotFoundError:
                with as_system_errors(path):
                    pages = obstore.list(store, path, chunk_size=1)
                    if next(iter(pages), None) is None:
                        raise
        return Facts("folder", 0, time.time_ns(), self._device, 0, 0)

    @contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO]:
        """See ``Storage``: in ranges, with what follows fetched meanwhile."""
        store = object_store(self._address)
        import obstore

        with as_system_errors(path):
            found = obstore.head(store, path)
        ranges = Ranges(store, path, found["size"], found["e_tag"])
        with io.BufferedReader(ranges, BUFFER_BYTES) as stream:
            yield stream

    def is_hollow(self, stream: BinaryIO) -> bool:
        """See ``Storage``: what is in a bucket was sent there."""
        return False

    def is_being_written(self, path: str) -> bool:
        """See ``Storage``: an object appears when it is whole."""
        return False

    def digest(self, path: str) -> str:
        """See ``Storage``."""
        with self.opened(path) as stream:
            return sha256_of(stream)

    def _listed(self, folder: str) -> Iterator[Listed]:
        """The names in a folder; those below its folders are kept ahead where they are few."""
        store, room = object_store(self._address), MAX_AHEAD - self._num_ahead
        import obstore

        with as_system_errors(folder or self.name):
            pages = obstore.list(store, folder or None, chunk_size=PAGE_KEYS)
            found: list[ObjectMeta] = []
            for page in pages:
                found += page
                if len(found) > room:
                    break
            else:
                yield from self._keep_ahead(folder, found)
                return
            if not any("/" in one["path"].removeprefix(_inside(folder)) for one in found):
                yield from self._flat(folder, found, pages)
                return
            level = obstore.list_with_delimiter(store, folder or None)
            yield from map(_folder, level["common_prefixes"])
            yield from (self._file(one) for one in level["objects"] if one["path"] != folder)

    def _keep_ahead(self, folder: str, found: "Sequence[ObjectMeta]") -> "Sequence[Listed]":
        """Sort what is below a folder into folders, keep them, and give those of this one."""
        by_folder: dict[str, list[Listed]] = {folder: []}
        for one in found:
            path = one["path"]
            if path == folder:  # what some programs keep in the place of an empty folder
                continue
            above, listed = path.rpartition("/")[0], self._file(one)
            while above not in by_folder:
                by_folder[above] = [listed]
                above, listed = above.rpartition("/")[0], _folder(above)
            by_folder[above].append(listed)
        mine = by_folder.pop(folder)
        if folder and not mine:
            raise FileNotFoundError(folder)
        self._ahead.update(by_folder)
        self._num_ahead += sum(map(len, by_folder.values()))
        return mine

    def _flat(
        self, folder: str, found: "Sequence[ObjectMeta]", pages: "Iterator[Sequence[ObjectMeta]]"
    ) -> Iterator[Listed]:
        """Those of a folder of very many files, page after page."""
        inside, folders = _inside(folder), set()
        while found:
            for one in found:
                name, slash, _ = one["path"].removeprefix(inside).partition("/")
                if not slash:
                    yield self._file(one)
                elif name not in folders:
                    folders.add(name)
                    yield _folder(inside + name)
            found = next(pages, [])

    def _file(self, meta: "ObjectMeta") -> Listed:
        facts = self._facts(meta)
        return Listed(meta["path"], False, False, facts.inode, facts)

    def _facts(self, meta: "ObjectMeta") -> Facts:
        seconds = int(meta["last_modified"].timestamp())  # some say more digits where they list
        version = _number(plain_tag(meta["e_tag"]) or meta["version"] or "")
        return Facts(
            "file",
            meta["size"],
            seconds * SECOND_NS,
            self._device,
            _number(meta["path"], str(version)),
            # Another version within the same second shows as well.
            seconds * SECOND_NS + version % SECOND_NS,
        )


def _folder(path: str) -> Listed:
    return Listed(path, is_folder=True, is_link=False, inode=0)


def _inside(folder: str) -> str:
    return folder + "/" if folder else ""


def _number(*parts: str) -> int:
    """64 bits that stand for some texts."""
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest())
