"""Names of objects that obstore refuses to list, asked through Arrow's file systems.

obstore takes no name with an empty part, a dot alone or a control character, and refuses the whole
page that has one. Arrow gives all names, but no tags of versions: it is asked only then.
"""

import errno
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from opentr_pipeline.settings.addresses import BucketAddress

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

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
        OSError: the keeper does not answer, or this Arrow does not know it.
    """
    root = address.url.partition("://")[2]
    try:
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(f"{root}/{folder}".rstrip("/"))
        found = _file_system(address).get_file_info(selector)
    except (ImportError, OSError, ValueError, KeyError):  # its texts may hold addresses
        raise OSError(errno.ETIMEDOUT, "The bucket did not tell its names", folder) from None
    for one in found:
        yield one.path.removeprefix(f"{root}/"), one.type == FileType.Directory


def _file_system(address: BucketAddress) -> "FileSystem":
    from pyarrow import fs

    if address.url.startswith("s3:"):
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return fs.S3FileSystem(endpoint_override=address.endpoint or None, region=region)
    if address.url.startswith("gs:"):
        return fs.GcsFileSystem()
    return fs.AzureFileSystem(
        os.environ["AZURE_STORAGE_ACCOUNT_NAME"], os.environ.get("AZURE_STORAGE_ACCOUNT_KEY")
    )
