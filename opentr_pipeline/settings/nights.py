"""When nights work, and how much; the settings inherit these variables."""

from pydantic import BaseModel, ConfigDict, Field

from opentr_pipeline.settings.values import Amount, Clock, TimeZone


class NightSettings(BaseModel):
    """What the schedule ``nights`` goes by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    night_cron: str = Field(
        "0 22 * * *",
        description="When the schedule nights begins, as cron has it: minute, hour, day of the "
        "month, month, day of the week.",
    )
    night_until: Clock = Field(
        "06:00", description="It begins no recording after that; the next night goes on."
    )
    night_time_zone: TimeZone = Field("UTC", description="Of both.")
    night_budget: Amount = Field(
        "100h", description="Audio that a night transcribes at most, in hours or minutes (90m)."
    )
