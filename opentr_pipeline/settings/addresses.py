"""Where an archive or its tables may be: a folder of this machine, or a place in a bucket."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# By the letters in front of ``://``, who keeps such buckets.
KEEPERS = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
EXAMPLE = "a folder, or a place in a bucket such as s3://tapes/radio, gs://tapes or az://tapes"


@dataclass(frozen=True)
class BucketAddress:
    """A place in a bucket, which is whatever has a name that begins with it.

    It holds no credentials: the environment of each process has them.

    Attributes:
        url: such as ``s3://tapes/radio``, without a slash at its end.
        endpoint: the server's, where it is another than the keeper's own.
    """

    url: str
    endpoint: str = ""

    def __str__(self) -> str:
        """As people write it."""
        return self.url

    def __truediv__(self, path: str) -> "BucketAddress":
        """The place of a name below this one."""
        return BucketAddress(f"{self.url}/{path}", self.endpoint)

    @property
    def name(self) -> str:
        """The last part, for people."""
        return self.url.rpartition("/")[2]

    @property
    def above(self) -> tuple["BucketAddress", str]:
        """The place that this one lies in, and its name there."""
        folder, _, name = self.url.rpartition("/")
        return BucketAddress(folder, self.endpoint), name

    def as_uri(self) -> str:
        """As paths have it."""
        return self.url


Place = Path | BucketAddress


def is_bucket(said: str) -> bool:
    """Whether this names a place in a bucket, or was meant to."""
    return "://" in said


def bucket_url(said: str) -> str:
    """The address of a place in a bucket, written in one way.

    Raises:
        ValueError: what it must be instead.
    """
    scheme, _, rest = said.partition("://")
    parts = [part for part in rest.split("/") if part]
    is_plain = parts and not {".", ".."}.intersection(parts) and not re.search(r"[\x00-\x1f]", rest)
    # A password in an address would be shown wherever the archive is named.
    if scheme not in KEEPERS or not is_plain or re.search(r"[@?#:]", parts[0]):
        raise ValueError(EXAMPLE)
    return f"{scheme}://{'/'.join(parts)}"


def bucket_address(said: str, s3_endpoint: str) -> BucketAddress | None:
    """The place in a bucket that a setting names; None where it names a folder."""
    if not is_bucket(said):
        return None
    return BucketAddress(said, s3_endpoint if said.startswith("s3:") else "")


def endpoint_url(said: str) -> str:
    """The address of a server, checked.

    Raises:
        ValueError: what it must be instead.
    """
    parts = urlsplit(said)
    if said and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in said):
        raise ValueError("empty or an address such as https://minio.example:9000, without a user")
    return said.rstrip("/")
