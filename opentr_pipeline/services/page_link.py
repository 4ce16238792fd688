"""The link of Dagster's page, which holds the token that opens it; kept in a file of its user's."""

import os
import secrets
from pathlib import Path

from opentr_pipeline.errors import PlantedFileError, ServiceError
from opentr_pipeline.plain_files import open_plain, read_plain
from opentr_pipeline.settings.environment import Settings, is_in_stack

TOKEN_PARAMETER = "token"
FILE_NAME = "page.token"


def token_folder(settings: Settings) -> Path:
    """Where the token is of the page that looks after an archive, seen from where this runs."""
    return settings.workspace.home if is_in_stack() else settings.workspace.state


def make_token(settings: Settings, folder: Path) -> str:
    """The token of a page, made where there is none; it stays, so that links go on working.

    Args:
        settings: say whether one is asked for.
        folder: where it is kept.

    Returns:
        The token; empty where none is asked for.

    Raises:
        ServiceError: it cannot be kept.
    """
    if not settings.page_token:
        return ""
    if kept := read_token(settings, folder):
        return kept
    token, file = secrets.token_urlsafe(24), folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with os.fdopen(open_plain(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as stream:
            stream.write(token)
    except OSError as error:
        raise ServiceError(f"{file} cannot be written: {error.strerror}.") from None
    return token


def read_token(settings: Settings, folder: Path) -> str:
    """The token of a page; empty where none is asked for, there is none, or others can read it."""
    file = folder / FILE_NAME
    try:
        is_private = not file.stat().st_mode & 0o077
        return read_plain(file).strip() if settings.page_token and is_private else ""
    except (OSError, PlantedFileError):
        return ""


def link(address: str, token: str) -> str:
    """What opens a page; without a token its address alone."""
    return f"{address}/?{TOKEN_PARAMETER}={token}" if token else address
