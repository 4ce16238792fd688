"""The archive: which media files there are, and which partition each belongs to.

A scan reads directories and file sizes, never contents, and changes nothing.
"""

import hashlib
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from opentr_pipeline.errors import ArchiveError
from opentr_pipeline.settings.environment import Settings

# What FFmpeg's libraries read and people keep sound in. A test holds this list and
# NOT_MEDIA_EXTENSIONS against the demuxers of the installed libraries.
MEDIA_EXTENSIONS = frozenset(
    """
    3g2 3gp 8svx aa aa3 aac aax ac3 ac4 acm adts adx aea aif aifc aiff al alac amr amv ape apl asf
    ast au avi avr awb bonk caf dav dff divx dsf dss dts dtshd dv dif eac3 ec3 f4a f4b f4v flac flv
    g722 g723_1 gsm gxf h264 iamf ircam kux laf lc3 m1v m2a m2t m2ts m2v m4a m4b m4p m4r m4v mac mka
    mk3d mkv mlp mov mp1 mp2 mp3 mp4 mpa mpc mpeg mpg mpga mpv msbc mts mxf nist nut oga ogg ogm ogv
    ogx oma omg opus osq paf pvf qoa qt ra ram rka rm rmvb rso sbc sds sf shn sln snd sph spx svx
    tak tco thd tod tp trp ts tta ty ul vob voc vox vqf w64 wav wave wa webm wma wmv wsd wtv wv xwma
    """.split()
)
# Extensions of FFmpeg demuxers that carry pictures, subtitles, raw or game data, not recordings.
NOT_MEDIA_EXTENSIONS = frozenset(
    """
    264 265 266 302 722 adf adp ads afc aix ans apc apv aptx aptxhd aqt art asc avc avif avs avs2
    avs3 bcstm bfstm binka bit bitpacked bmv brstm c2 cdata cdg cdxl cgi cif dat daud dfpwm diz dtk
    epaf evc fap flm fsb fwse g728 g729 genh gif h261 h265 h266 h26l hca heic heif hevc ice idf idx
    ifv imx ipu ism isma ismv ivr j2k jxl lvf mca mcc mj2 mjpeg mjpg mks mods moflex mpl2 mpo msf
    mtaf musx mvi mxg nfo nsp obu pdv pjs psp qcif rcv rco redspark rgb rsd rt sami sb sbg scc sdns
    sdr2 sdx ser sga siff smi son ss2 stl str sub sup svag svs sw txt ty+ ub usm uw v v210 vag vb
    vc1 viv vpk vqe vql vt vtt vvc way webvtt xl xmd xmv xvag y4m yop yuv yuv10
    """.split()
)
PARTIAL_SUFFIXES = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", "~")
UNREADABLE = "unreadable file"
MAX_PARTITIONS = 10_000
MAX_KEY_BYTES = 200
ROOT_KEY = "@root"
FIRST_SECOND = datetime(1, 1, 2, tzinfo=UTC).timestamp()
LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class MediaFile:
    """Bytes at a path of the archive, as the file system describes them.

    Attributes:
        path: relative to the archive, ``/`` between the parts; bytes that are not UTF-8 are
            kept as surrogate escapes, so that ``os.fsencode`` gives the name back.
        modified_ns: modified time, nanoseconds since 1970 UTC.
        device: the file system, with ``inode`` the file's identity that survives a rename.
    """

    path: str
    size_bytes: int
    modified_ns: int
    device: int
    inode: int

    @property
    def recording_id(self) -> str:
        """Digest of the relative path: 32 hexadecimal digits."""
        return hashlib.blake2b(os.fsencode(self.path), digest_size=16).hexdigest()

    @property
    def modified_at(self) -> datetime:
        """Modified time, UTC; the nearest that calendars have where it is nonsense."""
        seconds = min(max(self.modified_ns / 1e9, FIRST_SECOND), LAST_SECOND)
        return datetime.fromtimestamp(seconds, tz=UTC)


@dataclass
class Scan:
    """What a scan found.

    Attributes:
        media_files: sorted by path.
        left_alone: what was not taken, and how many of each: an extension, "hidden or partial",
            "link that leaves the archive", "unreadable folder", "no regular file".
    """

    media_files: list[MediaFile] = field(default_factory=list)
    left_alone: Counter[str] = field(default_factory=Counter)

    def by_partition(self, settings: Settings) -> dict[str, list[MediaFile]]:
        """The media files of each partition key, keys sorted.

        Raises:
            ArchiveError: more keys than Dagster's page handles well.
        """
        groups: dict[str, list[MediaFile]] = {}
        for media_file in self.media_files:
            groups.setdefault(partition_key(media_file, settings), []).append(media_file)
        check_num_partitions(len(groups), settings)
        return dict(sorted(groups.items()))


def check_num_partitions(count: int, settings: Settings) -> None:
    """Make sure that Dagster's page can show so many partitions.

    Raises:
        ArchiveError: it cannot.
    """
    if count > MAX_PARTITIONS:
        raise ArchiveError(
            f"The archive makes {count} partitions by {settings.partition_by}, more than "
            f"{MAX_PARTITIONS}; set PARTITION_BY=hash."
        )


