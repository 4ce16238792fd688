"""The commands of the production stack, on the host and inside its containers."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import gpu_scale_option, options_of, settings_of, setup_of
from opentr_pipeline.commands import command
from opentr_pipeline.errors import ServiceError

if TYPE_CHECKING:
    from opentr_pipeline.planning.setup import Setup
    from opentr_pipeline.services.stack import Stack
    from opentr_pipeline.settings.environment import Settings

# What makes sense inside the stack.
INSIDE = (
    *("run", "retry-failed", "backfill", "scan", "status", "eta", "throughput", "errors", "queue"),
    *("metrics", "models", "plan", "bench", "logs", "health", "doctor", "dagster"),
)
NUM_LOG_LINES = "50"
WORKSPACE = ("-w", "workspace.yaml")
CODE_SOCKET = ("-s", "/state/code.sock")
EVERYWHERE = ("-h", "0.0.0.0")
# Modules with their arguments. Every user of a host reaches the ports of its containers, and a code
# location does what it is told: hence a socket, in a folder of the containers' user.
PROGRAMS = {
    "code": ("dagster", "api", "grpc", "-m", "opentr_pipeline.definitions", *CODE_SOCKET),
    "webserver": ("opentr_pipeline.launching.guarded_page", *EVERYWHERE, "-p3000", *WORKSPACE),
    "daemon": ("dagster._daemon", "run", *WORKSPACE),
    "liveness": ("dagster._daemon", "liveness-check"),
}


def start_prod(settings: "Settings") -> None:
    """Bring up the stack and say where the page is."""
    from opentr_pipeline.services.stack import Stack

    _start(Stack(settings))


def _start(stack: "Stack") -> None:
    from opentr_pipeline.planning.places import claim_output

    claim_output(stack.settings.workspace)
    stack.start(_say)
    terminal.say(
        f"The page is at {stack.link}, archive {stack.settings.workspace.archive}; "
        f"{command('prod status')} says how it stands, {command('stop')} ends it."
    )
    say_who_may_enter(stack.settings)


def say_who_may_enter(settings: "Settings") -> None:
    """Say what it means where the page asks nobody for its link."""
    if not settings.page_token:
        _say(
            "PAGE_TOKEN=false: whoever can reach the page's port, such as every user of this "
            "machine, can start and end runs as its user."
        )


def _say(sentence: str) -> None:
    terminal.say(sentence, err=True)


def stop_prod(settings: "Settings") -> bool:
    """End the stack; False where none runs, or there is no Docker."""
    from opentr_pipeline.services.stack import Stack

    stack = Stack(settings)
    try:
        is_running = stack.is_running()
    except ServiceError:  # where no engine answers nothing runs
        return False
    if is_running:
        stack.stop()
    return is_running


def reset_prod(setup: "Setup", *, outputs: bool, yes: bool) -> None:
    """Ask, delete the stack's state, start again."""
    from opentr_pipeline.launching import reset
    from opentr_pipeline.services.stack import Stack

    stack = Stack(setup.settings)
    stack.check_possible()
    folders = reset.to_delete(setup.store, stack.state, outputs=outputs)
    confirm(folders, f"Delete this, and the database of {stack.project}?", yes=yes)
    stack.try_out(_say)  # what cannot be started again is not deleted
    stack.delete_state()
    reset.delete({folder: size for folder, size in folders.items() if folder.exists()})
    _start(stack)


def confirm(folders: dict[Path, int], question: str, *, yes: bool) -> None:
    """Show what is to be deleted, and ask.

    Raises:
        ServiceError: there is nobody to ask.
    """
    for folder, size_bytes in folders.items():
        terminal.say(f"{size_bytes / 1e6:10.1f} MB  {folder}")
    if not yes:
        if not sys.stdin.isatty():
            raise ServiceError("It asks before it deletes; without a terminal say --yes.")
        click.confirm(question, abort=True)


def logs_prod(settings: "Settings", service: str | None, *, follow: bool) -> None:
    """Show what the containers print: all of them, or those of one service."""
    from opentr_pipeline.services.stack import SERVICES, Stack

    if service and service not in SERVICES:
        raise ServiceError(
            f"The stack has no service {service}, but {', '.join(SERVICES)}; logs of worker slots: "
            f"{command('prod logs NAME')}."
        )
    options = ["--follow"] if follow else []
    services = [service] if service else []
    sys.exit(
        Stack.as_started(settings).attached("logs", "--tail", NUM_LOG_LINES, *options, *services)
    )


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("command", type=click.Choice(INSIDE))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def prod(command: str, arguments: tuple[str, ...]) -> None:
    """Run a command inside the production stack, such as prod status or prod health."""
    from opentr_pipeline.services.stack import OPENTR, Stack

    quiet = [] if sys.stdin.isatty() and sys.stdout.isatty() else ["-T"]
    inside = ["exec", *quiet, "code", *OPENTR, command, *arguments]
    sys.exit(Stack.as_started(settings_of(None)).attached(*inside))


file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@file_argument
def backup(file: Path) -> None:
    """Keep the state of the production stack in FILE; transcripts are in OUTPUT_DIR."""
    from opentr_pipeline.services import stack_backup
    from opentr_pipeline.services.stack import Stack

    size_bytes = stack_backup.backup(Stack.as_started(settings_of(None)), file)
    terminal.say(f"{file} holds the state, {size_bytes / 1e6:.1f} MB; restore takes it back.")


@click.command()
@file_argument
@gpu_scale_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(file: Path, gpu_scale: bool, yes: bool) -> None:
    """Put the state in FILE in the place of the production stack's, and start."""
    from opentr_pipeline.launching import reset
    from opentr_pipeline.services import stack_backup
    from opentr_pipeline.services.stack import Stack

    stack = Stack(settings_of(None, gpu_scale=gpu_scale))
    stack.check_possible()
    stack_backup.check(file)
    folders = {stack.state: reset.size_bytes(stack.state)} if stack.state.exists() else {}
    confirm(folders, f"Replace this, and the database of {stack.project}?", yes=yes)
    stack.try_out(_say)
    stack_backup.restore(stack, file)
    _start(stack)


@click.command(hidden=True)
@click.argument("part", type=click.Choice(["check", "prepare", *PROGRAMS]))
def serve(part: str) -> None:
    """Be what a container of the stack is."""
    from opentr_pipeline.archive import media_files as archives
    from opentr_pipeline.devices import memory_limits
    from opentr_pipeline.launching import archive_run, home
    from opentr_pipeline.settings.installation import PROJECT_ROOT

    setup = setup_of(None)
    if part in ("check", "prepare"):
        options_of(setup, fetch=True, to_start=True)
        found = archives.scan(setup.workspace.archive)
        if part == "prepare":
            memory_limits.forget(setup.slots, setup.slots_folder)  # nothing runs yet
            archive_run.prepare(setup, found)
        return
    home.enter_to_work(setup)
    os.chdir(PROJECT_ROOT)  # where workspace.yaml is
    os.execv(sys.executable, [sys.executable, "-m", *PROGRAMS[part]])
