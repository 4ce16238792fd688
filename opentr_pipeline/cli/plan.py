"""``opentr plan``: what workers and batches need of the memory, and what fits."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, json_option, print_json, setup_of
from opentr_pipeline.commands import command
from opentr_pipeline.settings.addresses import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opentr_pipeline.planning.setup import Setup
    from opentr_pipeline.planning.speaker_work import SpeakersToDo
    from opentr_pipeline.quality.pace import Pace
    from opentr_pipeline.recognition.budget import Budget, Workload

# Enough for a steady speed, and not of long ago.
NUM_MEASURED = 200
VERDICT_STYLES = {"does not fit": "red", "tight": "yellow", "more workers than useful": "dim"}


@click.command()
@archive_argument
@json_option
@click.option("--model", metavar="NAME", help="Another model than the settings mean.")
def plan(archive: Place | None, as_json: bool, model: str | None) -> None:
    """Show what workers and batches need of the memory, and what fits."""
    from opentr_pipeline.errors import ModelError
    from opentr_pipeline.planning.setup import Setup
    from opentr_pipeline.quality import pace
    from opentr_pipeline.recognition import budget, models

    setup = setup_of(archive)
    if model:
        setup = Setup(setup.settings.model_copy(update={"whisper_model": model}))
    work = setup.workers.work
    if work.shape is None:
        if not models.is_directory_name(work.model):
            models.check_known(work.model)
        raise ModelError(
            f"What the model {work.model} needs is unknown until it is here: "
            f"{command(f'models fetch {work.model}')}."
        )
    like = {"model": work.model, "compute_type": work.compute_type}
    speed = pace.pace(pace.finished(setup.store, **like)[-NUM_MEASURED:])
    own = setup.workers.budgets()
    rows = budget.alternatives(own, work)
    measured = setup.workspace.benchmarks
    speakers = _speakers(setup)
    speeds = [_speed_x(row, work, measured, speed.speed_x if row in own else None) for row in rows]
    if as_json:
        facts = [
            {**dataclasses.asdict(row), "verdict": row.verdict, "speed_x": speed_x}
            for row, speed_x in zip(rows, speeds, strict=True)
        ]
        memory = {"workload": work, "as_set": own, "rows": facts, "lately": speed}
        print_json({**memory, "speakers": speakers})
    else:
        shown = list(zip(rows, speeds, strict=True))
        terminal.console().print(of_plan(work, own, shown, speed, _meanings(rows)))
        if said := str(speakers):
            terminal.say(f"Speakers are {said}, on the CPU.")


def _speakers(setup: "Setup") -> "SpeakersToDo":
    """What is to be done about speakers; the archive is looked at only where somebody asks."""
    from opentr_pipeline.archive.media_files import scan
    from opentr_pipeline.planning.backlog import known_recordings
    from opentr_pipeline.planning.speaker_work import SpeakersToDo, speakers_matter, speakers_to_do

    if not speakers_matter(setup):
        return SpeakersToDo()
    return speakers_to_do(setup, known_recordings(setup, scan(setup.workspace.archive)))


def _meanings(rows: "Sequence[Budget]") -> list[str]:
    """What the verdicts mean that need a word, of those that were given."""
    from opentr_pipeline.recognition import budget

    given = {(row.verdict, row.device.is_cpu) for row in rows}
    useful = "more workers than useful"
    meanings = {
        budget.TIGHT_MEANS: ("tight", True) in given or ("tight", False) in given,
        budget.USEFUL_ON_A_CPU: (useful, True) in given,
        budget.USEFUL_ON_A_CARD: (useful, False) in given,
    }
    return [meaning for meaning, is_given in meanings.items() if is_given]


def _speed_x(row: "Budget", work: "Workload", folder: Path, lately_x: float | None) -> float | None:
    """As ``bench scaling`` measured it, else that of late; None where nobody measured it."""
    from opentr_pipeline.monitoring import scaling

    measured = scaling.load(scaling.result_path(folder, row.device, work.model))
    if measured is None or measured.compute_type != work.compute_type:
        return lately_x
    if measured.batch_size != row.batch_size:
        return lately_x
    speeds = {one.num_workers: one.speed_x for one in measured.rows if not one.failure}
    return speeds.get(row.num_workers, lately_x)


def of_plan(
    work: "Workload",
    own: "Sequence[Budget]",
    rows: "Sequence[tuple[Budget, float | None]]",
    lately: "Pace",
    meanings: Sequence[str],
) -> "RenderableType":
    """What fits: a table for each device; the row that the settings mean is marked.

    Args:
        work: of each worker.
        own: what the settings mean.
        rows: and others, with the speed that was measured.
        lately: the pace of what was transcribed.
        meanings: of the verdicts.
    """
    from rich.console import Group
    from rich.text import Text

    from opentr_pipeline.cli import tables

    parts: list[RenderableType] = []
    for as_set in own:
        names = ("workers", "batch", "needs GB", "free GB")
        table = tables.table(*((name, "right") for name in names))
        table.add_column("speed", justify="right")
        table.add_column("verdict")
        for row, speed_x in rows:
            if row.device != as_set.device:
                continue
            is_set = row == as_set
            measured = tables.speed_text(speed_x, "not measured")
            cells = (str(row.num_workers), str(row.batch_size), _gb(row.needed_bytes))
            style = "bold" if is_set else VERDICT_STYLES.get(row.verdict, "")
            verdict = f"{row.verdict} (as set)" if is_set else row.verdict
            table.add_row(*cells, _gb(row.room.free_bytes), measured, verdict, style=style)
        model = f"{work.model}, {work.compute_type}, beam size {work.beam_size}"
        parts += [Text(f"{as_set.device.description}: {model}", style="bold"), table]
    said = f"{command('bench scaling')} measures the speed."
    if lately.speed_x:
        said = f"The last {lately.num_recordings} recordings went at {lately.speed_x:.1f}x; {said}"
    return Group(*parts, Text(said), *map(Text, meanings))


def _gb(num_bytes: int | None) -> str:
    return "unknown" if num_bytes is None else f"{num_bytes / 1e9:.1f}"
