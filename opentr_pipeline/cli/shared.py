"""What the commands share: the group, the arguments, the settings that they work with."""

import contextlib
import dataclasses
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opentr_pipeline import terminal
from opentr_pipeline.errors import ArchiveError, OpentrError, StoreError
from opentr_pipeline.settings.addresses import BucketAddress, Place, is_bucket
from opentr_pipeline.shortages import shortage
from opentr_pipeline.wording import visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentr_pipeline.archive.media_files import Scan
    from opentr_pipeline.planning.backlog import RecordingWork
    from opentr_pipeline.planning.options import ArchiveOptions
    from opentr_pipeline.planning.setup import Setup
    from opentr_pipeline.settings.environment import Settings

MAX_SENTENCE = 1000


class Commands(click.Group):
    """Commands in the order of use; errors of ours end as one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As defined, not sorted."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Under one heading."""
        self.format_group("Commands", self.list_commands(ctx), ctx, formatter)

    def format_group(
        self,
        title: str,
        names: "Iterable[str]",
        ctx: click.Context,
        formatter: click.HelpFormatter,
    ) -> None:
        """Of each command its first sentence, which click would cut to fit a line."""
        found = [(name, self.get_command(ctx, name)) for name in names]
        with formatter.section(title):
            formatter.write_dl(
                [
                    (name, one.get_short_help_str(MAX_SENTENCE))
                    for name, one in found
                    if one and not one.hidden
                ]
            )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OpentrError as error:
            terminal.complain(error)
            sys.exit(error.exit_code)
        except click.ClickException as error:  # which click prints, sometimes with a help in lines
            error.message = visible_lines(error.message)  # type: ignore[misc]
            raise
        except Exception as error:
            if said := shortage(error, _written_folders()):
                terminal.complain(said)
                sys.exit(2)
            raise


class ListingCommands(Commands):
    """A group that lists where none of its commands is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; what is no command is what to list."""
        is_ours = args[:1] and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_ours else ["list", *args])


def archive_before(words: tuple[str, ...], count: int) -> tuple[Place | None, tuple[str, ...]]:
    """The archive, where one more word than needed is typed, and the others.

    Raises:
        click.UsageError: more or fewer words are typed.
    """
    if len(words) not in (count, count + 1):
        context = click.get_current_context()
        raise click.UsageError(f"takes {context.command.params[0].metavar}.", context)
    is_named = len(words) > count
    return (place_of(words[0]) if is_named else None), words[is_named:]


def _written_folders() -> dict[str, Path]:
    """Where this installation writes, by the variables that name it."""
    with contextlib.suppress(Exception):  # something is wrong already, and is being said
        workspace = settings_of(None).workspace
        return {"OPENTR_HOME": workspace.home, "OUTPUT_DIR": workspace.output}
    return {}


def place_of(said: str) -> Place:
    """The archive that was typed.

    Raises:
        ArchiveError: it is a file.
    """
    if is_bucket(said):
        return BucketAddress(said)
    path = Path(said)
    if path.is_file():
        raise ArchiveError(
            f"{said} is a file, and an archive is a folder of recordings; put it into one, and "
            "name that."
        )
    return path


def path_in_archive(path: str, archive_root: Place) -> str:
    """A path as the tables have it: from the archive's root on."""
    from opentr_pipeline.wording import readable

    if isinstance(archive_root, BucketAddress):
        return readable(path.removeprefix(f"{archive_root}/").strip("/"))
    where = archive_root / path
    if not where.is_relative_to(archive_root):
        raise StoreError(f"{path} is not in the archive {archive_root}; name what is.")
    return readable(str(where.relative_to(archive_root)))


def _archive(context: click.Context, parameter: click.Parameter, said: str | None) -> Place | None:
    return place_of(said) if said else None


archive_argument = click.argument("archive", required=False, callback=_archive)
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")
gpu_scale_option = click.option(
    "--gpu-scale", is_flag=True, help="Set GPU_SCALE_ENABLED=true for this start."
)

cluster_option = click.option(
    "--cluster", metavar="http://HEAD:8265", help="Set CLUSTER_ADDRESS for this start."
)


