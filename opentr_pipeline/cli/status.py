"""The commands of people who run an archive: how it stands, how fast, what went wrong."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opentr_pipeline.cli.shared import (
    archive_argument,
    json_option,
    options_of,
    print_json,
    settings_of,
    show_checks,
)
from opentr_pipeline.cli.stack import logs_prod

if TYPE_CHECKING:
    from opentr_pipeline.archive.media_files import Scan
    from opentr_pipeline.planning.backlog import RecordingWork
    from opentr_pipeline.settings.environment import Settings

TICK_S = 2.0
LOG_TICK_S = 0.3
# Where nobody watches a terminal, a line now and then is enough for a log.
QUIET_TICK_S = 15.0
# Prometheus asks every minute by default, and the sensor may have changed something by then.
METRICS_TICK_S = 30.0
NUM_LOG_LINES = 50
NUM_FILES_SHOWN = 10


@click.command()
@archive_argument
@json_option
@click.option("--watch", is_flag=True, help="Show it again every other second, until Ctrl-C.")
def status(archive: Path | None, as_json: bool, watch: bool) -> None:
    """Say what is done, missing, stale and failed, and what runs."""
    from rich.live import Live

    from opentr_pipeline import terminal
    from opentr_pipeline.cli import tables
    from opentr_pipeline.monitoring.status import StatusWatch

    settings = settings_of(archive)
    looking = StatusWatch(settings, *options_of(settings, fetch=False))
    console = terminal.console()
    if as_json:
        print_json(looking.status().for_programs())
    elif not watch:
        console.print(tables.of_status(settings, looking.status()))
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            _until_interrupt(
                lambda: live.update(tables.of_status(settings, looking.status()), refresh=True),
                TICK_S,
            )
    else:
        line = tables.status_line
        _until_interrupt(lambda: console.print(line(looking.status())), QUIET_TICK_S)


def _until_interrupt(act: Callable[[], object], every_s: float) -> None:
    try:
        while True:
            act()
            time.sleep(every_s)
    except KeyboardInterrupt:
        return


@click.command()
@archive_argument
@json_option
def eta(archive: Path | None, as_json: bool) -> None:
    """Say what is left to do, and until when, by the speed of late."""
    from opentr_pipeline import terminal
    from opentr_pipeline.cli import tables
    from opentr_pipeline.quality import pace
    from opentr_pipeline.transcripts.store import TranscriptStore

    settings = settings_of(archive)
    found, all_work, num_slots = _known(settings)
    num_unprobed = len(found.media_files) - len(all_work)
    store = TranscriptStore(settings.output_root)
    facts = pace.eta(all_work, num_unprobed, store, num_slots)
    if as_json:
        print_json(facts)
    else:
        terminal.console().print(tables.of_eta(facts))


def _known(settings: "Settings") -> "tuple[Scan, list[RecordingWork], int]":
    """What the archive holds, how it stands, the number of worker slots."""
    from opentr_pipeline.archive import media_files as archives
    from opentr_pipeline.planning import overview

    options, slots = options_of(settings, fetch=False)
    found = archives.scan(settings.archive_root)
    return found, overview.probed_work(settings, found, options), len(slots)


@click.command()
@archive_argument
@json_option
def throughput(archive: Path | None, as_json: bool) -> None:
    """Show how much was transcribed, per hour and per day, and how fast."""
    from datetime import datetime

    from opentr_pipeline import terminal
    from opentr_pipeline.cli import tables
    from opentr_pipeline.quality import pace
    from opentr_pipeline.transcripts.store import TranscriptStore

    store = TranscriptStore(settings_of(archive).output_root)
    published = pace.finished(store)
    hours, days = pace.throughput(published, datetime.now().astimezone())
    if as_json:
        print_json({"hours": hours, "days": days})
    else:
        terminal.console().print(tables.of_throughput(hours, days))


@click.command()
@archive_argument
@json_option
@click.option("--all", "every", is_flag=True, help="Name every recording.")
def errors(archive: Path | None, as_json: bool, every: bool) -> None:
    """Say which recordings are not as they should be, why, and what to do."""
    from opentr_pipeline import terminal
    from opentr_pipeline.cli import tables
    from opentr_pipeline.quality import problems
    from opentr_pipeline.transcripts.store import TranscriptStore

    settings = settings_of(archive)
    _, all_work, _ = _known(settings)
    store = TranscriptStore(settings.output_root)
    classes = problems.errors(all_work, store, None if every else NUM_FILES_SHOWN)
    if as_json:
        print_json(classes)
    else:
        terminal.console().print(tables.of_errors(classes))


@click.command()
@archive_argument
@json_option
def queue(archive: Path | None, as_json: bool) -> None:
    """Show the runs that wait or work, and who holds the worker slots."""
    from opentr_pipeline import terminal
    from opentr_pipeline.cli import tables
    from opentr_pipeline.devices import cards
    from opentr_pipeline.devices.leases import holders, ranks_waiting, slots_folder
    from opentr_pipeline.devices.memory_limits import closed_slots
    from opentr_pipeline.launching.run_state import active_runs

    settings = settings_of(archive)
    slots = cards.worker_slots(settings, cards.list_cards())
    runs = active_runs(settings)
    folder = slots_folder(settings)
    held, waiting = holders(slots, folder), ranks_waiting(slots, folder)
    closed = closed_slots(slots, folder)
    if as_json:
        more = {"num_worker_slots": len(slots), "slots_in_use": held, "ranks_waiting": waiting}
        print_json({"runs": runs, **more, "closed_slots": closed})
    else:
        terminal.console().print(tables.of_queue(runs, held, len(slots), waiting, closed))


@click.command()
@archive_argument
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write them to a file."
)
@click.option("--watch", is_flag=True, help="Again every half minute, until Ctrl-C.")
def metrics(archive: Path | None, output: Path | None, watch: bool) -> None:
    """Print figures for Prometheus, as node exporter's textfile collector reads them."""
    from opentr_pipeline.monitoring import metrics as prometheus
    from opentr_pipeline.monitoring.status import StatusWatch

    settings = settings_of(archive)
    looking = StatusWatch(settings, *options_of(settings, fetch=False))

    def act() -> None:
        if output:
            prometheus.write(output, looking.status(), settings.archive_root)
        else:
            click.echo(prometheus.text(looking.status(), settings.archive_root), nl=False)

    if watch:
        _until_interrupt(act, METRICS_TICK_S)
    else:
        act()


