"""``opentr``: the commands. Imports are inside them, because every step imports this module."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opentr_pipeline.cli_bench import bench
from opentr_pipeline.cli_devices import doctor, plan
from opentr_pipeline.cli_export import export
from opentr_pipeline.cli_operators import (
    errors,
    eta,
    health,
    logs,
    metrics,
    queue,
    status,
    throughput,
)
from opentr_pipeline.cli_pages import pages
from opentr_pipeline.cli_search import search
from opentr_pipeline.cli_services import reset, start, stop
from opentr_pipeline.cli_stack import backup, prod, restore, serve
from opentr_pipeline.commands import (
    Commands,
    archive_argument,
    forget_memory_limits,
    options_of,
    settings_of,
)
from opentr_pipeline.settings import PROJECT_ROOT, Settings, load_settings

if TYPE_CHECKING:
    from opentr_pipeline.plan import Taking
    from opentr_pipeline.worker_slots import Rank


@click.command()
@archive_argument
def run(archive: Path | None) -> None:
    """Transcribe all that is not done in ARCHIVE (default: ARCHIVE_DIR)."""
    from opentr_pipeline.plan import Taking

    _run(settings_of(archive), Taking())


@click.command("retry-failed")
@archive_argument
def retry_failed(archive: Path | None) -> None:
    """Transcribe the recordings with status failed once more, and nothing else."""
    from opentr_pipeline.plan import Taking

    _run(settings_of(archive), Taking("failed"))


@click.command()
@archive_argument
@click.option("--budget", metavar="10h", help="Hours (or 90m) of audio at most.")
@click.option("--until", metavar="06:00", help="Begin no recording after that time of day.")
def backfill(archive: Path | None, budget: str | None, until: str | None) -> None:
    """Transcribe what is not done like run, within bounds, and let uploads go first."""
    from datetime import UTC, datetime

    from opentr_pipeline import nights
    from opentr_pipeline.plan import Taking

    # Checked like the settings of the nights, which they are.
    if budget:
        os.environ["NIGHT_BUDGET"] = budget
    if until:
        os.environ["NIGHT_UNTIL"] = until
    settings = settings_of(archive)
    night = nights.taking_of(settings, datetime.now(UTC))
    taking = Taking(
        audio_budget_s=night.audio_budget_s if budget else None,
        deadline=night.deadline if until else None,
    )
    _run(settings, taking, "backfills")


def _run(settings: Settings, taking: "Taking", rank: "Rank" = "usual") -> None:
    from opentr_pipeline import archive_run, memory_limits, worker_slots

    options, slots = options_of(settings, fetch=True, to_start=True)
    forget_memory_limits(settings, slots)
    sentences = archive_run.run_archive(settings, options, len(slots), taking, rank)
    for sentence in sentences:
        click.echo(f"opentr: {sentence}", err=True)
    where = slots, worker_slots.slots_folder(settings)
    for limit in (*memory_limits.closed_slots(*where), *memory_limits.batch_limits(*where)):
        click.echo(f"opentr: {limit.sentence}", err=True)
    sys.exit(1 if sentences else 0)


@click.command()
@archive_argument
def scan(archive: Path | None) -> None:
    """List what the archive holds, reading no contents, and register its partitions."""
    from rich.table import Table
    from rich.text import Text

    from opentr_pipeline import archive as archives
    from opentr_pipeline import archive_run, overview

    settings = settings_of(archive)
    found = archives.scan(settings.archive_root)
    archive_run.prepare(settings, found)
    table = Table("partition", "media files", "MB", box=None, header_style="bold", pad_edge=False)
    for key, files in found.by_partition(settings).items():
        size_mb = sum(file.size_bytes for file in files) / 1e6
        table.add_row(Text(key), str(len(files)), f"{size_mb:.1f}")
    console = overview.console()
    console.print(table)
    console.print(f"{len(found.media_files)} media files in {settings.archive_root}.")
    if found.left_alone:
        console.print(f"Left alone: {overview.left_alone_text(found)}.")


@click.group("models", cls=Commands)
def models_group() -> None:
    """Fetch, verify and list Whisper models."""


model_argument = click.argument("name", required=False)


@models_group.command("fetch")
@model_argument
def models_fetch(name: str | None) -> None:
    """Fetch NAME (default: the model that WHISPER_MODEL means) and verify every file."""
    from opentr_pipeline import models

    settings = load_settings()
    model = models.fetch(_model_name(settings, name), settings.models_root, click.echo)
    click.echo(f"{model.name} is in {model.folder}.")


@models_group.command("verify")
@model_argument
def models_verify(name: str | None) -> None:
    """Compare every file of a fetched model with its digest."""
    from opentr_pipeline import models

    settings = load_settings()
    model = models.verify(_model_name(settings, name), settings.models_root)
    click.echo(f"{model.name} in {model.folder} is as it was fetched.")


def _model_name(settings: Settings, name: str | None) -> str:
    from opentr_pipeline import devices, models

    return name or models.model_name(settings, devices.worker_slots(settings, devices.list_cards()))


@models_group.command("list")
def models_list() -> None:
    """List the models that are complete on disk, and the names that can be fetched."""
    from opentr_pipeline import models

    settings = load_settings()
    there = models.installed(settings.models_root)
    click.echo(f"here     {', '.join(there) or 'none yet'} ({settings.models_root})")
    click.echo(f"known    {', '.join(models.known_names())}")
    click.echo("         and any hub id (owner/name) or directory in CTranslate2 format")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dagster(arguments: tuple[str, ...]) -> None:
    """The stock dagster command, on this archive's state folder and workspace.yaml."""
    from opentr_pipeline import launch

    launch.prepare_home(load_settings())
    os.chdir(PROJECT_ROOT)  # where workspace.yaml is
    if arguments[:2] in (("asset", "materialize"), ("job", "execute")):
        # These two do not read workspace.yaml; they get the code location that it names.
        os.environ.setdefault("DAGSTER_MODULE_NAME", "opentr_pipeline.definitions")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")  # "superseded by dg"
    program = str(Path(sys.executable).with_name("dagster"))
    os.execv(program, [program, *arguments])


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--quick", is_flag=True, help="Without the slow ones; under two minutes.")
@click.option("--stack", is_flag=True, help="Those of the production stack alone; needs Docker.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(quick: bool, stack: bool, arguments: tuple[str, ...]) -> None:
    """Run the tests; further arguments go to pytest, which then runs all in one process."""
    fast = ["-m", "not slow and not stack"]
    # Most slow tests wait for services; some fast ones count threads and cannot have neighbours.
    slow = ["-m", "slow and not stack", "--numprocesses", "2", "--dist", "loadfile"]
    stages = [fast, slow]
    if stack:
        stages = [["-m", "stack"]]
    elif quick:
        stages = [fast]
    elif arguments:
        stages = [["-m", "not stack"]]
    pytest = [sys.executable, "-m", "pytest"]
    codes = [
        subprocess.run([*pytest, *stage, *arguments], cwd=PROJECT_ROOT, check=False).returncode
        for stage in stages
    ]
    sys.exit(next((code for code in codes if code), 0))


@click.command("help")
@click.pass_context
def help_command(context: click.Context) -> None:
    """Show this list."""
    click.echo(main.get_help(context.parent or context))


main = Commands(
    help="Transcribe a media archive into Parquet. Settings: see .env.example.",
    context_settings={"help_option_names": ["-h", "--help"]},
    commands=[
        *(run, retry_failed, backfill, scan),
        *(search, export, pages),
        *(status, eta, throughput, errors, queue, metrics),
        *(models_group, plan, bench, start, stop, reset, logs, health, doctor),
        *(prod, backup, restore, serve),
        *(dagster, test, help_command),
    ],
)


if __name__ == "__main__":
    main()
