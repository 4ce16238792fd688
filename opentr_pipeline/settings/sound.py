"""Which sound of a media file is heard, and how much; the settings inherit these variables."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from opentr_pipeline.settings.values import AudioStream

# A week: longer than recordings are, and what a slot decodes in some minutes where it is silence.
MAX_DURATION_S = 604_800


class SoundSettings(BaseModel):
    """What of a media file is heard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    audio_stream: AudioStream = Field(
        "auto",
        description="The number of the audio stream to hear, the first is 0, where a file has "
        "several. auto: the one that FFmpeg prefers, another where nobody speaks in it.",
    )
    audio_channels: Literal["mix", "split"] = Field(
        "mix",
        description="split: each channel of a stereo recording is transcribed by itself, for calls "
        "with one speaker per channel.",
    )
    max_duration_s: int = Field(
        MAX_DURATION_S,
        ge=60,
        le=31 * 86_400,
        description="Seconds of a recording that are heard; of a longer one the rest is left, and "
        "its status is too_long. A small file may decode to months.",
    )
