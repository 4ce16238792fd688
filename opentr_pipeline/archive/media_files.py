"""The archive: which media files there are.

A scan reads directories and file sizes, never contents, and changes nothing.
"""

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from opentr_pipeline.archive.storage import Listed, Storage, storage_of
from opentr_pipeline.errors import ArchiveError
from opentr_pipeline.settings.addresses import Place

# What FFmpeg's libraries read and people keep sound in. A test holds this list and
# NOT_MEDIA_EXTENSIONS against the demuxers of the installed libraries.
MEDIA_EXTENSIONS = frozenset(
    """
    3g2 3gp 8svx aa aa3 aac aax ac3 ac4 acm adts adx aea aif aifc aiff al alac alaw amr amv ape apl
    asf ast au avi avr awb bonk caf dav dff divx dsf dss dts dtshd dv dif eac3 ec3 f4a f4b f4v flac
    flv g722 g723_1 gsm gxf h264 iamf ircam kux laf lc3 m1v m2a m2t m2ts m2v m4a m4b m4p m4r m4v mac
    mka mk3d mkv mlp mov mp1 mp2 mp3 mp4 mpa mpc mpeg mpg mpga mpv msbc mts mxf nist nut oga ogg ogm
    ogv ogx oma omg opus osq paf pvf qoa qt ra ram rka rm rmvb rso sbc sds sf shn sln snd sph spx
    svx tak tco thd tod tp trp ts tta ty ul ulaw vob voc vox vqf w64 wav wave wa webm wma wmv wsd
    wtv wv xwma
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
NO_ENDING = "no extension"
FIRST_SECOND = datetime(1, 1, 2, tzinfo=UTC).timestamp()
LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)  # an archive may have millions
class MediaFile:
    """Bytes at a path of the archive, as the file system describes them.

    Attributes:
        path: relative to the archive, ``/`` between the parts; bytes that are not UTF-8 are
            kept as surrogate escapes, so that ``os.fsencode`` gives the name back.
        modified_ns: modified time, nanoseconds since 1970 UTC.
        device: the file system, with ``inode`` the file's identity that survives a rename.
        changed_ns: when the file system last saw it change; a rename counts, and so do bytes
            written by who sets the modified time back.
    """

    path: str
    size_bytes: int
    modified_ns: int
    device: int
    inode: int
    changed_ns: int

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
        unread: paths of folders and files that are there and could not be read: what was in
            them may still be.
    """

    media_files: list[MediaFile] = field(default_factory=list)
    left_alone: Counter[str] = field(default_factory=Counter)
    unread: set[str] = field(default_factory=set)

    def leave(self, path: str, error: OSError, storage: Storage) -> None:
        """Do without a folder or a file.

        Raises:
            ArchiveError: nor would anything else be read.
        """
        # Not an empty archive: a disk that fails, a share that is gone, a bucket out of reach.
        if not path or error.errno == errno.ETIMEDOUT:
            raise ArchiveError(
                f"The archive {storage.name} cannot be read: {error.strerror}."
            ) from None
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            self.unread.add(path)


def scan(archive: Place) -> Scan:
    """Find all media files of an archive.

    Args:
        archive: its root; links to directories inside it are not followed (what they point
            to is found under its own name), nor is any link that leaves it.

    Raises:
        ArchiveError: it is not there or cannot be read.
    """
    storage = storage_of(archive)
    storage.check()
    found = Scan()
    found.media_files.extend(_media_files(storage, found, ""))
    found.media_files.sort(key=lambda media_file: os.fsencode(media_file.path))
    return found


def scan_folder(
    archive: Place, folder: str, unread: set[str], *, is_deep: bool
) -> Iterator[MediaFile]:
    """The media files of one folder, as ``scan`` finds them, in no order.

    Args:
        archive: its root.
        folder: its path in the archive; empty for the root. It need not be there.
        unread: gets what could not be read, as in ``Scan``.
        is_deep: those of the folders in it as well.

    Raises:
        ArchiveError: the archive is not there or cannot be read.
    """
    storage, found = storage_of(archive), Scan(unread=unread)
    storage.check()
    names = folder.split("/") if folder else []
    if all(_is_folder(storage, found, names[: count + 1]) for count in range(len(names))):
        yield from _media_files(storage, found, folder, is_deep=is_deep)


def _is_folder(storage: Storage, found: Scan, names: list[str]) -> bool:
    """Whether a scan reads a folder: neither hidden nor a link, and there."""
    path = "/".join(names)
    try:
        return not names[-1].startswith(".") and storage.stat(path).kind == "folder"
    except OSError as error:
        found.leave(path, error, storage)
        return False


def _media_files(
    storage: Storage, found: Scan, top: str, *, is_deep: bool = True
) -> Iterator[MediaFile]:
    for listed in _walk(storage, found, top, is_deep=is_deep):
        try:
            looked = _described(listed, storage)
        except OSError as error:
            found.leave(listed.path, error, storage)
            looked = UNREADABLE
        if isinstance(looked, MediaFile):
            yield looked
        else:
            found.left_alone[looked] += 1


def _walk(storage: Storage, found: Scan, top: str, *, is_deep: bool) -> Iterator[Listed]:
    """What has the name of media, with a stack of our own: depth is not bounded."""
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            for listed in list_folder(folder, storage, found.left_alone):
                if not listed.is_folder:
                    yield listed
                elif is_deep:
                    stack.append(listed.path)
        except OSError as error:
            found.leave(folder, error, storage)
            # One that is gone meanwhile, or never was more than a name in a bucket, is none.
            if not isinstance(error, FileNotFoundError):
                found.left_alone["unreadable folder"] += 1


def list_folder(folder: str, storage: Storage, left_alone: Counter[str]) -> Iterator[Listed]:
    """The folders of a folder, and what has the name of a media file.

    Args:
        folder: its path; empty for the root.
        storage: the archive's.
        left_alone: counts the rest, as ``Scan`` does.

    Raises:
        OSError: it cannot be read, or only in part.
    """
    for listed in storage.list(folder):
        if listed.refusal:
            left_alone[listed.refusal] += 1
        elif listed.is_folder and os.path.basename(listed.path).startswith("."):
            left_alone["hidden or partial"] += 1
        elif listed.is_folder or not (reason := _reason_to_leave(listed, storage)):
            yield listed
        else:
            left_alone[reason] += 1


def look_at(path: str, storage: Storage) -> MediaFile | str:
    """The media file at one path of the archive, or why there is none, as in ``Scan``."""
    unlisted = Listed(path, is_folder=False, is_link=True, inode=0)
    return _reason_to_leave(unlisted, storage) or describe(unlisted, storage)


def describe(listed: Listed, storage: Storage) -> MediaFile | str:
    """The same of what ``list_folder`` gave."""
    try:
        return _described(listed, storage)
    except OSError:  # gone since the directory was read, or not ours to see
        return UNREADABLE


def _described(listed: Listed, storage: Storage) -> MediaFile | str:
    facts = listed.facts or storage.stat(listed.path)
    if facts.kind != "file":
        return "no regular file"
    return MediaFile(listed.path, *facts[1:6])


def _reason_to_leave(listed: Listed, storage: Storage) -> str | None:
    name = listed.path.rpartition("/")[2].lower()
    if name.startswith(".") or name.endswith(PARTIAL_SUFFIXES):
        return "hidden or partial"
    if listed.is_link and (refusal := _refusal(listed.path, storage)):
        return refusal
    _, dot, extension = name.rpartition(".")  # it begins with none
    if extension in MEDIA_EXTENSIONS and dot:
        return None
    return os.fsencode(dot + extension).decode(errors="replace") if dot and extension else NO_ENDING


def _refusal(path: str, storage: Storage) -> str:
    try:
        return storage.stat(path).refusal
    except OSError:  # leads nowhere; whoever describes it says so
        return ""
