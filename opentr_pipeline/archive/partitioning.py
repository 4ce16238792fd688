"""Which partition each media file of an archive belongs to; pure."""

import functools
import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.errors import ArchiveError

MAX_PARTITIONS = 10_000
MAX_KEY_BYTES = 200
# Of recordings in no folder, wherever they are told of.
ROOT_KEY = "@root"


@dataclass(frozen=True)
class Partitioning:
    """How an archive is divided.

    Attributes:
        by: ``folder``, ``day``, ``month`` or ``hash``.
        depth: folders that count, by folder.
        count: of partitions, by hash.
    """

    by: str
    depth: int
    count: int

    def key(self, media_file: MediaFile) -> str:
        """The partition that a media file belongs to: a pure function of path and modified time.

        A folder's key is its name, percent-encoded where Dagster, its command line or a file name
        could stumble; ``urllib.parse.unquote`` gives it back. Files at the root get ``@root``,
        which no folder can be called. A key longer than 200 bytes ends in a digest instead.
        """
        if self.by == "day":
            return f"{media_file.modified_at:%Y-%m-%d}"
        if self.by == "month":
            return f"{media_file.modified_at:%Y-%m}"
        if self.by == "hash":
            return f"hash-{int(media_file.recording_id, 16) % self.count:04d}"
        folders = media_file.path.split("/")[:-1][: self.depth]
        return _folder_key("/".join(folders)) if folders else ROOT_KEY

    def place(self, key: str) -> tuple[str, bool] | None:
        """The folder that holds all media files of a partition, and whether folders in it count.

        None where that cannot be told: not by folder, or the key ends in a digest.
        """
        if self.by != "folder" or (key != ROOT_KEY and "@" in key):
            return None
        if key == ROOT_KEY:
            return "", False
        folder = os.fsdecode(unquote_to_bytes(key))
        return folder, folder.count("/") + 1 >= self.depth

    def groups(self, media_files: Iterable[MediaFile]) -> dict[str, list[MediaFile]]:
        """The media files of each partition key, keys sorted.

        Raises:
            ArchiveError: more keys than Dagster's page handles well.
        """
        found: dict[str, list[MediaFile]] = {}
        for media_file in media_files:
            found.setdefault(self.key(media_file), []).append(media_file)
        self.check(len(found))
        return dict(sorted(found.items()))

    def check(self, num_partitions: int) -> None:
        """Make sure that Dagster's page can show so many partitions.

        Raises:
            ArchiveError: it cannot.
        """
        if num_partitions > MAX_PARTITIONS:
            raise ArchiveError(
                f"The archive makes {num_partitions} partitions by {self.by}, more than "
                f"{MAX_PARTITIONS}; set PARTITION_BY=hash."
            )


@functools.lru_cache(1_000)  # files of one folder come one after another
def _folder_key(folder: str) -> str:
    return _shortened(_encoded(folder))


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