def settings_of(
    archive: Place | None,
    *,
    gpu_scale: bool | None = None,
    typed: "Mapping[str, str] | None" = None,
) -> "Settings":
    """The settings, with what was typed.

    Args:
        archive: where one was named.
        gpu_scale: the flag of a start; None: where services run scaled, their worker slots.
        typed: other settings.
    """
    from opentr_pipeline.settings.environment import load_settings
    from opentr_pipeline.settings.given import SLOT_SETTINGS, changed_settings

    typed_place = archive.absolute() if isinstance(archive, Path) else archive
    named = {"archive_dir": str(typed_place)} if archive else {}
    settings = changed_settings(load_settings(), {**named, **(typed or {})})
    if gpu_scale is None:
        from opentr_pipeline.services import dev

        running = dev.DevServices.of(settings).started_with()
        if running.get("gpu_scale_enabled") or running.get("cluster_address"):
            theirs = {name: running[name] for name in SLOT_SETTINGS if name in running}
            return changed_settings(settings, theirs)
    if not gpu_scale or settings.gpu_scale_enabled:
        return settings
    return changed_settings(settings, {"gpu_scale_enabled": True})


def settings_to_look(archive: Place | None) -> "Settings":
    """The settings for a command that only looks: of the services that run, where they do.

    Whoever asks in another shell has not said there what they were started with.
    """
    from opentr_pipeline.services import dev
    from opentr_pipeline.settings.given import changed_settings

    settings = settings_of(archive, gpu_scale=False)
    running = dev.DevServices.of(settings).started_with()
    return changed_settings(settings, running) if running else settings


def setup_to_look(archive: Place | None) -> "Setup":
    """The same settings, with what follows from them on this machine."""
    from opentr_pipeline.planning.setup import Setup

    return Setup(settings_to_look(archive))


def setup_of(
    archive: Place | None,
    *,
    gpu_scale: bool | None = None,
    typed: "Mapping[str, str] | None" = None,
) -> "Setup":
    """The same settings, with what follows from them on this machine."""
    from opentr_pipeline.planning.setup import Setup

    return Setup(settings_of(archive, gpu_scale=gpu_scale, typed=typed))


def options_of(setup: "Setup", *, fetch: bool, to_start: bool = False) -> "ArchiveOptions":
    """The options of an archive; what cannot work is refused here.

    Args:
        setup: of the archive.
        fetch: models that are not there, instead of refusing.
        to_start: the workers as well, so that they must have room.
    """
    from opentr_pipeline.monitoring import doctor
    from opentr_pipeline.planning import hosts
    from opentr_pipeline.recognition import fetching

    if to_start and setup.settings.cluster_address:
        hosts.check_possible(setup.settings)
        hosts.meet(setup.settings)
    elif to_start:
        if said := doctor.unused_card(setup.settings, setup.cards):
            terminal.complain(said)
        setup.workers.check_fits()
    if fetch:
        fetching.fetch(setup.model_name, setup.workspace.models, partial(terminal.say, err=True))
    options = setup.options
    if to_start:
        _ready_for_speakers(setup, fetch=fetch)
    return options


def _ready_for_speakers(setup: "Setup", *, fetch: bool) -> None:
    """Where somebody asks for these: what each recording would fail for is refused here."""
    from opentr_pipeline.planning.speaker_options import are_speakers_wanted

    if are_speakers_wanted(setup.settings):
        from opentr_pipeline.speakers import fetching, models

        models.check_installed()
        if fetch:
            fetching.fetch(setup.workspace.models, partial(terminal.say, err=True))
        models.find(setup.workspace.models)


def forget_memory_limits(setup: "Setup") -> None:
    """Try again what was too much for the devices, unless services run: they have learnt it."""
    from opentr_pipeline.devices import memory_limits
    from opentr_pipeline.services import dev

    if not dev.services_of(setup.settings).is_running():
        memory_limits.forget(setup.slots, setup.slots_folder)


def print_json(facts: Any) -> None:
    """Print facts for programs: a dataclass, a list of them, or plain values."""
    terminal.say_all(json.dumps(facts, indent=2, default=dataclasses.asdict) + "\n")


def known(setup: "Setup") -> "tuple[Scan, list[RecordingWork]]":
    """What the archive holds, and how it stands."""
    from opentr_pipeline.archive import media_files as archives
    from opentr_pipeline.planning import overview

    options = setup.options_to_look()
    found = archives.scan(setup.workspace.archive)
    return found, overview.probed_work(setup, found, options)


def until_interrupt(act: "Callable[[], object]", every_s: float) -> None:
    """Do it again and again, until Ctrl-C."""
    try:
        while True:
            act()
            time.sleep(every_s)
    except KeyboardInterrupt:
        return
