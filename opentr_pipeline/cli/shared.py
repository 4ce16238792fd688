"""What the commands share: the group, the arguments, the settings that they work with."""

import dataclasses
import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opentr_pipeline.errors import OpentrError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentr_pipeline.archive.media_files import Scan
    from opentr_pipeline.devices.cards import WorkerSlot
    from opentr_pipeline.planning.backlog import RecordingWork
    from opentr_pipeline.planning.options import ArchiveOptions
    from opentr_pipeline.settings.environment import Settings


class Commands(click.Group):
    """Commands in the order of use; errors of ours end as one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As defined, not sorted."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OpentrError as error:
            click.echo(f"opentr: {error}", err=True)
            sys.exit(2)


archive_argument = click.argument(
    "archive", required=False, type=click.Path(path_type=Path, file_okay=False)
)
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")
gpu_scale_option = click.option(
    "--gpu-scale", is_flag=True, help="Set GPU_SCALE_ENABLED=true for this start."
)


def settings_of(archive: Path | None, *, gpu_scale: bool | None = None) -> "Settings":
    """The settings, with the archive and the flag that were typed.

    Args:
        archive: where one was named.
        gpu_scale: the flag of a start; None: that of the services that run, if they do.
    """
    from opentr_pipeline.settings.environment import load_settings

    if archive:
        os.environ["ARCHIVE_DIR"] = str(archive.absolute())
    settings = load_settings()
    if gpu_scale is None:
        from opentr_pipeline.services import dev

        gpu_scale = dev.DevServices.of(settings).is_scaled()
    if not gpu_scale or settings.gpu_scale_enabled:
        return settings
    os.environ["GPU_SCALE_ENABLED"] = "true"
    return load_settings()


def options_of(
    settings: "Settings", *, fetch: bool, to_start: bool = False
) -> "tuple[ArchiveOptions, tuple[WorkerSlot, ...]]":
    """The options and the worker slots; what cannot work is refused here.

    Args:
        settings: of the archive.
        fetch: a model that is not there, instead of refusing.
        to_start: the workers as well, so that they must have room.
    """
    from opentr_pipeline.devices import cards as devices
    from opentr_pipeline.monitoring import doctor
    from opentr_pipeline.planning.options import archive_options
    from opentr_pipeline.recognition import budget, fetching, models

    cards = devices.find_cards()
    slots = devices.worker_slots(settings, cards.devices)
    if to_start:
        if said := doctor.unused_card(settings, cards):
            click.echo(f"opentr: {said}", err=True)
        budget.check_fits(settings, slots)
    name = models.model_name(settings, slots)
    if fetch:
        model = fetching.fetch(name, settings.workspace.models, partial(click.echo, err=True))
    else:
        model = models.find(name, settings.workspace.models)
    return archive_options(settings, model, slots), slots


def forget_memory_limits(settings: "Settings", slots: "Sequence[WorkerSlot]") -> None:
    """Try again what was too much for the devices, unless services run: they have learnt it."""
    from opentr_pipeline.devices import leases, memory_limits
    from opentr_pipeline.services import dev

    if not dev.services_of(settings).is_running():
        memory_limits.forget(slots, leases.slots_folder(settings))


def print_json(facts: Any) -> None:
    """Print facts for programs: a dataclass, a list of them, or plain values."""
    click.echo(json.dumps(facts, indent=2, default=dataclasses.asdict))


def known(settings: "Settings") -> "tuple[Scan, list[RecordingWork], int]":
    """What the archive holds, how it stands, the number of worker slots."""
    from opentr_pipeline.archive import media_files as archives
    from opentr_pipeline.planning import overview

    options, slots = options_of(settings, fetch=False)
    found = archives.scan(settings.workspace.archive)
    return found, overview.probed_work(settings, found, options), len(slots)


def until_interrupt(act: "Callable[[], object]", every_s: float) -> None:
    """Do it again and again, until Ctrl-C."""
    try:
        while True:
            act()
            time.sleep(every_s)
    except KeyboardInterrupt:
        return
