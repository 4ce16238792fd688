"""Whether tables can be kept in a bucket at all, and whose they are."""

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from opentr_pipeline.archive.objects import version_of
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.addresses import BucketAddress

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OURS = ".store"
TRIED = ".store/tried"


def check_conditions(store: "ObjectStore", address: BucketAddress) -> None:
    """Refuse a server that overwrites what it was told not to: several servers do, and say 200.

    Two hosts that publish at the same time would lose what one of them has.

    Args:
        store: to ask.
        address: that people know it by.

    Raises:
        SettingsError: it ignores conditions.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

    name = f"{TRIED}/{uuid.uuid4().hex}"
    first = obstore.put(store, name, b"1", mode="create", use_multipart=False)
    second = obstore.put(store, name, b"2", mode="overwrite", use_multipart=False)
    modes: list[Any] = ["create", version_of(first)]
    try:
        for mode in modes:
            with contextlib.suppress(AlreadyExistsError, PreconditionError, NotSupportedError):
                obstore.put(store, name, b"3", mode=mode, use_multipart=False)
                raise SettingsError(
                    f"OUTPUT_DIR={address} is on a server that ignores conditions (If-Match, "
                    "If-None-Match), so that hosts would lose what others publish; name a bucket "
                    "of a server that honours them, or a folder."
                )
        # Nor may it refuse the condition that holds.
        now: Any = version_of(second)
        obstore.put(store, name, b"4", mode=now, use_multipart=False)
    finally:
        obstore.delete(store, name)


def first_kept(store: "ObjectStore", name: str, text: str) -> str:
    """What is kept under a name of ours; this text where there was nothing."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    path = f"{OURS}/{name}"
    try:
        obstore.put(store, path, text.encode(), mode="create", use_multipart=False)
    except AlreadyExistsError:
        return bytes(obstore.get(store, path).bytes()).decode()
    return text