def scan(archive: Path) -> Scan:
    """Find all media files below a directory.

    Args:
        archive: the directory; links to directories inside it are not followed (what they point
            to is found under its own name), nor is any link that leaves it.

    Raises:
        ArchiveError: the directory is not there or cannot be read.
    """
    root = real_root(archive)
    found = Scan()
    for path in _walk(root, found):
        looked = describe(path, root)
        if isinstance(looked, MediaFile):
            found.media_files.append(looked)
        else:
            found.left_alone[looked] += 1
    found.media_files.sort(key=lambda media_file: os.fsencode(media_file.path))
    return found


def real_root(archive: Path) -> str:
    """The archive's directory with no link in its path.

    Raises:
        ArchiveError: the directory is not there or cannot be read.
    """
    if not archive.is_dir():
        raise ArchiveError(f"The archive {archive} is not a directory; set ARCHIVE_DIR.")
    if not os.access(archive, os.R_OK | os.X_OK):
        raise ArchiveError(f"The archive {archive} cannot be read; check its permissions.")
    return os.path.realpath(archive)


def _walk(root: str, found: Scan) -> Iterator[str]:
    """Paths that have the names of media, with a stack of our own: depth is not bounded."""
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            for entry in list_folder(folder, root, found.left_alone):
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                else:
                    yield entry.path
        except OSError as error:
            if folder == root:  # not an empty archive: a disk that fails, a share that is gone
                raise ArchiveError(
                    f"The archive {root} cannot be read: {error.strerror}."
                ) from None
            found.left_alone["unreadable folder"] += 1


def list_folder(folder: str, root: str, left_alone: Counter[str]) -> Iterator[os.DirEntry[str]]:
    """The folders of a folder, and what has the name of a media file.

    Args:
        folder: a path below the root, or the root.
        root: from ``real_root``.
        left_alone: counts the rest, as ``Scan`` does.

    Raises:
        OSError: it cannot be read, or only in part.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and entry.name.startswith("."):
                left_alone["hidden or partial"] += 1
            elif is_folder or not (reason := _reason_to_leave(entry.path, entry.is_symlink, root)):
                yield entry
            else:
                left_alone[reason] += 1


def look_at(path: str, root: str) -> MediaFile | str:
    """The media file at one path of the archive, or why there is none, as in ``Scan``."""
    return _reason_to_leave(path, lambda: os.path.islink(path), root) or describe(path, root)


def describe(path: str, root: str) -> MediaFile | str:
    """The same, where ``list_folder`` gave the name."""
    try:
        info = os.stat(path)
    except OSError:  # gone since the directory was read, or not ours to see
        return UNREADABLE
    if not stat.S_ISREG(info.st_mode):
        return "no regular file"
    inside = path[len(root) :].lstrip("/")
    return MediaFile(inside, info.st_size, info.st_mtime_ns, info.st_dev, info.st_ino)


def _reason_to_leave(path: str, is_link: Callable[[], bool], root: str) -> str | None:
    name = os.path.basename(path).lower()
    if name.startswith(".") or name.endswith(PARTIAL_SUFFIXES):
        return "hidden or partial"
    extension = os.path.splitext(name)[1].lstrip(".")
    if is_link():
        target = os.path.realpath(path)
        if os.path.commonpath([root, target]) != root:
            return "link that leaves the archive"
        if os.path.isdir(target):
            return "link to a folder of the archive"
    if extension not in MEDIA_EXTENSIONS:
        return (
            os.fsencode(f".{extension}").decode(errors="replace") if extension else "no extension"
        )
    return None


def partition_key(media_file: MediaFile, settings: Settings) -> str:
    """The partition that a media file belongs to: a pure function of path and modified time.

    A folder's key is its name, percent-encoded where Dagster, its command line or a file name
    could stumble; ``urllib.parse.unquote`` gives it back. Files at the root get ``@root``, which
    no folder can be called. A key longer than 200 bytes ends in a digest instead.
    """
    if settings.partition_by == "day":
        return f"{media_file.modified_at:%Y-%m-%d}"
    if settings.partition_by == "month":
        return f"{media_file.modified_at:%Y-%m}"
    if settings.partition_by == "hash":
        number = int(media_file.recording_id, 16) % settings.partition_count
        return f"hash-{number:04d}"
    folders = media_file.path.split("/")[:-1][: settings.partition_depth]
    return _shortened(_encoded("/".join(folders))) if folders else ROOT_KEY


def _encoded(text: str) -> str:
    """Letters, digits and marks of any script stay readable; all else is percent-encoded.

    A dot or underscore in front is encoded too (readers of Parquet folders skip such files), and
    a dot after a dot (Dagster writes ranges as ``a...b``).
    """
    key = ""
    for character in text:
        is_plain = character in "-_." and key and not (character == "." and key.endswith("."))
        if is_plain or unicodedata.category(character)[0] in "LMN":
            key += character
        else:
            key += "".join(f"%{byte:02X}" for byte in os.fsencode(character))
    return key


def _shortened(key: str) -> str:
    raw = key.encode()
    if len(raw) <= MAX_KEY_BYTES:
        return key
    digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
    head = raw[: MAX_KEY_BYTES - len(digest) - 1].decode(errors="ignore")
    return f"{re.sub('%[0-9A-F]?$', '', head)}@{digest}"
