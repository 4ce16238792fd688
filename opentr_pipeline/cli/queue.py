"""``opentr queue``: the runs that wait or work, and who holds the worker slots."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, json_option, print_json, setup_to_look
from opentr_pipeline.settings.addresses import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opentr_pipeline.devices.leases import Holder
    from opentr_pipeline.devices.memory_limits import MemoryLimit
    from opentr_pipeline.launching.run_state import ActiveRun


@click.command()
@archive_argument
@json_option
def queue(archive: Place | None, as_json: bool) -> None:
    """Show the runs that wait or work, and who holds the worker slots."""
    from opentr_pipeline.devices.leases import ranks_waiting
    from opentr_pipeline.devices.memory_limits import closed_slots
    from opentr_pipeline.launching.run_state import active_runs
    from opentr_pipeline.monitoring.cluster import holders_anywhere

    setup = setup_to_look(archive)
    runs = active_runs(setup.workspace)
    slots, folder = setup.slots, setup.slots_folder
    held, waiting = holders_anywhere(setup), ranks_waiting(slots, folder)
    closed = closed_slots(slots, folder)
    if as_json:
        more = {"num_worker_slots": len(slots), "slots_in_use": held, "ranks_waiting": waiting}
        print_json({"runs": runs, **more, "closed_slots": closed})
    else:
        terminal.console().print(of_queue(runs, held, len(slots), waiting, closed))


def of_queue(
    runs: "Sequence[ActiveRun]",
    held: "Sequence[Holder]",
    num_slots: int,
    waiting: Sequence[str],
    closed: "Sequence[MemoryLimit]" = (),
) -> "RenderableType":
    """The runs that wait or work, and the worker slots."""
    from rich.console import Group
    from rich.text import Text

    from opentr_pipeline.cli import tables

    names = ("run", "status", "partitions", "from", "priority", "since")
    table = tables.table(*((name, "left") for name in names))
    for run in runs:
        status = "process gone" if run.is_orphan else run.status
        place = Text("...".join(run.partitions) or "unknown")
        run_id = run.run_id[: tables.NUM_ID_LETTERS]
        cells = (run_id, status, place, run.launched_by, str(run.priority))
        table.add_row(*cells, tables.clock_text(run.since))
    said = f"{len(held)} of {num_slots} worker slots in use"
    slots = Text(f"{said}; {', '.join(waiting)} wait for one" if waiting else said)
    shown = table if runs else Text("No run waits or works.")
    below = [*map(tables.holder_text, held), *(limit.sentence for limit in closed)]
    return Group(shown, slots, *(Text(f"  {said}") for said in below))
