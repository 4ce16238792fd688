"""The commands about devices: what fits on them, and whether they can be used."""

import dataclasses
from pathlib import Path

import click

from opentr_pipeline.commands import (
    archive_argument,
    json_option,
    print_json,
    settings_of,
    show_checks,
)

# Enough for a steady speed, and not of long ago.
NUM_MEASURED = 200


@click.command()
@archive_argument
@json_option
@click.option("--model", metavar="NAME", help="Another model than the settings mean.")
def plan(archive: Path | None, as_json: bool, model: str | None) -> None:
    """Show what workers and batches need of the memory, and what fits."""
    from opentr_pipeline import budget, devices, operations, overview, screens
    from opentr_pipeline.errors import ModelError
    from opentr_pipeline.transcript_store import TranscriptStore

    settings = settings_of(archive)
    if model:
        settings = settings.model_copy(update={"whisper_model": model})
    slots = devices.worker_slots(settings, devices.list_cards())
    work = budget.workload(settings, slots)
    if work.shape is None:
        raise ModelError(
            f"What the model {work.model} needs is unknown until it is here: ./opentr.sh models "
            f"fetch {work.model}."
        )
    store = TranscriptStore(settings.output_root)
    like = {"model": work.model, "compute_type": work.compute_type}
    speed = operations.pace(operations.finished(store, **like)[-NUM_MEASURED:])
    own = budget.budgets(settings, slots, work)
    rows = budget.alternatives(settings, slots, work)
    if as_json:
        facts = [{**dataclasses.asdict(row), "verdict": row.verdict} for row in rows]
        print_json({"workload": work, "as_set": own, "rows": facts, "measured": speed})
    else:
        overview.console().print(screens.of_plan(work, own, rows, speed, budget.VERDICTS_MEAN))


@click.command()
@archive_argument
@json_option
def doctor(archive: Path | None, as_json: bool) -> None:
    """Check the machine, its cards and what fits; exit code 1 where something is wrong."""
    from opentr_pipeline.doctor import examine

    show_checks(examine(lambda: settings_of(archive)), as_json=as_json)
