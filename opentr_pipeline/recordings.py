"""Media files probed: what sound they hold, and the digest that names their content.

Probing opens the container and reads its headers; the digest reads the whole file. Both are done
once for a file and remembered by its identity in the file system, so that a rename costs nothing
and a copy costs one read.
"""

import dataclasses
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentr_pipeline.archive import MediaFile
from opentr_pipeline.errors import MediaError

# Longer than any recording: a header that claims more is broken.
MAX_DURATION_S = 31 * 86_400.0
MAX_SAMPLE_RATE_HZ = 6_000_000
# Enough to keep a disk busy while another file is hashed; more only thrashes spinning disks.
PROBE_THREADS = 4


@dataclass(frozen=True)
class Probe:
    """What the headers of a media file say.

    Attributes:
        status: ``ok``, or why there is nothing to transcribe (see ``transcript.STATUSES``).
        reason: a sentence where the status is not ``ok``.
        duration_s: as the container claims it; None where it does not say.
        tags: the container's own, such as title and date.
    """

    status: str = "ok"
    reason: str = ""
    container: str = ""
    codec: str = ""
    sample_rate_hz: int = 0
    num_channels: int = 0
    num_audio_streams: int = 0
    has_video: bool = False
    duration_s: float | None = None
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """A media file with its partition, content digest and probe.

    Attributes:
        media_fingerprint: SHA-256 of the bytes; ``unread-`` and the recording's id where they could
            not be read.
    """

    media_file: MediaFile
    partition_key: str
    media_fingerprint: str
    probe: Probe

    @property
    def recording_id(self) -> str:
        """Digest of the relative path."""
        return self.media_file.recording_id