@click.command()
@click.argument("name", required=False)
@click.argument("service", required=False)
@click.option("-f", "--follow/--no-follow", default=None, help="Default: on a terminal.")
def logs(name: str | None, service: str | None, follow: bool | None) -> None:
    """Show a log: dev (the default), runs, a worker slot's (worker-0 is the first), or prod.

    Of prod one SERVICE may be named.
    """
    import sys

    from opentr_pipeline.devices import cards
    from opentr_pipeline.devices.leases import worker_names
    from opentr_pipeline.services import log_files

    if follow is None:
        follow = sys.stdout.isatty()
    settings = settings_of(None)
    if name == "prod":
        logs_prod(settings, service, follow=follow)
    home = settings.dagster_home
    # Asked for only where needed: what is wrong with a device must not hide a log that is there.
    known = name is None or name in log_files.existing(home)
    slots = () if known else cards.worker_slots(settings, cards.list_cards())
    path = log_files.named(home, name or "dev", worker_names(slots))
    click.echo(f"{path}; there are: {', '.join(log_files.existing(home))}.", err=True)
    followed = log_files.Followed(path)
    _echo(log_files.last_lines(path, NUM_LOG_LINES))
    if follow:
        _until_interrupt(lambda: _echo(followed.new_lines()), LOG_TICK_S)


def _echo(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


@click.command()
@archive_argument
@json_option
def health(archive: Path | None, as_json: bool) -> None:
    """Check everything, one line each; exit code 1 where something is wrong."""
    from opentr_pipeline.monitoring.health import check_all

    show_checks(check_all(lambda: settings_of(archive)), as_json=as_json)
