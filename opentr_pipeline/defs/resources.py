"""What a run may change in the launchpad, with the settings as defaults."""

from dagster import ConfigurableResource
from pydantic import Field

from opentr_pipeline.settings import Settings, load_settings


class Transcription(ConfigurableResource):  # type: ignore[type-arg]
    """The options of this run; each starts as the variable of the same name."""

    whisper_model: str = Field(description="A faster-whisper name, a hub id, a directory or auto.")
    whisper_compute_type: str = Field(description="Arithmetic, or auto.")
    whisper_language: str = Field(description="A language code, or auto.")
    whisper_task: str = Field(description="transcribe, or translate into English.")
    whisper_beam_size: int = Field(description="Hypotheses kept while decoding.")
    whisper_batch_size: int = Field(description="Windows decoded together.")
    shard_audio_s: int = Field(description="Seconds of audio that one step transcribes.")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Transcription":
        """The defaults of every run."""
        return cls(**{name: getattr(settings, name) for name in cls.model_fields})

    def settings(self) -> Settings:
        """All settings, with this run's options checked like variables.

        Raises:
            SettingsError: a value from the launchpad that cannot work.
        """
        import os

        chosen = {name.upper(): str(getattr(self, name)) for name in type(self).model_fields}
        return load_settings({**os.environ, **chosen})
