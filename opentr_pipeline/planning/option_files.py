"""The files that hold options: vocabularies, and options for folders of the archive.

The folder file is TOML with a table for each folder that has options of its own::

    ["radio/bulletins"]
    language = "it"
    hotwords = "Montebello, Ferrara"

Every mistake in it is refused before anything starts: a misspelt key that was ignored would show
itself in the transcripts, after days of work.
"""

import difflib
import os
import re
import tomllib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.errors import ArchiveError, SettingsError
from opentr_pipeline.plain_files import open_regular
from opentr_pipeline.settings.addresses import BucketAddress, Place
from opentr_pipeline.settings.environment import Settings, must_be

# Keys of a folder's table, and the settings that they replace.
FOLDER_KEYS = {
    "language": "whisper_language",
    "task": "whisper_task",
    "initial_prompt": "whisper_initial_prompt",
    "hotwords": "whisper_hotwords",
    "vocabulary_file": "whisper_vocabulary_file",
    "audio_stream": "audio_stream",
    "audio_channels": "audio_channels",
    "speakers": "speakers",
}
# Far more than any prompt holds; what is larger is no vocabulary but another file.
MAX_FILE_BYTES = 1_000_000


def read_folder_file(path: Place, archive: Place) -> dict[str, dict[str, object]]:
    """The settings that each folder replaces, by folder; nothing is inherited yet.

    Args:
        path: from ``folder_file.folder_file``.
        archive: the folders must be in it.

    Raises:
        SettingsError: one sentence that names file, folder, key, value and remedy.
    """
    text = _read_text(path, f"FOLDER_OPTIONS_FILE={path}", archive)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path} is not valid TOML: {error}; a folder is written as "
            '["radio/bulletins"], an option as language = "it".'
        ) from None
    return {folder: _of_folder(folder, table, path, archive) for folder, table in tables.items()}


def _of_folder(folder: str, table: Any, path: Place, archive: Place) -> dict[str, object]:
    if not isinstance(table, dict):
        raise SettingsError(
            f"{path}: {folder} = {table!r} stands outside of a folder's table; put it below a line "
            'such as ["radio/bulletins"], or set it for the whole archive in .env.'
        )
    _check_folder(folder, path, archive)
    for key, value in table.items():
        _check_key(key, value, folder, path)
    found = {FOLDER_KEYS[key]: _value(key, value, folder, path) for key, value in table.items()}
    if vocabulary := found.get(FOLDER_KEYS["vocabulary_file"]):
        _check_vocabulary(str(vocabulary), path, archive)
    return found


def _check_vocabulary(vocabulary: str, path: Place, archive: Place) -> None:
    """Whoever may write to the archive is not to choose what else is read."""
    if isinstance(path, BucketAddress):
        raise SettingsError(
            f"{path} names the vocabulary {vocabulary}, and a file in a bucket may name none; "
            "write its terms as hotwords."
        )
    if _lies_in(path, archive) and not _lies_in(vocabulary, archive):
        raise SettingsError(
            f"{path} names the vocabulary {vocabulary}, and a file in the archive may name those "
            "in it alone; put it there, or name the options by FOLDER_OPTIONS_FILE from elsewhere."
        )


def _lies_in(path: str | Path, archive: Place) -> bool:
    if isinstance(archive, BucketAddress):
        return False
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(archive))


