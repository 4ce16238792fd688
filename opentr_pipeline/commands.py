"""What the commands share: the group, the arguments, the settings that they work with."""

import dataclasses
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opentr_pipeline.errors import OpentrError
from opentr_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from opentr_pipeline.devices import WorkerSlot
    from opentr_pipeline.options import ArchiveOptions


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


def settings_of(archive: Path | None, *, gpu_scale: bool = False) -> Settings:
    """The settings, with the archive and the flag that were typed."""
    if archive:
        os.environ["ARCHIVE_DIR"] = str(archive.absolute())
    if gpu_scale:
        os.environ["GPU_SCALE_ENABLED"] = "true"
    return load_settings()


def options_of(
    settings: Settings, *, fetch: bool
) -> "tuple[ArchiveOptions, tuple[WorkerSlot, ...]]":
    """The options and the worker slots; what cannot work is refused here."""
    from opentr_pipeline import devices, models
    from opentr_pipeline.options import archive_options

    slots = devices.worker_slots(settings, devices.list_cards())
    name = models.model_name(settings, slots)
    if fetch:
        model = models.fetch(name, settings.models_root, partial(click.echo, err=True))
    else:
        model = models.find(name, settings.models_root)
    return archive_options(settings, model, slots), slots


def print_json(facts: Any) -> None:
    """Print facts for programs: a dataclass, a list of them, or plain values."""
    click.echo(json.dumps(facts, indent=2, default=dataclasses.asdict))