class ProbeMemory:
    """What earlier scans learnt, by (file system, inode, size, modified time).

    One SQLite file, safe for any number of processes; deleting it costs only reading again.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._open() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS media (device INT, inode INT, size_bytes INT, "
                "modified_ns INT, media_fingerprint TEXT, probe TEXT, "
                "PRIMARY KEY (device, inode)) WITHOUT ROWID"
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=60)) as database, database:
            yield database

    def recall(self, media_files: Sequence[MediaFile]) -> dict[MediaFile, tuple[str, Probe]]:
        """Digest and probe of every file that is as it was."""
        known = {}
        with self._open() as database:
            for media_file in media_files:
                row = database.execute(
                    "SELECT media_fingerprint, probe FROM media WHERE device=? AND inode=? "
                    "AND size_bytes=? AND modified_ns=?",
                    _identity(media_file),
                ).fetchone()
                if row:
                    known[media_file] = (row[0], Probe(**json.loads(row[1])))
        return known

    def remember(self, media_file: MediaFile, fingerprint: str, probe: Probe) -> None:
        """Keep digest and probe of one file."""
        row = (*_identity(media_file), fingerprint, json.dumps(dataclasses.asdict(probe)))
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO media VALUES (?,?,?,?,?,?)", row)


def _identity(media_file: MediaFile) -> tuple[int, int, int, int]:
    # SQLite's integers are signed; some file systems use all 64 bits.
    device, inode = (n - 2**64 if n >= 2**63 else n for n in (media_file.device, media_file.inode))
    return device, inode, media_file.size_bytes, media_file.modified_ns


def probe_all(
    archive: Path,
    files: Sequence[tuple[str, MediaFile]],
    memory: ProbeMemory,
    on_probed: Callable[[], object] = lambda: None,
) -> list[Recording]:
    """Probe and digest media files, a few at a time, the known ones from memory.

    Args:
        archive: the directory that the paths start from.
        files: partition key and media file.
        memory: what earlier calls learnt.
        on_probed: called after each file, from any thread.

    Returns:
        One recording for each file, in the same order; a file that cannot be read has status
        ``failed`` and is not remembered.
    """
    known = memory.recall([media_file for _, media_file in files])

    def one(item: tuple[str, MediaFile]) -> Recording:
        key, media_file = item
        fingerprint, probe = known.get(media_file) or _learn(archive, media_file, memory)
        on_probed()
        return Recording(media_file, key, fingerprint, probe)

    with ThreadPoolExecutor(PROBE_THREADS) as threads:
        return list(threads.map(one, files))


def _learn(archive: Path, media_file: MediaFile, memory: ProbeMemory) -> tuple[str, Probe]:
    path = archive / media_file.path
    try:
        with path.open("rb") as stream:
            fingerprint = hashlib.file_digest(stream, "sha256").hexdigest()
        probe = probe_file(path)
        check_unchanged(archive, media_file)
    except MediaError as error:
        return _unread(media_file), Probe(error.status, str(error))
    except OSError as error:
        return _unread(media_file), Probe("failed", f"The file cannot be read: {error.strerror}.")
    memory.remember(media_file, fingerprint, probe)
    return fingerprint, probe


def _unread(media_file: MediaFile) -> str:
    """Stands for the digest of content that could not be read, so that attempts are counted."""
    return f"unread-{media_file.recording_id}"


def check_unchanged(archive: Path, media_file: MediaFile) -> None:
    """Make sure that a file is still the one that was scanned.

    Raises:
        MediaError: ``failed``; it is being written, and a later run takes it.
    """
    info = (archive / media_file.path).stat()
    if (info.st_size, info.st_mtime_ns) != (media_file.size_bytes, media_file.modified_ns):
        raise MediaError("failed", "The file changed while it was read; a later run takes it.")


def open_media(path: Path) -> Any:
    """Open a container with FFmpeg's libraries, local files only.

    A playlist in disguise must not make us read other files or the network.

    Raises:
        av.FFmpegError: not a container that the libraries know.
        OSError: the file cannot be opened.
    """
    import av

    return av.open(
        str(path), metadata_errors="replace", options={"protocol_whitelist": "file,crypto,data"}
    )


def probe_file(path: Path) -> Probe:
    """Read the headers of a media file; a broken file is a probe with a status, not an error.

    Raises:
        OSError: the file cannot be opened.
    """
    if os.path.getsize(path) == 0:
        return Probe("corrupt", "The file is empty (0 bytes).")
    try:
        with open_media(path) as container:
            return _judged(_headers(container))
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # the libraries raise many kinds on bytes that make no sense
        return Probe("corrupt", f"FFmpeg's libraries cannot open the file: {_words(error)}.")


def _headers(container: Any) -> Probe:
    streams = container.streams
    facts = Probe(
        container=container.format.name,
        num_audio_streams=len(streams.audio),
        has_video=any(not _is_cover(stream) for stream in streams.video),
        tags={str(key): str(value) for key, value in sorted(container.metadata.items())},
    )
    stream = streams.best("audio")
    if stream is None:
        return facts
    context = stream.codec_context
    return dataclasses.replace(
        facts,
        codec=context.name if context else "",
        sample_rate_hz=(context and context.sample_rate) or 0,
        num_channels=(context and context.channels) or 0,
        duration_s=_duration_s(container, stream),
    )


def _is_cover(stream: Any) -> bool:
    """A picture embedded in a music file counts as a video stream with one frame."""
    return "attached_pic" in str(stream.disposition).lower()


def _duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration is not None else None


def _judged(probe: Probe) -> Probe:
    """The status that follows from the headers."""
    status, reason = "ok", ""
    duration_s = probe.duration_s
    if probe.num_audio_streams == 0:
        status, reason = "unsupported", "There is no audio stream in the file."
    elif not probe.codec:
        status, reason = "unsupported", "The audio codec is not one that FFmpeg's libraries know."
    elif not 0 < probe.sample_rate_hz <= MAX_SAMPLE_RATE_HZ or probe.num_channels < 1:
        status = "corrupt"
        reason = f"The header claims {probe.num_channels} channels at {probe.sample_rate_hz} Hz."
    elif duration_s is not None and not 0 <= duration_s <= MAX_DURATION_S:
        status, reason = "corrupt", f"The header claims a duration of {duration_s:.0f} s."
    return dataclasses.replace(probe, status=status, reason=reason)


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.rstrip(".")
