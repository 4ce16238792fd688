"""The folder of the worker slots, which users of a host share: whose it may be, whom we believe.

Who owns a folder moves away what lies in it, and so does who may write to one without the sticky
bit; then no lock in it keeps anybody out. What others write there is judged as a stranger's.
"""

import contextlib
import json
import os
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.plain_files import user_name

# Every user may make files, and only their owner removes them.
MODE = 0o1777
# Whom the containers of the stack run as where root starts them; the image's own user.
CONTAINERS_USER = 1000


def slots_folder(folder: Path) -> Path:
    """The folder of the slot files, made where it is missing, open to every user of the host.

    Nobody can remove or replace in it what another has made (the sticky bit, as for ``/tmp``).

    Args:
        folder: from the workspace.

    Raises:
        SettingsError: it cannot be made, or somebody else could move the locks away.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            if _stranger(folder) is None:
                folder.chmod(MODE)
        if (stranger := _stranger(folder)) is not None:
            raise _not_ours(folder, f"it belongs to {user_name(stranger)}")
        if _lets_others_remove(folder):
            with contextlib.suppress(PermissionError):
                folder.chmod(MODE)  # an earlier release left that bit out
        if _lets_others_remove(folder):
            raise _not_ours(folder, "every user may remove files in it")
    except OSError as error:
        raise cannot_be_used(folder, error) from None
    return folder


def _stranger(folder: Path) -> int | None:
    """Who could move the locks away and is none of us."""
    if _is_of_a_group(folder.stat()):
        return None
    # A link to a folder of ours is still his who made it.
    owners = {folder.lstat().st_uid, folder.stat().st_uid}
    return next(iter(owners - _trusted_users()), None)


def _trusted_users() -> set[int]:
    return {os.geteuid(), 0} if os.geteuid() else {0, CONTAINERS_USER}


def _is_of_a_group(folder: os.stat_result) -> bool:
    """Whether a folder is open to a group that we are in, and to nobody else."""
    return folder.st_mode & 0o022 == 0o020 and folder.st_gid in {os.getegid(), *os.getgroups()}


def _lets_others_remove(folder: Path) -> bool:
    return folder.stat().st_mode & 0o1002 == 0o002


def _not_ours(folder: Path, why: str) -> SettingsError:
    return SettingsError(
        f"WORKER_SLOTS_DIR={folder} cannot be used: {why}, so that others could move the locks "
        "away; name a folder of your own or of root's."
    )


def cannot_be_used(folder: Path, error: OSError) -> SettingsError:
    """What to say of a folder of slots that does not do, and what to do."""
    return SettingsError(
        f"WORKER_SLOTS_DIR={folder} cannot be used: {error.strerror} "
        f"({error.filename}); name a folder on a local disk."
    )


def is_believed(file: os.stat_result, folder: Path) -> bool:
    """Whether a file in the folder can only have been written by somebody whom we believe.

    That is ourselves, root, whose the folder is, and, where root asks, the containers' user; where
    the folder is a group's, everybody in it.
    """
    place = folder.stat()
    if _is_of_a_group(place):
        return True
    return not file.st_mode & 0o022 and file.st_uid in {*_trusted_users(), place.st_uid}


def facts_in(text: str, names: AbstractSet[str]) -> dict[str, Any]:
    """The JSON object that somebody has written, with just the names that it is to have.

    Raises:
        ValueError: it is anything else.
    """
    try:
        facts = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(facts, dict) or facts.keys() != names:
        raise ValueError("other names")
    return facts
