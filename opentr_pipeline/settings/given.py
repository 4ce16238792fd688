"""Settings that somebody gives in code or in a file of theirs, not by the environment."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.addresses import is_bucket
from opentr_pipeline.settings.environment import Settings, checked_settings
from opentr_pipeline.settings.folder_file import own_folder_file
from opentr_pipeline.settings.installation import example_file
from opentr_pipeline.settings.values import PathText

# What worker slots there are; who takes one of these over takes all.
SLOT_SETTINGS = (
    *("gpu_device_id", "gpu_scale_enabled", "gpu_scale_device_id", "gpu_scale_workers"),
    *("gpu_scale_default_worker", "cluster_address"),
)
_IS_PATH = PathText.__metadata__[0]  # type: ignore[attr-defined]


def archive_settings(archive: object, values: Mapping[str, object], folder: Path) -> Settings:
    """The settings of an archive in somebody else's project; see ``given_settings``.

    What depends on the folder that a process works in has no default here: web server, daemon and
    runs may each have another.

    Args:
        archive: the folder that holds all media.
        values: the other settings.
        folder: where relative paths start.

    Raises:
        SettingsError: one sentence for the first value refused, or missing.
    """
    if not isinstance(archive, str | os.PathLike) or os.fspath(archive) in ("", "auto"):
        raise SettingsError(
            f"archive must be the folder that holds all media, got {archive!r}; name that folder."
        )
    if "archive_dir" in values:
        raise SettingsError(
            f"archive_dir={values['archive_dir']} is a second archive beside {archive}; give one, "
            "as archive."
        )
    settings = given_settings({**values, "archive_dir": archive}, folder)
    if settings.output_dir == "auto":
        raise SettingsError(
            f"output_dir must be the folder for the tables of {archive}, which has no default "
            "here; name one of its own, such as output_dir=/data/tapes."
        )
    if settings.folder_options_file != "auto":
        return settings
    own = own_folder_file(settings.workspace.archive)
    return settings.model_copy(update={"folder_options_file": str(own)})


def given_settings(values: Mapping[str, object], folder: Path) -> Settings:
    """Check settings that are given; no variable and no ``.env`` says anything here.

    Args:
        values: by the fields' names; the others have their defaults. A list stands for values with
            commas between them, a dictionary for such of ``name=value``.
        folder: where relative paths start.

    Raises:
        SettingsError: one sentence for the first value refused, or for a name that is none.
    """
    for name in values.keys() - Settings.model_fields.keys():
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"see {example_file()}."
        raise SettingsError(f"{name} is not a setting; {hint}")
    texts = {name: _as_written(value) for name, value in values.items() if value is not None}
    checked = checked_settings({name: text for name, text in texts.items() if text})
    paths = {
        name: os.path.normpath(folder / Path(texts[name]).expanduser()) for name in _paths(texts)
    }
    return checked.model_copy(update=paths)


def _paths(texts: Mapping[str, str]) -> list[str]:
    """The settings that are paths, among those given."""
    return [
        name
        for name, text in texts.items()
        if text not in ("", "auto")
        and _IS_PATH in Settings.model_fields[name].metadata
        and not is_bucket(text)
    ]


def _as_written(value: object) -> str:
    """A value as a variable would hold it."""
    if isinstance(value, Mapping):
        value = [f"{name}={said}" for name, said in value.items()]
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def changed_settings(settings: Settings, values: Mapping[str, object]) -> Settings:
    """The same settings with some other values, checked together.

    Args:
        settings: as they are.
        values: the others, by the fields' names.

    Raises:
        SettingsError: a value that cannot work.
    """
    merged = {**settings.model_dump(), **values}
    return checked_settings({name: value for name, value in merged.items() if value != ""})


def values_anywhere(settings: Settings) -> dict[str, object]:
    """The values of settings, for processes that are called in another folder: its places named."""
    places, values = settings.workspace, settings.model_dump(mode="json")
    return {
        **values,
        **{name: str(settings.resolved(values[name])) for name in _paths(values)},
        "archive_dir": str(places.archive),
        "output_dir": str(places.output_place),
        "opentr_home": str(places.home),
        "models_dir": str(places.models),
        "worker_slots_dir": str(places.worker_slots),
    }
