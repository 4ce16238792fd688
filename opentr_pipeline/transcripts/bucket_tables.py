"""Tables in a bucket: many hosts publish there, and each follows what the others have published.

Below OUTPUT_DIR::

    transcripts/KEY.parquet, segments/..., ...   what any reader opens: copies of
    .store/partitions/KEY/ID/TABLE.parquet       what somebody has published, each time anew
    .store/pointers/KEY.json                     which of them count
    edits/FINGERPRINT.jsonl                      what people have corrected: see ``bucket_files``

To publish is to replace the pointer, on condition that it is the one that was followed: the server
refuses all but one of those who do that at the same time, and the others follow and try again. Who
dies before that has published nothing. The copies come after it, one by one; who dies between
leaves old ones, which the next publish of the partition replaces.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentr_pipeline.archive.objects import as_system_errors, object_store, remove, version_of
from opentr_pipeline.errors import SettingsError, StoreError
from opentr_pipeline.locks import locked
from opentr_pipeline.plain_files import private_folder
from opentr_pipeline.settings.addresses import BucketAddress, Place
from opentr_pipeline.transcripts import generations
from opentr_pipeline.transcripts.bucket_claims import OURS, check_conditions, first_kept
from opentr_pipeline.transcripts.bucket_files import BucketFiles, refused
from opentr_pipeline.transcripts.bucket_pointers import (
    POINTERS,
    Pointer,
    before,
    followed,
    is_same,
    keep_followed,
    pointer_path,
    version_text,
)
from opentr_pipeline.transcripts.layout import PEOPLE, PUBLISHED_TABLES, StoreLayout
from opentr_pipeline.transcripts.sent_files import send_folder
from opentr_pipeline.whole_files import replacing, write_whole

PARTITIONS = ".store/partitions"
# What says which pointer the copies for other readers were made from.
PUBLIC = ".store/public"
# Files of who died before publishing; a slow writer needs no day.
ORPHANED = timedelta(days=1)
# At once, where a host follows many partitions.
NUM_AT_ONCE = 8


class BucketTables:
    """The tables of one archive in a bucket; see ``Elsewhere``."""

    def __init__(self, address: BucketAddress, root: Path) -> None:
        """Name both; nothing is asked yet.

        Args:
            address: where the tables are.
            root: of the copy on this machine.
        """
        self._address = address
        self._layout = StoreLayout(root)
        self._files = BucketFiles(root, self._layout.inner / "followed")
        # Published by us, while the copy has not got it yet: whoever dies here follows afresh.
        self._committed: dict[str, Pointer] = {}

    def place(self, path: Path) -> Place:
        """See ``Elsewhere``."""
        return self._address / str(path.relative_to(self._layout.root))

    def claim(self, archive: str) -> None:
        """See ``Elsewhere``."""
        store = object_store(self._address)
        with self._sentences():
            check_conditions(store, self._address)
            theirs = first_kept(store, "archive", archive)
        if theirs != archive:
            raise SettingsError(
                f"OUTPUT_DIR={self._address} holds the tables of {theirs}, not of {archive}; set "
                f"another OUTPUT_DIR, or remove {OURS}/archive there if that archive is this one "
                "now."
            )

    def keep_first(self, name: str, text: str) -> str | None:
        """See ``Elsewhere``."""
        with self._sentences():
            return first_kept(object_store(self._address), name, text)

    def follow_each(self, partition_keys: Iterable[str]) -> None:
        """See ``Elsewhere``."""
        with ThreadPoolExecutor(NUM_AT_ONCE) as threads:
            list(threads.map(self._follow_locked, partition_keys))

    def follow_all(self, partition_keys: Iterable[str] | None = None) -> None:
        """See ``Elsewhere``."""
        self.follow_each(self._moved() if partition_keys is None else partition_keys)
        # Else it could be replaced here while somebody changes it, and their names be lost.
        with locked(private_folder((self._layout.root / PEOPLE).parent) / "lock"):
            self.follow_file(PEOPLE)

    def _moved(self) -> list[str]:
        """The partitions that others have published: a request for 1,000 that are as they were."""
        import obstore

        moved = []
        with self._sentences():
            for page in obstore.list(object_store(self._address), POINTERS, chunk_size=1000):
                for one in page:
                    key = one["path"].rpartition("/")[2].removesuffix(".json")
                    if not is_same(followed(self._home(key)), one["e_tag"]):
                        moved.append(key)
        return moved

    def _follow_locked(self, partition_key: str) -> None:
        locks = self._layout.inner / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with locked(locks / partition_key):
            self.follow(partition_key)

    def follow(self, partition_key: str) -> None:
        """See ``Elsewhere``."""
        tried: Pointer | None = None
        self._committed.pop(partition_key, None)
        with self._sentences():
            while (pointer := self._pointer(partition_key)) != tried:
                noted = followed(self._home(partition_key))
                if is_same(noted, (pointer.version or {}).get("e_tag")):
                    return
                tried = pointer
                try:
                    self._fetch(partition_key, pointer, noted)
                except FileNotFoundError:  # published again since
                    continue
                keep_followed(self._home(partition_key), pointer)
                return
        raise StoreError(
            f"Tables of the partition {partition_key} are gone from {self._address}; restore "
            f"{PARTITIONS}/{partition_key} from a backup of the bucket, or remove "
            f"{POINTERS}/{partition_key}.json and run again."
        )

    def _fetch(self, key: str, pointer: Pointer, noted: Pointer) -> None:
        home = self._home(key)
        fresh = {t: path for t, path in pointer.files.items() if noted.files.get(t) != path}
        if path := fresh.pop("recordings", None):
            target = self._layout.path("recordings", key)
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target, home / "recordings.new") as new:
                new.write_bytes(self._bytes(path))
        if fresh:
            name = next(iter(fresh.values())).split("/")[-2]
            folder = home / name
            folder.mkdir(exist_ok=True)
            for table in PUBLISHED_TABLES:
                if table in pointer.files:
                    write_whole(folder / f"{table}.parquet", self._bytes(pointer.files[table]))
            links = {t: self._layout.path(t, key) for t in PUBLISHED_TABLES}
            generations.adopt(home, name, links)

    def commit(self, partition_key: str, files: Mapping[str, Path | None]) -> bool:
        """See ``Elsewhere``."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        store, noted = object_store(self._address), followed(self._home(partition_key))
        folder = f"{PARTITIONS}/{partition_key}/{uuid.uuid4().hex}"
        sent = {table: f"{folder}/{table}.parquet" for table, path in files.items() if path}
        kept = {table: path for table, path in noted.files.items() if table not in files}
        fresh = Pointer(None, {**kept, **sent})
        with self._sentences():
            for table, path in sent.items():
                obstore.put(store, path, Path(files[table] or "").read_bytes())
            mode: Any = noted.version or "create"
            try:
                put = obstore.put(
                    store, pointer_path(partition_key), fresh.body, mode=mode, use_multipart=False
                )
                version = version_of(put)
            except (AlreadyExistsError, PreconditionError):
                now = self._pointer(partition_key)
                if now.files != fresh.files:  # else it was ours, and the answer got lost
                    remove(store, sent.values())
                    if is_same(noted, (now.version or {}).get("e_tag")):
                        raise refused(pointer_path(partition_key)) from None
                    return False
                version = dict(now.version or {})
        self._committed[partition_key] = Pointer(version, fresh.files)
        return True

    def settle(self, partition_key: str) -> None:
        """See ``Elsewhere``."""
        import obstore

        store, note = object_store(self._address), f"{PUBLIC}/{partition_key}"
        with self._sentences():
            if committed := self._committed.pop(partition_key, None):
                keep_followed(self._home(partition_key), committed)
            pointer = followed(self._home(partition_key))
            if pointer.version is None or self._text(note) == version_text(pointer):
                return
            obstore.put(store, note, b"being copied")
            tried: Pointer | None = None
            while pointer != tried:
                tried = pointer
                for table, path in pointer.files.items():
                    try:
                        with as_system_errors(path):
                            obstore.copy(store, path, f"{table}/{partition_key}.parquet")
                    except FileNotFoundError:  # published again since
                        break
                pointer = self._pointer(partition_key)
            obstore.put(store, note, version_text(pointer).encode())
            self._remove_old(partition_key, set(pointer.files.values()))

    def _remove_old(self, key: str, counting: set[str]) -> None:
        """Remove what counts no more, but not what somebody is about to publish."""
        import obstore

        store, since = object_store(self._address), datetime.now(UTC) - ORPHANED
        replaced = set(before(self._home(key))) - counting
        for page in obstore.list(store, f"{PARTITIONS}/{key}"):
            for one in page:
                if one["path"] not in counting and one["last_modified"] < since:
                    replaced.add(one["path"])
        if replaced:
            remove(store, replaced)

    def follow_file(self, name: str) -> None:
        """See ``Elsewhere``."""
        with self._sentences():
            self._files.follow(object_store(self._address), name)

    def follow_files(self, folder: str) -> None:
        """See ``Elsewhere``."""
        with self._sentences():
            self._files.follow_all(object_store(self._address), folder)

    def is_changed_here(self, name: str) -> bool:
        """See ``Elsewhere``."""
        return self._files.is_changed_here(name)

    def commit_file(self, name: str, content: bytes) -> bool:
        """See ``Elsewhere``."""
        with self._sentences():
            return self._files.commit(object_store(self._address), name, content)

    def send(self, folder: str) -> None:
        """See ``Elsewhere``."""
        with self._sentences():
            send_folder(object_store(self._address), self._layout, folder)

    def _home(self, key: str) -> Path:
        home = self._layout.inner / "partitions" / key
        home.mkdir(parents=True, exist_ok=True)
        return home

    def _pointer(self, key: str) -> Pointer:
        """What counts now."""
        import obstore

        path = pointer_path(key)
        try:
            with as_system_errors(path):
                found = obstore.get(object_store(self._address), path)
                files = json.loads(bytes(found.bytes()))
        except FileNotFoundError:
            return Pointer()
        return Pointer(version_of(found.meta), files)

    def _bytes(self, path: str) -> bytes:
        import obstore

        with as_system_errors(path):
            return bytes(obstore.get(object_store(self._address), path).bytes())

    def _text(self, path: str) -> str:
        try:
            return self._bytes(path).decode()
        except FileNotFoundError:
            return ""

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Say what a bucket refuses in a sentence."""
        try:
            with as_system_errors(str(self._address)):
                yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(
                f"OUTPUT_DIR={self._address} cannot be used: {error.strerror}; what is finished is "
                "kept, and published by the next run."
            ) from None
