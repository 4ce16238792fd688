"""Nights: until when a scheduled backfill works, and how much it takes on; pure."""

from datetime import datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.settings.nights import NightSettings
from opentr_pipeline.settings.values import seconds_of


def taking_of(settings: NightSettings, began_at: datetime) -> Taking:
    """What a night that began at some time takes on."""
    zone = ZoneInfo(settings.night_time_zone)
    ends_at = next_time(settings.night_until, began_at, zone)
    return Taking(audio_budget_s=seconds_of(settings.night_budget), deadline=ends_at.timestamp())


def next_time(clock: str, after: datetime, zone: tzinfo) -> datetime:
    """When a clock in a time zone next shows a time.

    Args:
        clock: such as ``06:00``.
        after: an aware time; the answer is later than that.
        zone: of the clock. Where it skips the time, in spring, an hour later counts.
    """
    day = after.astimezone(zone).date()
    shown = time.fromisoformat(clock)
    times = (datetime.combine(day + timedelta(days), shown, zone) for days in (0, 1))
    return next(one for one in times if one.timestamp() > after.timestamp())
