"""``opentr eta`` and ``opentr throughput``: how fast it goes, and until when."""

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    archive_argument,
    json_option,
    known,
    print_json,
    settings_to_look,
    setup_to_look,
)
from opentr_pipeline.commands import command
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.wording import duration_text, hours

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opentr_pipeline.quality.pace import Eta, Period


@click.command()
@archive_argument
@json_option
def eta(archive: Place | None, as_json: bool) -> None:
    """Say what is left to do, and until when, by the speed of late."""
    from opentr_pipeline.planning.speaker_work import speakers_to_do
    from opentr_pipeline.quality import pace

    setup = setup_to_look(archive)
    found, all_work = known(setup)
    num_unprobed = len(found.media_files) - len(all_work)
    facts = pace.eta(all_work, num_unprobed, setup.store, len(setup.slots))
    speakers = speakers_to_do(setup, (one.recording for one in all_work))
    if as_json:
        print_json({**dataclasses.asdict(facts), "speakers": speakers})
    else:
        terminal.console().print(of_eta(facts, str(speakers)))


def of_eta(facts: "Eta", speakers: str = "") -> "RenderableType":
    """What is left, how fast it goes, until when.

    Args:
        facts: of transcripts.
        speakers: what is to be done about these; empty for nothing.
    """
    from opentr_pipeline.cli import tables

    lately = facts.lately
    measured = f"{tables.speed_text(lately.speed_x, '')} over {lately.num_recordings} recordings, "
    measured += f"{hours(lately.audio_s)} h of audio, of late"
    lines = [
        ("pending", f"{facts.num_pending} recordings, {hours(facts.pending_audio_s)} h of audio"),
        ("speed", measured if lately.speed_x else "nothing was measured in the last six hours"),
        ("worker slots", str(facts.num_worker_slots)),
        ("done", _done_at(facts)),
    ]
    if speakers:  # another work, whose speed is another
        lines.append(("speakers", f"{speakers}, which is not in the time above"))
    if facts.num_given_up:
        lines.append(("given up", f"{facts.num_given_up} ({command('errors')} says why)"))
    if facts.num_unprobed:
        lines.append(("not probed", f"{facts.num_unprobed} more, of unknown length"))
    return tables.lines(lines)


def _done_at(facts: "Eta") -> str:
    if not facts.num_pending:
        return "nothing is pending"
    if facts.left_s is None or facts.done_at is None:
        return "unknown until something is transcribed"
    at = datetime.fromisoformat(facts.done_at)
    return f"{at:%Y-%m-%d %H:%M}, after {duration_text(facts.left_s)} without a pause"


@click.command()
@archive_argument
@json_option
def throughput(archive: Place | None, as_json: bool) -> None:
    """Show how much was transcribed, per hour and per day, and how fast."""
    from opentr_pipeline.quality import pace
    from opentr_pipeline.transcripts.published import store_of

    store = store_of(settings_to_look(archive).workspace)
    published = pace.finished(store)
    by_hour, by_day = pace.throughput(published, datetime.now().astimezone())
    if as_json:
        print_json({"hours": by_hour, "days": by_day})
    else:
        terminal.console().print(of_throughput(by_hour, by_day))


def of_throughput(by_hour: "Sequence[Period]", by_day: "Sequence[Period]") -> "RenderableType":
    """Two tables; periods in which nothing was done are left out."""
    from rich.console import Group

    tables = [_periods("hour", "%Y-%m-%d %H:00", by_hour), _periods("day", "%Y-%m-%d", by_day)]
    return Group(*tables)


def _periods(name: str, form: str, periods: "Iterable[Period]") -> "RenderableType":
    from rich.text import Text

    from opentr_pipeline.cli import tables

    columns = (name, "left"), ("recordings", "right"), ("audio h", "right"), ("x", "right")
    table = tables.table(*columns)
    for period in periods:
        pace = period.pace
        if pace.num_recordings:
            begins = datetime.fromisoformat(period.begins).strftime(form)
            speed = tables.speed_text(pace.speed_x, "")
            table.add_row(begins, str(pace.num_recordings), hours(pace.audio_s), speed)
    return table if table.row_count else Text(f"Nothing was transcribed, by {name}.")
