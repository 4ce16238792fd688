"""Whether speakers are told apart; the settings inherit this variable."""

from pydantic import BaseModel, ConfigDict, Field

from opentr_pipeline.settings.values import YesNo


class SpeakerSettings(BaseModel):
    """Who speaks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speakers: YesNo = Field(
        False,
        description="true: it is told apart who speaks in each recording, in a step after its "
        "transcription, on the CPU. The table speakers then holds what tells a voice from others, "
        "which is biometric data.",
    )
