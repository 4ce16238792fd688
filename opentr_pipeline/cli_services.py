"""The commands that start, stop and reset the services of an archive."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from opentr_pipeline.commands import gpu_scale_option, options_of, settings_of
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.settings import Settings

if TYPE_CHECKING:
    from opentr_pipeline.devices import WorkerSlot

stack_argument = click.argument("stack", type=click.Choice(["dev"]))


@click.command()
@stack_argument
@gpu_scale_option
def start(stack: str, gpu_scale: bool) -> None:
    """Bring up the page and the daemon on this machine."""
    _start(settings_of(None, gpu_scale=gpu_scale))


def _start(settings: Settings) -> None:
    from opentr_pipeline import archive as archives
    from opentr_pipeline import archive_run, services

    options, slots = options_of(settings, fetch=True, to_start=True)
    archive_run.prepare(settings, archives.scan(settings.archive_root))
    running = services.DevServices.of(settings)
    if not running.is_running():
        running.stop()  # where they were killed, what is left of them may hold worker slots
    forget_memory_limits(settings, slots)
    running.start()
    click.echo(
        f"The page is at {running.address}, archive {settings.archive_root}, model "
        f"{options.default.model}, {len(slots)} worker slot{'s' if len(slots) > 1 else ''}; "
        "./opentr.sh stop ends it."
    )


def forget_memory_limits(settings: Settings, slots: "Sequence[WorkerSlot]") -> None:
    """Try again what was too much for the devices, unless services run: they have learnt it."""
    from opentr_pipeline import memory_limits, services, worker_slots

    if not services.DevServices.of(settings).is_running():
        memory_limits.forget(slots, worker_slots.slots_folder(settings))


@click.command()
def stop() -> None:
    """End the page, the daemon and the runs that they started."""
    from opentr_pipeline import services

    ended = services.DevServices.of(settings_of(None)).stop()
    click.echo("Stopped." if ended else "Nothing was running.")


@click.command()
@stack_argument
@gpu_scale_option
@click.option("--outputs", is_flag=True, help="Delete the transcripts of this archive as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(stack: str, gpu_scale: bool, outputs: bool, yes: bool) -> None:
    """Stop, delete Dagster's state of this archive, and start again.

    The archive and the models are never touched; transcripts only with --outputs.
    """
    from opentr_pipeline import reset as resetting
    from opentr_pipeline import services

    settings = settings_of(None, gpu_scale=gpu_scale)
    options_of(settings, fetch=False, to_start=True)  # what cannot be started again is not deleted
    resetting.check_possible(settings)
    folders = resetting.to_delete(settings, outputs=outputs)
    for folder, size_bytes in folders.items():
        click.echo(f"{size_bytes / 1e6:10.1f} MB  {folder}")
    if not yes:
        if not sys.stdin.isatty():
            raise ServiceError("reset asks before it deletes; without a terminal say --yes.")
        click.confirm("Delete this?", abort=True)
    services.DevServices.of(settings).stop()
    resetting.delete(folders)
    _start(settings)
