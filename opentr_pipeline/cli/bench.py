"""``opentr bench``: what this machine really does."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    Commands,
    archive_argument,
    json_option,
    options_of,
    print_json,
    setup_of,
)
from opentr_pipeline.commands import command
from opentr_pipeline.errors import ArchiveError, ModelError, ServiceError
from opentr_pipeline.settings.addresses import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opentr_pipeline.devices.cards import WorkerSlot
    from opentr_pipeline.monitoring.card import Weights
    from opentr_pipeline.monitoring.scaling import Scaling
    from opentr_pipeline.settings.workspace import Workspace


@click.group("bench", cls=Commands)
def bench() -> None:
    """Measure this machine."""


def _numbers(_: object, __: object, said: str) -> tuple[int, ...]:
    from opentr_pipeline.settings.values import MAX_WORKERS

    try:
        numbers = tuple(int(number) for number in said.split(","))
    except ValueError:
        numbers = (0,)
    if not all(1 <= number <= MAX_WORKERS for number in numbers):
        raise click.BadParameter(f"numbers from 1 to {MAX_WORKERS} such as 1,2,4,6, got {said!r}")
    return numbers


@bench.command("scaling")
@archive_argument
@click.option(
    "--workers", metavar="1,2,4,6", default="1,2,4,6", callback=_numbers, show_default=True
)
@json_option
def scaling(archive: Place | None, workers: tuple[int, ...], as_json: bool) -> None:
    """Measure speed and memory with several numbers of workers, on ARCHIVE's own media.

    On the device of the worker slots: GPU_SCALE_DEVICE_ID where scaling is on, else GPU_DEVICE_ID.
    Nothing is kept but the measurement; the machine should have nothing else to do.
    """
    from opentr_pipeline.monitoring import scaling as measuring
    from opentr_pipeline.monitoring import scaling_chart
    from opentr_pipeline.monitoring.scaling_workers import Bench

    setup = setup_of(archive)
    options = options_of(setup, fetch=True).default
    slot, *_ = setup.slots
    made = Bench(setup.model, slot.device, options, setup.workers.batch_size(slot))
    with _held(setup.slots, setup.slots_folder):
        measured = measuring.measure(
            made,
            _folder(setup.workspace),
            measuring.Turns(workers),
            lambda said: terminal.say(said, err=True),
        )
    path = measuring.result_path(setup.workspace.benchmarks, slot.device, measured.model)
    measuring.save(measured, path)
    if as_json:
        print_json(measured)
        return
    console = terminal.console()
    console.print(of_scaling(measured))
    console.print(f"figures  {path}", soft_wrap=True)
    chart = path.with_suffix(".png")
    scaling_chart.draw(measured, chart)
    console.print(f"chart    {chart}", soft_wrap=True)


@bench.command("card")
@archive_argument
@click.option("--model", metavar="NAME", help="Default: WHISPER_MODEL.")
@click.option(
    "--workers", metavar="1,2,4,6", default="1,2,4,6", callback=_numbers, show_default=True
)
@json_option
def card(archive: Place | None, model: str | None, workers: tuple[int, ...], as_json: bool) -> None:
    """Measure all that only the card itself can say, on ARCHIVE's own media, in some minutes.

    Stages by batch size, memory, arithmetic, front end, workers at once, out of memory on purpose,
    and the settings that follow. Where the model cannot be had, noise in its shape is measured: its
    speed and memory are real, its words are not.
    """
    from opentr_pipeline.devices.compute_types import compute_type
    from opentr_pipeline.monitoring import card as measuring
    from opentr_pipeline.monitoring import card_chart, card_text
    from opentr_pipeline.monitoring.scaling import Turns
    from opentr_pipeline.monitoring.scaling_workers import Bench
    from opentr_pipeline.planning.options import transcription_options

    def say(said: str) -> None:
        terminal.say(said, err=True)

    setup = setup_of(archive)
    settings, workspace, slots = setup.settings, setup.workspace, setup.slots
    device = slots[0].device
    weights = _weights(workspace, model or setup.model_name, say)
    options = dataclasses.replace(
        transcription_options(settings, weights.model, slots[:1]),
        compute_type=compute_type(settings.whisper_compute_type, {device}),
    )
    with _held(slots, setup.slots_folder):
        measured = measuring.measure(
            Bench(weights.model, device, options, 1),
            weights,
            _folder(workspace),
            Turns(workers, measuring.TURN_S, is_steady=not device.is_cpu),
            say,
        )
    path = measuring.result_path(workspace.benchmarks, measured, device)
    measuring.save(measured, path)
    path.with_suffix(".md").write_text(card_text.markdown(measured), encoding="utf-8")
    card_chart.draw(measured, path.with_suffix(".png"))
    terminal.say_all((path.read_text() if as_json else card_text.markdown(measured)) + "\n")
    for end in (".json", ".md", ".png"):
        say(f"kept     {path.with_suffix(end)}")


def _weights(workspace: "Workspace", name: str, say: "Callable[[str], object]") -> "Weights":
    """The model's own weights, else such as are made here.

    Raises:
        ModelError: neither can be had.
    """
    from opentr_pipeline.monitoring.card import Weights
    from opentr_pipeline.recognition.fetching import fetch
    from opentr_pipeline.recognition.whisper import noise
    from opentr_pipeline.recognition.whisper.shapes import known_shape, read_shape

    try:
        found = fetch(name, workspace.models, say)
    except ModelError as reason:
        shape = known_shape(name)
        if shape is None:
            raise
        say(f"{reason} Noise in its shape is measured instead.")
        donor = fetch("base", workspace.models, say)
        folder = workspace.benchmarks / "shapes" / name
        return Weights(noise.make(name, shape, donor, folder), shape, is_real=False)
    shape = read_shape(found.folder / "model.bin")
    if shape is None:
        raise ModelError(
            f"{found.folder}/model.bin is no Whisper model that can be measured; set "
            "WHISPER_MODEL to another."
        )
    return Weights(found, shape, is_real=True)


@contextmanager
def _held(slots: "Sequence[WorkerSlot]", folder: Path) -> Iterator[None]:
    """Hold every worker slot, so that no transcription begins meanwhile.

    Raises:
        ServiceError: one is under way.
    """
    from opentr_pipeline.devices.leases import lease, slots_in_use

    if used := slots_in_use(slots, folder):
        raise ServiceError(
            f"The worker slot {used[0].name} is in use, which would spoil the figures; wait until "
            f"{command('queue')} is empty, or {command('stop')}."
        )
    with ExitStack() as held:
        for slot in slots:
            held.enter_context(lease([slot], folder))
        yield


def of_scaling(scaling: "Scaling") -> "RenderableType":
    """What was measured with each number of workers."""
    from rich.console import Group
    from rich.text import Text

    from opentr_pipeline.cli import tables

    names = ("workers", "speed", "speed-up", "efficiency", "memory at most")
    table = tables.table(*((name, "right") for name in names))
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


def _folder(workspace: "Workspace") -> Path:
    """Where the recordings are that are measured with: what a network takes is not asked here."""
    if isinstance(workspace.archive, Path):
        return workspace.archive
    raise ArchiveError(
        f"{workspace.archive} is in a bucket, and bench measures with recordings of this "
        "machine; name a folder of some."
    )
