"""What the operators' commands show on a terminal; names are Text, so that [bold] stays a name."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from opentr_pipeline.devices.leases import Holder
from opentr_pipeline.devices.memory_limits import MemoryLimit
from opentr_pipeline.quality.pace import Eta, Pace, Period
from opentr_pipeline.quality.problems import ErrorClass
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.terminal import duration_text, hours

if TYPE_CHECKING:  # these import Dagster, which takes a second that not every command needs
    from opentr_pipeline.devices.usage import DeviceNow
    from opentr_pipeline.launching.run_state import ActiveRun
    from opentr_pipeline.monitoring.doctor import Check
    from opentr_pipeline.monitoring.scaling import Scaling
    from opentr_pipeline.monitoring.status import Status
    from opentr_pipeline.recognition.budget import Budget, Workload

NUM_KEYS_SHOWN = 3
NUM_ID_LETTERS = 8  # as on Dagster's page
VERDICT_STYLES = {"does not fit": "red", "tight": "yellow", "more workers than useful": "dim"}


def of_status(settings: Settings, status: "Status") -> RenderableType:
    """How an archive stands, and what runs."""
    facts = status.overview
    unpublished = f", {status.num_unpublished} more not published yet" * bool(
        status.num_unpublished
    )
    lines = [
        ("archive", f"{settings.archive_root} ({facts.num_partitions} partitions)"),
        ("done", f"{facts.num_done} ({hours(facts.done_audio_s)} h){unpublished}"),
        ("missing", str(facts.num_missing)),
        ("stale", str(facts.num_stale)),
        ("failed", str(facts.num_failed)),
    ]
    if facts.num_unprobed:
        lines.append(("not probed", f"{facts.num_unprobed} (./opentr.sh run looks into them)"))
    num_waiting = sum(run.status == "queued" for run in status.runs)
    lines += [
        ("speed", _speed(status.speed_x, "nothing was finished in the last 15 minutes")),
        ("runs", f"{len(status.runs) - num_waiting} active, {num_waiting} queued"),
        ("worker slots", f"{len(status.slots_in_use)} of {status.num_worker_slots} in use"),
        *(("", _holder(holder)) for holder in status.slots_in_use),
        *(("device", _device(device)) for device in status.devices),
        *(("", limit.sentence) for limit in (*status.closed_slots, *status.batch_limits)),
        ("page", status.page or "not started"),
    ]
    return Group(*(_line(name, said) for name, said in lines))


def status_line(status: "Status") -> str:
    """The same in a line, for a log."""
    facts = status.overview
    readings = [(device.name, device.reading) for device in status.devices if device.reading]
    busy = [f", {name} {one.utilization_percent:.0f} % busy" for name, one in readings]
    return (
        f"{datetime.now():%H:%M:%S} {facts.num_done + status.num_unpublished} done, "
        f"{facts.num_missing} missing, {facts.num_stale} stale, {facts.num_failed} failed, "
        f"{len(status.slots_in_use)} of {status.num_worker_slots} slots, "
        f"{f'{len(status.closed_slots)} closed, ' * bool(status.closed_slots)}"
        f"{_speed(status.speed_x, 'no speed yet')}" + "".join(busy)
    )


def of_eta(facts: Eta) -> RenderableType:
    """What is left, how fast it goes, until when."""
    lately = facts.lately
    measured = f"{_speed(lately.speed_x, '')} over {lately.num_recordings} recordings, "
    measured += f"{hours(lately.audio_s)} h of audio, in the last hours of work"
    lines = [
        ("pending", f"{facts.num_pending} recordings, {hours(facts.pending_audio_s)} h of audio"),
        ("speed", measured if lately.speed_x else "nothing was measured in the last six hours"),
        ("worker slots", str(facts.num_worker_slots)),
        ("done", _done_at(facts)),
    ]
    if facts.num_given_up:
        lines.append(("given up", f"{facts.num_given_up} (./opentr.sh errors says why)"))
    if facts.num_unprobed:
        lines.append(("not probed", f"{facts.num_unprobed} more, of unknown length"))
    return Group(*(_line(name, said) for name, said in lines))


def _done_at(facts: Eta) -> str:
    if not facts.num_pending:
        return "nothing is pending"
    if facts.left_s is None or facts.done_at is None:
        return "unknown until something is transcribed"
    at = datetime.fromisoformat(facts.done_at)
    return f"{at:%Y-%m-%d %H:%M}, after {duration_text(facts.left_s)} without a pause"


def of_throughput(by_hour: Sequence[Period], by_day: Sequence[Period]) -> RenderableType:
    """Two tables; periods in which nothing was done are left out."""
    tables = [_periods("hour", "%Y-%m-%d %H:00", by_hour), _periods("day", "%Y-%m-%d", by_day)]
    return Group(*tables)


def _periods(name: str, form: str, periods: Iterable[Period]) -> RenderableType:
    table = _table((name, "left"), ("recordings", "right"), ("audio h", "right"), ("x", "right"))
    for period in periods:
        pace = period.pace
        if pace.num_recordings:
            begins = datetime.fromisoformat(period.begins).strftime(form)
            table.add_row(begins, str(pace.num_recordings), hours(pace.audio_s), _x(pace))
    return table if table.row_count else Text(f"Nothing was transcribed, by {name}.")


def of_errors(classes: Sequence[ErrorClass]) -> RenderableType:
    """A paragraph for each class: how many, what to do, which."""
    if not classes:
        return Text("Nothing: every recording that was looked at is as it should be.")
    lines = []
    for one in classes:
        lines.append(Text(f"{one.num_recordings} {one.status}: {one.kind}", style="bold"))
        lines.append(Text(f"  What to do: {one.remedy}."))
        for file in one.files:
            tries = f" ({file.num_attempts} attempts)" if file.num_attempts > 1 else ""
            lines.append(Text(f"  {file.path}{tries}"))
        if one.num_recordings > len(one.files):
            more = one.num_recordings - len(one.files)
            lines.append(Text(f"  ... and {more} more (--all names them)"))
    return Group(*lines)


def of_queue(
    runs: "Sequence[ActiveRun]",
    held: Sequence[Holder],
    num_slots: int,
    waiting: Sequence[str],
    closed: Sequence[MemoryLimit] = (),
) -> RenderableType:
    """The runs that wait or work, and the worker slots."""
    names = ("run", "status", "partitions", "from", "priority", "since")
    table = _table(*((name, "left") for name in names))
    for run in runs:
        status = "process gone" if run.is_orphan else run.status
        place = Text("...".join(run.partitions) or "unknown")
        cells = (run.run_id[:NUM_ID_LETTERS], status, place, run.launched_by, str(run.priority))
        table.add_row(*cells, _clock(run.since))
    said = f"{len(held)} of {num_slots} worker slots in use"
    slots = Text(f"{said}; {', '.join(waiting)} wait for one" if waiting else said)
    shown = table if runs else Text("No run waits or works.")
    below = [*map(_holder, held), *(limit.sentence for limit in closed)]
    return Group(shown, slots, *(Text(f"  {said}") for said in below))


def of_check(check: "Check") -> Text:
    """A line of ``health`` or ``doctor``."""
    mark = Text("ok     ", "green") if check.is_ok else Text("WRONG  ", "bold red")
    return Text.assemble(mark, f"{check.name:14}", check.said)


def of_scaling(scaling: "Scaling") -> RenderableType:
    """What was measured with each number of workers."""
    names = ("workers", "speed", "speed-up", "efficiency", "memory at most")
    table = _table(*((name, "right") for name in names))
    for row in scaling.rows:
        if row.failure:
            table.add_row(str(row.num_workers), Text(row.failure))
            continue
        share = f"{100 * scaling.efficiency(row):.0f} %"
        figures = (f"{row.speed_x:.1f}x", f"{scaling.speed_up(row):.2f}", share)
        table.add_row(str(row.num_workers), *figures, f"{row.peak_memory_bytes / 1e9:.2f} GB")
    said = (
        f"{scaling.model}, {scaling.compute_type}, batches of {scaling.batch_size}, on "
        f"{scaling.device} ({scaling.num_cores} cores); speed-up is speed over that of one worker."
    )
    return Group(table, Text(said))


def of_plan(
    work: "Workload",
    own: "Sequence[Budget]",
    rows: "Sequence[tuple[Budget, float | None]]",
    lately: Pace,
    meanings: Sequence[str],
) -> RenderableType:
    """What fits: a table for each device, its row that the settings mean in bold.

    Args:
        work: of each worker.
        own: what the settings mean.
        rows: and others, with the speed that was measured.
        lately: the pace of what was transcribed.
        meanings: of the verdicts.
    """
    parts: list[RenderableType] = []
    for as_set in own:
        table = _table(*((name, "right") for name in ("workers", "batch", "needs GB", "free GB")))
        table.add_column("speed", justify="right")
        table.add_column("verdict")
        for row, speed_x in rows:
            if row.device != as_set.device:
                continue
            is_set = row == as_set
            measured = _speed(speed_x, "not measured")
            cells = (str(row.num_workers), str(row.batch_size), _gb(row.needed_bytes))
            style = "bold" if is_set else VERDICT_STYLES.get(row.verdict, "")
            table.add_row(*cells, _gb(row.room.free_bytes), measured, row.verdict, style=style)
        model = f"{work.model}, {work.compute_type}, beam size {work.beam_size}"
        parts += [Text(f"{as_set.device.description}: {model}", style="bold"), table]
    said = "./opentr.sh bench scaling measures the speed."
    if lately.speed_x:
        said = f"The last {lately.num_recordings} recordings went at {lately.speed_x:.1f}x; {said}"
    return Group(*parts, Text(said), *map(Text, meanings))


def _gb(num_bytes: int | None) -> str:
    return "unknown" if num_bytes is None else f"{num_bytes / 1e9:.1f}"


def _holder(holder: Holder) -> str:
    slot = f"{holder.worker} {holder.slot}"
    if not holder.run_id:
        return slot
    keys = ", ".join(holder.partitions[:NUM_KEYS_SHOWN])
    more = " ..." if len(holder.partitions) > NUM_KEYS_SHOWN else ""
    held = duration_text(holder.held_s or 0.0)
    run = holder.run_id[:NUM_ID_LETTERS]
    return f"{slot}, run {run}, {keys}{more}, since {_clock(holder.since)} ({held})"


def _device(device: "DeviceNow") -> str:
    if device.reading is None:
        return f"{device.name}, does not tell how it is"
    reading = device.reading
    used, total = reading.memory_used_bytes / 1e9, reading.memory_total_bytes / 1e9
    warm = "" if reading.temperature_c is None else f", {reading.temperature_c} °C"
    busy = f"{reading.utilization_percent:.0f} % busy"
    return f"{device.name}, {busy}, {used:.1f} of {total:.1f} GB of memory used{warm}"


def _line(name: str, said: str) -> Text:
    return Text(f"{name:14}{said}")


def _speed(speed_x: float | None, otherwise: str) -> str:
    return otherwise if speed_x is None else f"{speed_x:.1f}x"


def _x(pace: Pace) -> str:
    return _speed(pace.speed_x, "")


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}"


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, side in columns:
        table.add_column(name, justify="right" if side == "right" else "left")
    return table