def _check_folder(folder: str, path: Place, archive: Place) -> None:
    if isinstance(archive, BucketAddress):
        _check_folder_of_bucket(folder, path, archive)
        return
    root = os.path.realpath(archive)
    full = f"{root}/{folder}"
    # The real path is another where a link or a dot is on the way; a scan finds nothing there.
    if "\0" not in folder and os.path.isdir(full) and os.path.realpath(full) == full:
        return
    near = difflib.get_close_matches(folder, _folders_beside(folder, root), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "write its path from there, / between."
    raise SettingsError(f"{path}: {folder!r} is not a folder of the archive {archive}; {hint}")


def _check_folder_of_bucket(folder: str, path: Place, archive: BucketAddress) -> None:
    try:
        if "//" not in f"/{folder}/" and storage_of(archive).stat(folder).kind == "folder":
            return
    except OSError:
        pass
    raise SettingsError(
        f"{path}: {folder!r} is not a folder of the archive {archive}; write its path from there, "
        "/ between."
    )


def _folders_beside(folder: str, root: str) -> list[str]:
    """What may have been meant: the folders that are where this one is said to be."""
    parent = os.path.dirname(folder.strip("/"))
    try:
        with os.scandir(os.path.join(root, parent)) as entries:
            return [
                os.path.join(parent, entry.name)
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
            ]
    except (OSError, ValueError):  # nothing is there, or it is no path at all
        return []


def _check_key(key: str, value: Any, folder: str, path: Place) -> None:
    if key in FOLDER_KEYS:
        return
    if isinstance(value, dict):
        hint = f'write a folder in a folder as ["{folder}/{key}"].'
    elif near := difflib.get_close_matches(key, FOLDER_KEYS, n=1):
        hint = f"did you mean {near[0]}?"
    else:
        hint = f"known are {', '.join(FOLDER_KEYS)}."
    raise SettingsError(f"{path}: {key} of the folder {folder!r} is not an option; {hint}")


def _value(key: str, value: Any, folder: str, path: Place) -> object:
    """A value, checked like the variable that it replaces."""
    # ``audio_stream = 1`` is a number in TOML, and text in a variable.
    given = str(value) if type(value) is int else value
    if key == "vocabulary_file" and isinstance(given, str) and given and isinstance(path, Path):
        given = os.path.join(path.parent, os.path.expanduser(given))
    variable = FOLDER_KEYS[key]
    try:
        checked: object = getattr(Settings.model_validate({variable: given}), variable)
    except ValidationError as error:
        raise SettingsError(
            f"{path}: {key} of the folder {folder!r} must be {must_be(error)}, got {value!r}."
        ) from None
    return checked


def read_vocabulary(path: Path, said: str, archive: Place) -> list[str]:
    """The terms of a vocabulary: one per line; ``#`` at a line's start or after a space comments.

    Args:
        path: of the file.
        said: how people named it, for a refusal.
        archive: where it is in there, it is no link to what lies outside.

    Raises:
        SettingsError: it is not there, not UTF-8 text, or no vocabulary at all.
    """
    lines = _read_text(path, said, archive).splitlines()
    return [term for line in lines if (term := re.split(r"(?:^|\s)#", line)[0].strip())]


def is_there(place: Place) -> bool:
    """Whether there is a file with options at a place; a link that leads nowhere is one to refuse.

    Raises:
        ArchiveError: the bucket does not say.
    """
    if isinstance(place, Path):
        return os.path.lexists(place)
    folder, name = place.above
    try:
        return storage_of(folder).stat(name).kind == "file"
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ArchiveError(f"{place} cannot be looked for: {error.strerror}.") from None


def opened(place: Place, archive: Place) -> AbstractContextManager[BinaryIO]:
    """A file with options, to read.

    Raises:
        OSError: it cannot be opened, or is not to be read.
    """
    if isinstance(place, BucketAddress):
        folder, name = place.above
        return storage_of(folder).opened(name)
    # Whoever may write to the archive is not to choose what else is read.
    is_inside = isinstance(archive, Path) and _lies_in(place, archive)
    return open_regular(place, os.path.realpath(str(archive)) if is_inside else "")


def _read_text(path: Place, said: str, archive: Place) -> str:
    """The text of a file with options.

    Args:
        path: of the file.
        said: how people named it, for a refusal.
        archive: where it is in there, it is no link to what lies outside.

    Raises:
        SettingsError: it is not there, or is no such text.
    """
    try:
        with opened(path, archive) as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SettingsError(
                f"{said} is larger than {MAX_FILE_BYTES} bytes; name a smaller text file."
            )
        return content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(
            f"{said} cannot be read ({error.strerror}); name a text file that is there."
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{said} is not UTF-8 text; save it as UTF-8.") from None
