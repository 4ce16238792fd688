"""``opentr logs``: the end of a log, and what is added to it."""

import sys

import click

from opentr_pipeline.cli.shared import setup_of, until_interrupt
from opentr_pipeline.cli.stack import logs_prod

LOG_TICK_S = 0.3
NUM_LOG_LINES = 50


@click.command()
@click.argument("name", required=False)
@click.argument("service", required=False)
@click.option("-f", "--follow/--no-follow", default=None, help="Default: on a terminal.")
def logs(name: str | None, service: str | None, follow: bool | None) -> None:
    """Show a log: dev (the default), runs, a worker slot's (worker-0 is the first), or prod.

    Of prod one SERVICE may be named.
    """
    from opentr_pipeline.devices.leases import worker_names
    from opentr_pipeline.services import log_files

    if follow is None:
        follow = sys.stdout.isatty()
    setup = setup_of(None)
    if name == "prod":
        logs_prod(setup.settings, service, follow=follow)
    home = setup.workspace.dagster_home
    # Asked for only where needed: what is wrong with a device must not hide a log that is there.
    known = name is None or name in log_files.existing(home)
    slots = () if known else setup.slots
    path = log_files.named(home, name or "dev", worker_names(slots))
    click.echo(f"{path}; there are: {', '.join(log_files.existing(home))}.", err=True)
    followed = log_files.Followed(path)
    _echo(log_files.last_lines(path, NUM_LOG_LINES))
    if follow:
        until_interrupt(lambda: _echo(followed.new_lines()), LOG_TICK_S)


def _echo(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)
