"""What keeps buckets, asked through obstore: its door, opened with the first bucket."""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.addresses import BucketAddress

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# A server that is restarted is waited for, not a night long.
RETRIES = {"max_retries": 8}
# Of an answer that was refused.
STATUS = re.compile(r"status code: (\d{3} [A-Z][A-Za-z ]+)")
NOT_A_NAME = "its name has an empty part, a dot alone or a control character; give it another one"


def object_store(address: BucketAddress) -> "ObjectStore":
    """What answers for the objects below an address; nothing is asked yet.

    Credentials are those that the keeper's own tools find in the environment.

    Raises:
        SettingsError: obstore is not installed, or cannot make sense of the environment.
        RuntimeError: the process that asked first was forked, and its threads are not here.
    """
    if _first_process() != os.getpid():  # else we would wait for ever
        raise RuntimeError("A process that had asked a bucket was forked, and cannot go on asking")
    return _object_store(address)


@cache
def _first_process() -> int:
    return os.getpid()


@cache
def _object_store(address: BucketAddress) -> "ObjectStore":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise SettingsError(
            f"{address} is in a bucket, which needs the extra buckets; install "
            "'opentr-pipeline[buckets]'."
        ) from None
    options: dict[str, Any] = {"retry_config": RETRIES}
    if address.endpoint:
        options["endpoint"] = address.endpoint
        options["client_options"] = {"allow_http": address.endpoint.startswith("http:")}
    try:
        return from_url(address.url, **options)
    except (BaseError, ValueError) as error:
        raise SettingsError(
            f"{address} cannot be opened: {reason(error)}; see the guide to buckets for what the "
            "environment must say."
        ) from None


@contextmanager
def as_system_errors(path: str) -> Iterator[None]:
    """What a keeper refuses, as errors that reading a folder would raise.

    Args:
        path: that was asked for.

    Raises:
        OSError: its number says whether the object, our rights or the way there is at fault.
    """
    from obstore import exceptions as refused

    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "There is no such object", path) from None
    except (refused.PermissionDeniedError, refused.UnauthenticatedError) as error:
        raise PermissionError(errno.EACCES, f"We may not: {reason(error)}", path) from None
    except refused.PreconditionError:
        raise OSError(errno.ESTALE, "It was replaced meanwhile", path) from None
    except (refused.InvalidPathError, ValueError):
        raise OSError(errno.EINVAL, f"An object cannot be named: {NOT_A_NAME}", path) from None
    except refused.BaseError as error:
        said = f"The bucket did not answer: {reason(error)}"
        raise OSError(errno.ETIMEDOUT, said, path) from None


def remove(store: "ObjectStore", names: Iterable[str]) -> None:
    """Remove objects, of which some may be gone already: Azure says so, S3 does not."""
    import obstore

    every = sorted(names)
    try:
        obstore.delete(store, every)
    except FileNotFoundError:
        for name in every:
            with suppress(FileNotFoundError):
                obstore.delete(store, name)


def has_any(store: "ObjectStore", prefix: str | None = None) -> bool:
    """Whether there is anything below a name, even if it is called what nobody can ask for.

    Raises:
        OSError: the keeper does not answer.
    """
    import obstore
    from obstore.exceptions import InvalidPathError

    with as_system_errors(prefix or ""):
        try:
            return any(obstore.list(store, prefix, chunk_size=1))
        except InvalidPathError:
            return True


def holds(place: BucketAddress, text: str) -> bool:
    """Whether an object says just this; without a text, whether there is anything below its name.

    Raises:
        OSError: it is not there, or the keeper does not answer.
    """
    import obstore

    with as_system_errors(str(place)):
        if not text:
            return has_any(object_store(place))
        folder, name = place.above
        return bytes(obstore.get(object_store(folder), name).bytes()) == text.encode()


def plain_tag(e_tag: str | None) -> str:
    """The tag of a version, the same in answers and in listings: Azure's have no quotes there."""
    return (e_tag or "").strip('"')


def version_of(meta: Mapping[str, Any]) -> dict[str, str]:
    """What tells a version of an object from all others, as a condition takes it.

    Args:
        meta: what the keeper says of the object.
    """
    return {name: meta[name] for name in ("e_tag", "version") if meta[name]}


def reason(error: Exception) -> str:
    """Why a keeper refuses, without addresses: some of them hold what is secret."""
    if said := STATUS.search(str(error)):
        return said[1].strip()
    return "no connection" if "HTTP error" in str(error) else type(error).__name__
