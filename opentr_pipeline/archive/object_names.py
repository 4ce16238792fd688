"""Names of objects that obstore refuses to list, asked through Arrow's file systems.

obstore takes no name with an empty part, a dot alone or a control character, and refuses the whole
page that has one. Arrow gives all names, but no tags of versions: it is asked only then.
"""

import errno
import re
from collections.abc import Iterator
from datetime import timedelta

from opentr_pipeline.archive.objects import NOT_A_NAME
from opentr_pipeline.settings.addresses import BucketAddress

# A keeper that does not answer is not waited for a quarter of an hour, as Google's client would.
RETRY_LIMIT = timedelta(seconds=30)
# Of Arrow's text, which may hold addresses as well: what the keeper said.
SAID = re.compile(r"(?:AWS Error |Status\()([A-Z_]+)")
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def is_askable(folder: str, path: str) -> bool:
    """Whether what is listed in a folder is a name in it that a request can have."""
    inside = f"{folder}/" if folder else ""
    name = path.removeprefix(inside)
    is_inside = path.startswith(inside) and name and "/" not in name
    return bool(is_inside and name not in (".", "..") and not CONTROLS.search(name))


def names_of(address: BucketAddress, folder: str) -> Iterator[tuple[str, bool]]:
    """The paths in a folder, and whether each is a folder.

    Raises:
        OSError: the keeper does not answer, or Arrow does not find its credentials by itself.
    """
    root = address.url.partition("://")[2]
    try:
        from pyarrow.fs import FileSelector, FileSystem, FileType, GcsFileSystem, S3FileSystem
    except ImportError:
        raise _unnamed(folder) from None
    if not address.url.startswith(("s3:", "gs:")):
        raise _unnamed(folder)
    files: FileSystem
    try:
        if address.url.startswith("s3:"):
            files = S3FileSystem(
                endpoint_override=address.endpoint or None, connect_timeout=5, request_timeout=30
            )
        else:
            files = GcsFileSystem(retry_time_limit=RETRY_LIMIT)
        found = files.get_file_info(FileSelector(f"{root}/{folder}".rstrip("/")))
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "There is no such object", folder) from None
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        said = f"The bucket did not answer: {_reason(error)}"
        raise OSError(errno.ETIMEDOUT, said, folder) from None
    for one in found:
        yield one.path.removeprefix(f"{root}/"), one.type == FileType.Directory


def _reason(error: Exception) -> str:
    """What a keeper said to Arrow, without addresses."""
    said = SAID.search(str(error))
    return said[1] if said else type(error).__name__


def _unnamed(folder: str) -> OSError:
    return OSError(errno.EINVAL, f"An object cannot be named: {NOT_A_NAME}", folder)
