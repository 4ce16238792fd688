"""How subtitles are laid out; the settings inherit these variables."""

from pydantic import BaseModel, ConfigDict, Field


class SubtitleSettings(BaseModel):
    """Lengths and times of a cue.

    Source of the defaults: Netflix, Timed Text Style Guide, General Requirements (5/6 s to 7 s, two
    lines) and English (42 characters a line, 20 a second).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subtitle_line_length: int = Field(
        42,
        ge=10,
        le=200,
        description="Letters in a line of subtitles; a Chinese, Japanese or Korean character takes "
        "the room of two and a half, so that 16 of them fill a line of 42.",
    )
    subtitle_lines: int = Field(2, ge=1, le=4, description="Lines on the screen at a time.")
    subtitle_min_ms: int = Field(
        833,
        ge=1,
        le=3000,
        description="Milliseconds that a cue stays at least, where the next one leaves it time.",
    )
    subtitle_max_ms: int = Field(
        7000, ge=3000, le=60_000, description="Milliseconds that a cue stays at most."
    )
    subtitle_reading_speed: int = Field(
        20,
        ge=5,
        le=100,
        description="Letters that people read in a second. A cue stays longer than it is spoken "
        "where they need that and the next one leaves it time; nothing is left out.",
    )

    @property
    def cue_layout(self) -> str:
        """The values of these variables, in a text that changes when one does."""
        return self.model_dump_json(include=set(SubtitleSettings.model_fields))
