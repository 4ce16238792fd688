"""``opentr status``: how an archive stands, and what runs."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    archive_argument,
    json_option,
    print_json,
    setup_to_look,
    until_interrupt,
)
from opentr_pipeline.commands import command
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.wording import hours, number_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opentr_pipeline.devices.usage import DeviceNow
    from opentr_pipeline.monitoring.status import Status

TICK_S = 2.0
# Where nobody watches a terminal, a line now and then is enough for a log.
QUIET_TICK_S = 15.0


@click.command()
@archive_argument
@json_option
@click.option("--watch", is_flag=True, help="Show it again every other second, until Ctrl-C.")
def status(archive: Place | None, as_json: bool, watch: bool) -> None:
    """Say what is done, missing, stale and failed, and what runs."""
    from rich.live import Live

    from opentr_pipeline.monitoring.status import StatusWatch
    from opentr_pipeline.planning.places import check_places

    setup = setup_to_look(archive)
    check_places(setup.workspace)
    looking = StatusWatch(setup, setup.options_to_look)
    root = setup.workspace.archive
    console = terminal.console()
    if as_json:
        print_json(looking.status().for_programs())
    elif not watch:
        console.print(of_status(root, looking.status()))
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            until_interrupt(
                lambda: live.update(of_status(root, looking.status()), refresh=True),
                TICK_S,
            )
    else:
        until_interrupt(lambda: console.print(status_line(looking.status())), QUIET_TICK_S)


def of_status(archive: Place, status: "Status") -> "RenderableType":
    """How an archive stands, and what runs."""
    from opentr_pipeline.cli import tables

    facts = status.overview
    unpublished = f", {status.num_unpublished} more not published yet" * bool(
        status.num_unpublished
    )
    lines = [
        ("archive", f"{archive} ({number_text(facts.num_partitions, 'partition')})"),
        ("done", f"{facts.num_done} ({hours(facts.done_audio_s)} h){unpublished}"),
        ("missing", str(facts.num_missing)),
        ("stale", str(facts.num_stale)),
        ("failed", str(facts.num_failed)),
    ]
    if facts.num_unprobed:
        # A run that works may be about to.
        who = "" if status.runs else f" ({command('run')} looks into them)"
        lines.append(("not probed", f"{facts.num_unprobed}{who}"))
    if status.num_speakers_left or status.num_speakers_failed:
        left = f"{number_text(status.num_speakers_left, 'recording')} left"
        failed = f", {status.num_speakers_failed} failed" * bool(status.num_speakers_failed)
        lines.append(("speakers", left + failed))
    num_waiting = sum(run.status == "queued" for run in status.runs)
    lines += [
        ("speed", tables.speed_text(status.speed_x, "nothing was finished in the last 15 minutes")),
        ("runs", f"{len(status.runs) - num_waiting} active, {num_waiting} queued"),
        ("worker slots", f"{len(status.slots_in_use)} of {status.num_worker_slots} in use"),
        *(("", tables.holder_text(holder)) for holder in status.slots_in_use),
        *(("device", _device(device)) for device in status.devices),
        *(("", limit.sentence) for limit in (*status.closed_slots, *status.batch_limits)),
        ("page", status.page or "not started"),
    ]
    return tables.lines(lines)


def status_line(status: "Status") -> str:
    """The same in a line, for a log."""
    from opentr_pipeline.cli import tables

    facts = status.overview
    readings = [(device.name, device.reading) for device in status.devices if device.reading]
    busy = [f", {name} {one.utilization_percent:.0f} % busy" for name, one in readings]
    return (
        f"{datetime.now():%H:%M:%S} {facts.num_done + status.num_unpublished} done, "
        f"{facts.num_missing} missing, {facts.num_stale} stale, {facts.num_failed} failed, "
        f"{len(status.slots_in_use)} of {status.num_worker_slots} slots, "
        f"{f'{len(status.closed_slots)} closed, ' * bool(status.closed_slots)}"
        f"{tables.speed_text(status.speed_x, 'no speed yet')}" + "".join(busy)
    )


def _device(device: "DeviceNow") -> str:
    if device.reading is None:
        return f"{device.name}, does not tell how it is"
    reading = device.reading
    used, total = reading.memory_used_bytes / 1e9, reading.memory_total_bytes / 1e9
    warm = "" if reading.temperature_c is None else f", {reading.temperature_c} °C"
    busy = f"{reading.utilization_percent:.0f} % busy"
    return f"{device.name}, {busy}, {used:.1f} of {total:.1f} GB of memory used{warm}"
