"""An archive in a bucket: its objects, as if ``/`` in their names made folders."""

import errno
import hashlib
import io
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from opentr_pipeline.archive.media_files import MEDIA_EXTENSIONS
from opentr_pipeline.archive.object_names import is_askable, names_of
from opentr_pipeline.archive.objects import as_system_errors, has_any, object_store, plain_tag
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
# Objects that are asked for one by one, at once.
NUM_AT_ONCE = 16
# FFmpeg reads by 32 KiB.
BUFFER_BYTES = 1 << 16
SECOND_NS = 1_000_000_000


class BucketStorage:
    """The objects below an address.

    Objects are told apart by name, size and the tag that their keeper gives each version. There
    are no folders, so nobody knows when names came or went in one: that is always now.

    A look at all folders costs a request for each 1,000 objects, and not one for each folder: what
    is listed with the folder above is given once, when it is asked for. Where a name is among them
    that no request can have, folders are listed one by one, and the files beside that name asked
    for one by one.
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
        try:
            with as_system_errors(self.name):
                has_any(object_store(self._address))
        except OSError as error:
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
                if not has_any(store, path):
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
        """The names in a folder, with those that no request can have."""
        last = ""
        try:
            for listed in self._listed_by_pages(folder):
                last = _key(listed)
                yield listed
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # Only where pages came in order has anything been given before.
            yield from (one for one in self._listed_around(folder) if _key(one) > last)

    def _listed_by_pages(self, folder: str) -> Iterator[Listed]:
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
            if any("/" in one["path"].removeprefix(_inside(folder)) for one in found):
                yield from self._level(folder)
            else:
                yield from self._flat(folder, found, pages)

    def _level(self, folder: str) -> Iterator[Listed]:
        """The names in a folder, all at once, without those below its folders."""
        store = object_store(self._address)
        import obstore

        with as_system_errors(folder or self.name):
            level = obstore.list_with_delimiter(store, folder or None)
        for path in level["common_prefixes"]:
            yield _folder(path) if is_askable(folder, path) else _refused(path)
        yield from (self._file(one) for one in level["objects"] if one["path"] != folder)

    def _listed_around(self, folder: str) -> Iterator[Listed]:
        """The names in a folder that holds, or has below it, one that no request can have."""
        try:
            yield from self._level(folder)
            return
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        paths = []
        for path, is_folder in names_of(self._address, folder):
            if not is_askable(folder, path):
                yield _refused(path)
            elif is_folder:
                yield _folder(path)
            elif path.rpartition(".")[2].lower() in MEDIA_EXTENSIONS:
                paths.append(path)
            else:  # few ask what it is
                yield _unknown(path)
        with ThreadPoolExecutor(NUM_AT_ONCE) as threads:
            for start in range(0, len(paths), PAGE_KEYS):  # who has enough need not wait for all
                yield from threads.map(self._looked_up, paths[start : start + PAGE_KEYS])

    def _looked_up(self, path: str) -> Listed:
        try:
            facts = self.stat(path)
        except (FileNotFoundError, PermissionError):  # whoever asks for it says why
            return _unknown(path)
        return Listed(path, False, False, facts.inode, facts)

    def _keep_ahead(self, folder: str, found: "Sequence[ObjectMeta]") -> "Iterable[Listed]":
        """Sort what is below a folder into folders, keep them, and give those of this one."""
        by_folder: dict[str, dict[str, Listed]] = {folder: {}}
        for one in found:
            path = one["path"]
            if path == folder:  # what some programs keep in the place of an empty folder
                continue
            above, listed = path.rpartition("/")[0], self._file(one)
            if path in by_folder.get(above, ()):  # a slash before or behind a name is not told
                listed = _unknown(path)
            while above not in by_folder:
                by_folder[above] = {_key(listed): listed}
                above, listed = above.rpartition("/")[0], _folder(above)
            by_folder[above][_key(listed)] = listed
        mine = by_folder.pop(folder)
        if folder and not mine:
            raise FileNotFoundError(folder)
        self._ahead.update((path, list(names.values())) for path, names in by_folder.items())
        self._num_ahead += sum(map(len, by_folder.values()))
        return mine.values()

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
        if not meta["size"]:  # what stands for an empty folder is told without its last slash
            return _unknown(meta["path"])
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


def _refused(path: str) -> Listed:
    return Listed(path, False, False, 0, refusal="name that no request can have")


def _unknown(path: str) -> Listed:
    """A file of which only asking for it tells more."""
    return Listed(path, is_folder=False, is_link=False, inode=0)


def _key(listed: Listed) -> str:
    """What tells a file from a folder of the same name, in the order of keys."""
    return listed.path + "/" if listed.is_folder else listed.path


def _inside(folder: str) -> str:
    return folder + "/" if folder else ""


def _number(*parts: str) -> int:
    """64 bits that stand for some texts."""
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest())
