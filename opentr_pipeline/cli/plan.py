"""The commands about devices: what fits on them, and whether they can be used."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opentr_pipeline.cli.shared import (
    archive_argument,
    json_option,
    print_json,
    settings_of,
    show_checks,
)

if TYPE_CHECKING:
    from opentr_pipeline.recognition.budget import Budget, Workload
    from opentr_pipeline.settings.environment import Settings

# Enough for a steady speed, and not of long ago.
NUM_MEASURED = 200


@click.command()
@archive_argument
@json_option
@click.option("--model", metavar="NAME", help="Another model than the settings mean.")
def plan(archive: Path | None, as_json: bool, model: str | None) -> None:
    """Show what workers and batches need of the memory, and what fits."""
    from opentr_pipeline import terminal
    from opentr_pipeline.cli import tables
    from opentr_pipeline.devices import cards
    from opentr_pipeline.errors import ModelError
    from opentr_pipeline.quality import pace
    from opentr_pipeline.recognition import budget
    from opentr_pipeline.transcripts.store import TranscriptStore

    settings = settings_of(archive)
    if model:
        settings = settings.model_copy(update={"whisper_model": model})
    slots = cards.worker_slots(settings, cards.list_cards())
    work = budget.workload(settings, slots)
    if work.shape is None:
        raise ModelError(
            f"What the model {work.model} needs is unknown until it is here: ./opentr.sh models "
            f"fetch {work.model}."
        )
    store = TranscriptStore(settings.output_root)
    like = {"model": work.model, "compute_type": work.compute_type}
    speed = pace.pace(pace.finished(store, **like)[-NUM_MEASURED:])
    own = budget.budgets(settings, slots, work)
    rows = budget.alternatives(own, work)
    speeds = [_speed_x(row, work, settings, speed.speed_x if row in own else None) for row in rows]
    if as_json:
        facts = [
            {**dataclasses.asdict(row), "verdict": row.verdict, "speed_x": speed_x}
            for row, speed_x in zip(rows, speeds, strict=True)
        ]
        print_json({"workload": work, "as_set": own, "rows": facts, "lately": speed})
    else:
        shown = list(zip(rows, speeds, strict=True))
        terminal.console().print(tables.of_plan(work, own, shown, speed, budget.VERDICTS_MEAN))


def _speed_x(
    row: "Budget", work: "Workload", settings: "Settings", lately_x: float | None
) -> float | None:
    """As ``bench scaling`` measured it, else that of late; None where nobody measured it."""
    from opentr_pipeline.monitoring import scaling

    measured = scaling.load(scaling.result_path(settings, row.device, work.model))
    if measured is None or measured.compute_type != work.compute_type:
        return lately_x
    if measured.batch_size != row.batch_size:
        return lately_x
    speeds = {one.num_workers: one.speed_x for one in measured.rows if not one.failure}
    return speeds.get(row.num_workers, lately_x)


@click.command()
@archive_argument
@json_option
def doctor(archive: Path | None, as_json: bool) -> None:
    """Check the machine, its cards and what fits; exit code 1 where something is wrong."""
    from opentr_pipeline.monitoring.doctor import examine

    show_checks(examine(lambda: settings_of(archive)), as_json=as_json)
