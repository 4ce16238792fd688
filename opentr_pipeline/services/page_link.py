"""The link of Dagster's page, which holds the token that opens it; kept in a file of its user's."""

import os
import secrets
from pathlib import Path

from opentr_pipeline.errors import PlantedFileError, ServiceError
from opentr_pipeline.plain_files import open_plain, read_plain
from opentr_pipeline.settings.environment import Settings, is_in_stack

TOKEN_PARAMETER = "token"
FILE_NAME = "page.token"


def token_folder(settings: Settings, stack_state: Path | None = None) -> Path | None:
    """Where the token of a page is, seen from where this runs; None where none is asked for.

    Args:
        settings: of the archive that it looks after.
        stack_state: what the containers of the production stack keep, to see theirs from outside.
    """
    if not settings.page_token:
        return None
    here = settings.workspace.home if is_in_stack() else settings.workspace.state
    return stack_state or here


def new_token(folder: Path | None) -> str:
    """Make the token of a page anew: whoever got the one of before can do nothing with it.

    Args:
        folder: where it is kept; None for none.

    Raises:
        ServiceError: it cannot be kept.
    """
    if folder is None:
        return ""
    token, file = secrets.token_urlsafe(24), folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with os.fdopen(open_plain(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as stream:
            stream.write(token)
    except OSError as error:
        raise ServiceError(f"{file} cannot be written: {error.strerror}.") from None
    return token


def read_token(folder: Path | None) -> str:
    """The token of a page; empty where there is none, or it is not ours to read."""
    try:
        return read_plain(folder / FILE_NAME).strip() if folder else ""
    except (OSError, PlantedFileError):
        return ""


def link(address: str, token: str) -> str:
    """What opens a page; without a token its address alone."""
    return f"{address}/?{TOKEN_PARAMETER}={token}" if token else address
