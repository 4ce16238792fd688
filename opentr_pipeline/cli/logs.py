"""``opentr logs``: the end of a log, and what is added to it."""

import sys
from pathlib import Path

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import place_of, setup_to_look, until_interrupt
from opentr_pipeline.cli.stack import logs_prod
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.wording import uncoloured

LOG_TICK_S = 0.3
NUM_LOG_LINES = 50
NAMES = ("dev", "runs", "prod")


@click.command()
@click.argument("words", nargs=-1, metavar="[ARCHIVE] [NAME]")
@click.option("-f", "--follow/--no-follow", default=None, help="Default: on a terminal.")
def logs(words: tuple[str, ...], follow: bool | None) -> None:
    """Show a log of ARCHIVE (default: ARCHIVE_DIR).

    NAME is dev (the services, the default), runs (those of command lines), a worker slot's
    (worker-0 is the first), or prod, of which a service may be named as well.
    """
    from opentr_pipeline.devices.leases import worker_names
    from opentr_pipeline.services import log_files

    if follow is None:
        follow = sys.stdout.isatty()
    archive, name, service = _split(words)
    setup = setup_to_look(archive)
    if name == "prod":
        logs_prod(setup.settings, service, follow=follow)
    home = setup.workspace.dagster_home
    # Asked for only where needed: what is wrong with a device must not hide a log that is there.
    known = name is None or name in log_files.existing(home)
    slots = () if known else setup.slots
    path = log_files.named(home, name or "dev", worker_names(slots))
    terminal.say(f"{path}; there are: {', '.join(log_files.existing(home))}.", err=True)
    followed = log_files.Followed(path)
    _echo(log_files.last_lines(path, NUM_LOG_LINES))
    if follow:
        until_interrupt(lambda: _echo(followed.new_lines()), LOG_TICK_S)


def _split(words: tuple[str, ...]) -> tuple[Place | None, str | None, str | None]:
    """The archive, the log and the service: a first word with a slash, or a folder's, is one."""
    first = words[0] if words else "dev"
    is_archive = "/" in first or (first not in NAMES and Path(first).is_dir())
    names = words[is_archive:]
    if len(names) > 2 or (len(names) == 2 and names[0] != "prod"):
        raise click.UsageError(f"{names[1]} is one name too many; logs shows one log.")
    name, service = (*names, None, None)[:2]
    return place_of(first) if is_archive else None, name, service


def _echo(lines: list[str]) -> None:
    for line in lines:
        terminal.say(uncoloured(line))
