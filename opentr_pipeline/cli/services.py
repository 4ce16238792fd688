"""The commands that start, stop and reset the services of an archive."""

from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    cluster_option,
    forget_memory_limits,
    gpu_scale_option,
    options_of,
    settings_of,
    setup_of,
)
from opentr_pipeline.cli.stack import (
    confirm,
    reset_prod,
    say_who_may_enter,
    start_prod,
    stop_prod,
)
from opentr_pipeline.commands import command

if TYPE_CHECKING:
    from opentr_pipeline.planning.setup import Setup

stack_argument = click.argument("stack", type=click.Choice(["dev", "prod"]))


@click.command()
@stack_argument
@gpu_scale_option
@cluster_option
def start(stack: str, gpu_scale: bool, cluster: str | None) -> None:
    """Bring up the page and the daemon: on this machine (dev), or in containers (prod)."""
    typed = {"cluster_address": cluster} if cluster else None
    setup = setup_of(None, gpu_scale=gpu_scale, typed=typed)
    if stack == "prod":
        start_prod(setup.settings)
    else:
        _start(setup)


def _start(setup: "Setup") -> None:
    from opentr_pipeline.archive import media_files as archives
    from opentr_pipeline.launching import archive_run
    from opentr_pipeline.services import dev
    from opentr_pipeline.site.beside import link_of_pages

    dev.DevServices.of(setup.settings).check_none_runs()
    options = options_of(setup, fetch=True, to_start=True)
    archive_run.prepare(setup, archives.scan(setup.workspace.archive))
    running = dev.DevServices.of(setup.settings)
    if not running.is_running():
        running.stop()  # where they were killed, what is left of them may hold worker slots
    forget_memory_limits(setup)
    running.start()
    num_slots = len(setup.slots)
    terminal.say(
        f"The page is at {running.link}, archive {setup.workspace.archive}, model "
        f"{options.default.model}, {num_slots} worker slot{'s' if num_slots > 1 else ''}; "
        f"{command('stop')} ends it."
    )
    terminal.say(f"The pages of the archive are beside it, at {link_of_pages(running)}")
    say_who_may_enter(setup.settings)


@click.command()
def stop() -> None:
    """End the page, the daemon and the runs that they started, of dev and of prod."""
    from opentr_pipeline.services import dev

    settings = settings_of(None)
    ended = {"dev": dev.DevServices.of(settings).stop(), "prod": stop_prod(settings)}
    stopped = [stack for stack, was_running in ended.items() if was_running]
    terminal.say(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")


@click.command()
@stack_argument
@gpu_scale_option
@click.option("--outputs", is_flag=True, help="Delete the transcripts of this archive as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(stack: str, gpu_scale: bool, outputs: bool, yes: bool) -> None:
    """Stop, delete Dagster's state of this archive, and start again.

    The archive and the models are never touched; transcripts only with --outputs.
    """
    from opentr_pipeline.launching import reset as resetting
    from opentr_pipeline.services import dev

    setup = setup_of(None, gpu_scale=gpu_scale)
    settings = setup.settings
    if stack == "prod":
        reset_prod(setup, outputs=outputs, yes=yes)
        return
    options_of(setup, fetch=False, to_start=True)  # what cannot be started again is not deleted
    resetting.check_possible(setup.workspace)
    folders = resetting.to_delete(setup.store, settings.workspace.state, outputs=outputs)
    if outputs and (bucket := settings.workspace.output_bucket):
        terminal.say(
            f"What is in {bucket} stays, and is followed again; its keeper's tools delete it."
        )
    confirm(folders, "Delete this?", yes=yes)
    dev.DevServices.of(settings).stop()
    resetting.delete(folders)
    _start(setup)
