"""Media files probed: what sound they hold, and the digest that names their content.

Probing opens the container and reads its headers; the digest reads the whole file. Both are done
once for a file and remembered by its identity in the file system, so that
neither a run nor a scan reads twice; a copy costs one read, and so does a rename, which the file
system does not tell from bytes that were written in place.
"""

import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opentr_pipeline.archive.ledger import signed_64
from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.storage import Storage, sha256_of, storage_of
from opentr_pipeline.audio.probe import Probe, probe_file
from opentr_pipeline.errors import MediaError
from opentr_pipeline.settings.addresses import Place

# Enough to keep a disk busy while another file is hashed; more only thrashes spinning disks.
PROBE_THREADS = 4
# Assumed where nobody says how long media are: 128 kbit/s, a common rate for speech.
ASSUMED_BYTES_PER_S = 16_000.0
_UNREAD = "unread-"
IDENTITY = "device, inode, size_bytes, modified_ns, changed_ns"
# Files that are asked for in one query; SQLite takes 32,766 numbers in all.
ASKED_AT_ONCE = 500
MOSTLY_HOLES = Probe(
    "corrupt",
    "Hardly any of its bytes were ever written, as where a copy was broken off; copy it again.",
)


@dataclass(frozen=True)
class Recording:
    """A media file with its partition, content digest and probe.

    Attributes:
        media_fingerprint: SHA-256 of the bytes; ``unread-`` and the recording's id where they could
            not be read, ``holes-`` and the id where there are hardly any.
    """

    media_file: MediaFile
    partition_key: str
    media_fingerprint: str
    probe: Probe

    @property
    def recording_id(self) -> str:
        """Digest of the relative path."""
        return self.media_file.recording_id

    @property
    def is_guessed(self) -> bool:
        """Whether nobody has looked into the file, or could."""
        # Most are told by their first letters: an archive may have millions.
        is_unread = self.media_fingerprint.startswith(_UNREAD)
        return is_unread and self.media_fingerprint == _unread(self.media_file)


