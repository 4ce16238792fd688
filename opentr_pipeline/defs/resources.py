"""What a run may change in the launchpad, with the settings as defaults."""

from typing import Any

from dagster import ConfigurableResource
from pydantic import Field, create_model

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.recognition.models import is_directory_name
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.given import changed_settings

RUN_VARIABLES = (
    "whisper_model",
    "whisper_compute_type",
    "whisper_language",
    "whisper_task",
    "whisper_initial_prompt",
    "whisper_hotwords",
    "whisper_vocabulary_file",
    "audio_stream",
    "audio_channels",
    "whisper_beam_size",
    "whisper_batch_size",
    "shard_audio_s",
)
# Whoever starts a run may choose a model by its name; which files are read, the settings say alone.
PATH_VARIABLES = ("whisper_model", "whisper_vocabulary_file")

DESCRIPTION = """\
What one run may do otherwise than the settings: model, language, prompt and the like. The defaults
are the settings; what is typed in the launchpad wins over `opentr.toml`, for this run alone. *When
a value is refused*: the error says which values there are; nothing was started."""


class Transcription(ConfigurableResource):  # type: ignore[type-arg]
    """The options of one run; ``transcription_resource`` gives it a field for each variable."""

    def settings(self, usual: Settings) -> Settings:
        """All settings, with this run's options checked like variables.

        Args:
            usual: the settings of the archive.

        Raises:
            SettingsError: a value from the launchpad that cannot work.
        """
        chosen = {name: _plain(name, getattr(self, name)) for name in RUN_VARIABLES}
        for name in PATH_VARIABLES:
            _check_path(name, chosen[name], str(getattr(usual, name)))
        return changed_settings(usual, chosen)

    def typed(self) -> set[str]:
        """What a person chose for this run alone: values that are not the settings'."""
        usual = {name: field.default for name, field in type(self).model_fields.items()}
        return {name for name in RUN_VARIABLES if getattr(self, name) != usual[name]}


def _plain(name: str, chosen: object) -> str:
    if not isinstance(chosen, str | int):
        raise SettingsError(
            f"{name.upper()} must be a text or a number, got a {type(chosen).__name__}; a run "
            "cannot read variables of the environment."
        )
    return str(chosen)


def _check_path(name: str, chosen: str, usual: str) -> None:
    """Refuse a path that a run names and the settings do not."""
    is_name = name == "whisper_model" and not is_directory_name(chosen)
    if chosen in ("", usual) or is_name:
        return
    variable = name.upper()
    raise SettingsError(
        f"{variable}={chosen} is a path, and a run may not name one that the settings do not; set "
        f"{variable} in .env, or leave it as it is."
    )


def transcription_resource(settings: Settings) -> Transcription:
    """The options with the settings as defaults and their descriptions."""
    fields = {
        # Dagster would take {env: NAME} for texts and numbers, and show what the variable holds,
        # such as a password. ``Settings`` checks what is typed, with or without quotation marks.
        name: (
            Any,
            Field(getattr(settings, name), description=Settings.model_fields[name].description),
        )
        for name in RUN_VARIABLES
    }
    made = create_model(  # type: ignore[call-overload]
        "Transcription",
        __base__=Transcription,
        __module__=__name__,
        __doc__=DESCRIPTION,
        **fields,
    )
    resource: Transcription = made()
    return resource