class ProbeMemory:
    """What earlier scans learnt, by (file system, inode, size, modified and changed time).

    One SQLite file, safe for any number of processes; deleting it costs only reading again, and so
    does a new number in ``_TABLE``, which a change of ``Probe`` needs.
    """

    _TABLE = "media_2"

    def __init__(self, path: Path) -> None:
        """Open or make the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)  # who can read it could lock it
        self._path = path
        with self._open() as database:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {self._TABLE} (device INT, inode INT, size_bytes INT, "
                "modified_ns INT, changed_ns INT, media_fingerprint TEXT, probe TEXT, "
                "PRIMARY KEY (device, inode)) WITHOUT ROWID"
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=60)) as database, database:
            yield database

    def recall(self, media_files: Sequence[MediaFile]) -> dict[MediaFile, tuple[str, Probe]]:
        """Digest and probe of every file that is as it was."""
        asked = [(identity(one), one) for one in media_files]  # a file may have several names
        said = self._recalled(list({key for key, _ in asked}))
        return {
            one: (said[key][0], Probe(**json.loads(said[key][1])))
            for key, one in asked
            if key in said
        }

    def _recalled(self, keys: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[str, str]]:
        """Digest and probe, as they are kept, by what tells files apart."""
        known: dict[tuple[int, ...], tuple[str, str]] = {}
        with self._open() as database:
            for first in range(0, len(keys), ASKED_AT_ONCE):
                some = keys[first : first + ASKED_AT_ONCE]
                rows = database.execute(
                    f"WITH asked ({IDENTITY}) AS (VALUES {', '.join(['(?,?,?,?,?)'] * len(some))}) "
                    f"SELECT {IDENTITY}, media_fingerprint, probe FROM asked "
                    f"CROSS JOIN {self._TABLE} USING ({IDENTITY})",
                    [number for key in some for number in key],
                )
                known.update((row[:5], row[5:]) for row in rows)
        return known

    def remember(self, media_file: MediaFile, fingerprint: str, probe: Probe) -> None:
        """Keep digest and probe of one file."""
        self.remember_all([(media_file, fingerprint, probe)])

    def remember_all(self, learnt: Iterable[tuple[MediaFile, str, Probe]]) -> None:
        """The same of many files, all or none of them."""
        rows = (
            (*identity(media_file), fingerprint, json.dumps(dataclasses.asdict(probe)))
            for media_file, fingerprint, probe in learnt
        )
        with self._open() as database:
            database.executemany(
                f"INSERT OR REPLACE INTO {self._TABLE} VALUES (?,?,?,?,?,?,?)", rows
            )


def identity(media_file: MediaFile) -> tuple[int, ...]:
    """What tells a file as it is from all others: signed numbers."""
    where = media_file.device, media_file.inode
    since = media_file.modified_ns, media_file.changed_ns
    return tuple(map(signed_64, (*where, media_file.size_bytes, *since)))


def probe_all(
    archive: Place,
    files: Sequence[tuple[str, MediaFile]],
    memory: ProbeMemory,
    on_probed: Callable[[], object] = lambda: None,
) -> list[Recording]:
    """Probe and digest media files, a few at a time, the known ones from memory.

    Args:
        archive: that the paths start from.
        files: partition key and media file.
        memory: what earlier calls learnt.
        on_probed: called after each file, from any thread.

    Returns:
        One recording for each file, in the same order; a file that cannot be read has status
        ``failed`` and is not remembered.
    """
    known = memory.recall([media_file for _, media_file in files])
    storage = storage_of(archive)

    def one(item: tuple[str, MediaFile]) -> Recording:
        key, media_file = item
        fingerprint, probe = known.get(media_file) or _learn(storage, media_file, memory)
        on_probed()
        return Recording(media_file, key, fingerprint, probe)

    with ThreadPoolExecutor(PROBE_THREADS) as threads:
        return list(threads.map(one, files))


def _learn(storage: Storage, media_file: MediaFile, memory: ProbeMemory) -> tuple[str, Probe]:
    try:
        with storage.opened(media_file.path) as stream:
            if storage.is_hollow(stream):
                fingerprint, probe = _unfinished(media_file), MOSTLY_HOLES
            else:
                fingerprint = sha256_of(stream)
                probe = probe_file(stream)
        check_unchanged(storage, media_file, fingerprint)
    except MediaError as error:
        return _unread(media_file), Probe(error.status, str(error))
    except OSError as error:
        return _unread(media_file), Probe("failed", f"The file cannot be read: {error.strerror}.")
    memory.remember(media_file, fingerprint, probe)
    return fingerprint, probe


def guessed(media_file: MediaFile) -> tuple[str, Probe]:
    """Digest and probe that stand for those of a file that nobody has looked into yet."""
    duration_s = media_file.size_bytes / ASSUMED_BYTES_PER_S
    return _unread(media_file), Probe(duration_s=duration_s)


def _unread(media_file: MediaFile) -> str:
    """Stands for the digest of content that could not be read, so that attempts are counted."""
    return f"{_UNREAD}{media_file.recording_id}"


def _unfinished(media_file: MediaFile) -> str:
    """Stands for the digest of content that is not there, which would take hours to read."""
    return f"holes-{media_file.recording_id}"


def check_unchanged(storage: Storage, media_file: MediaFile, fingerprint: str) -> None:
    """Make sure that a file is still the one that was scanned.

    Where only the file system's own time is another one, its bytes are read again: a file may get
    another name, link or owner at any time.

    Args:
        storage: the archive's.
        media_file: as it was scanned.
        fingerprint: of its content then.

    Raises:
        MediaError: ``failed``; it is being written, and a later run takes it.
    """
    facts = storage.stat(media_file.path)
    is_same = facts[1:3] == (media_file.size_bytes, media_file.modified_ns)
    if is_same and facts.changed_ns != media_file.changed_ns:
        is_same = storage.digest(media_file.path) == fingerprint
    if not is_same:
        raise MediaError("failed", "The file changed while it was read; a later run takes it.")
