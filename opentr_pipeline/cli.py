"""``opentr``: the commands. Imports are inside them, because every step imports this module."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opentr_pipeline.errors import OpentrError
from opentr_pipeline.settings import PROJECT_ROOT, Settings, load_settings

if TYPE_CHECKING:
    from opentr_pipeline.options import ArchiveOptions
    from opentr_pipeline.plan import Taking
    from opentr_pipeline.worker_slots import Rank


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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Transcribe a media archive into Parquet. Settings: see .env.example."""


archive_argument = click.argument(
    "archive", required=False, type=click.Path(path_type=Path, file_okay=False)
)


def _settings(archive: Path | None) -> Settings:
    if archive:
        os.environ["ARCHIVE_DIR"] = str(archive.absolute())
    return load_settings()


def _options(settings: Settings, fetch: bool) -> "tuple[ArchiveOptions, int]":
    """The options and the number of worker slots; what cannot work is refused here."""
    from opentr_pipeline import devices, models
    from opentr_pipeline.options import archive_options

    slots = devices.worker_slots(settings, devices.list_cards())
    name = models.model_name(settings, slots)
    if fetch:
        model = models.fetch(name, settings.models_root, partial(click.echo, err=True))
    else:
        model = models.find(name, settings.models_root)
    return archive_options(settings, model, slots), len(slots)


@main.command()
@archive_argument
def run(archive: Path | None) -> None:
    """Transcribe all that is not done in ARCHIVE (default: ARCHIVE_DIR)."""
    from opentr_pipeline.plan import Taking

    _run(_settings(archive), Taking())


@main.command("retry-failed")
@archive_argument
def retry_failed(archive: Path | None) -> None:
    """Transcribe the recordings with status failed once more, and nothing else."""
    from opentr_pipeline.plan import Taking

    _run(_settings(archive), Taking("failed"))


@main.command()
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
    settings = _settings(archive)
    night = nights.taking_of(settings, datetime.now(UTC))
    taking = Taking(
        audio_budget_s=night.audio_budget_s if budget else None,
        deadline=night.deadline if until else None,
    )
    _run(settings, taking, "backfills")


def _run(settings: Settings, taking: "Taking", rank: "Rank" = "usual") -> None:
    from opentr_pipeline import archive_run

    options, num_slots = _options(settings, fetch=True)
    sentences = archive_run.run_archive(settings, options, num_slots, taking, rank)
    for sentence in sentences:
        click.echo(f"opentr: {sentence}", err=True)
    sys.exit(1 if sentences else 0)


@main.command()
@archive_argument
def scan(archive: Path | None) -> None:
    """List what the archive holds, reading no contents, and register its partitions."""
    from rich.table import Table
    from rich.text import Text

    from opentr_pipeline import archive as archives
    from opentr_pipeline import archive_run, overview

    settings = _settings(archive)
    found = archives.scan(settings.archive_root)
    archive_run.prepare(settings, found)
    table = Table("partition", "media files", "MB", box=None, header_style="bold", pad_edge=False)
    for key, files in found.by_partition(settings).items():
        size_mb = sum(file.size_bytes for file in files) / 1e6
        table.add_row(Text(key), str(len(files)), f"{size_mb:.1f}")
    console = archive_run.console()
    console.print(table)
    console.print(f"{len(found.media_files)} media files in {settings.archive_root}.")
    if found.left_alone:
        console.print(f"Left alone: {overview.left_alone_text(found)}.")


@main.command()
@archive_argument
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(archive: Path | None, as_json: bool) -> None:
    """Say what is done, missing, stale and failed, and what runs."""
    import dataclasses
    import json

    from opentr_pipeline import archive as archives
    from opentr_pipeline import devices, overview, services, worker_slots

    settings = _settings(archive)
    options, _ = _options(settings, fetch=False)
    found = archives.scan(settings.archive_root)
    facts = overview.look(settings, found, options)
    slots = devices.worker_slots(settings, devices.list_cards())
    used = worker_slots.slots_in_use(slots, worker_slots.slots_folder(settings))
    running = services.DevServices.of(settings)
    if as_json:
        page = running.address if running.is_running() else None
        more = {"num_worker_slots": len(slots), "num_slots_in_use": len(used), "page": page}
        click.echo(json.dumps({**dataclasses.asdict(facts), **more}, indent=2))
        return
    click.echo(f"archive       {settings.archive_root} ({facts.num_partitions} partitions)")
    click.echo(f"done          {facts.num_done} ({overview.hours(facts.done_audio_s)} h)")
    for state in ("missing", "stale", "failed"):
        click.echo(f"{state:14}{getattr(facts, f'num_{state}')}")
    if facts.num_unprobed:
        click.echo(f"not probed    {facts.num_unprobed} (./opentr.sh run looks into them)")
    click.echo(f"worker slots  {len(used)} of {len(slots)} in use")
    click.echo(f"page          {running.address if running.is_running() else 'not started'}")


@main.group("models", cls=Commands)
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


@main.command()
@click.argument("stack", type=click.Choice(["dev"]))
@click.option("--gpu-scale", is_flag=True, help="Set GPU_SCALE_ENABLED=true for this start.")
def start(stack: str, gpu_scale: bool) -> None:
    """Bring up the page and the daemon on this machine."""
    from opentr_pipeline import archive as archives
    from opentr_pipeline import archive_run, services

    if gpu_scale:
        os.environ["GPU_SCALE_ENABLED"] = "true"
    settings = load_settings()
    options, num_slots = _options(settings, fetch=True)
    archive_run.prepare(settings, archives.scan(settings.archive_root))
    running = services.DevServices.of(settings)
    running.start()
    click.echo(
        f"The page is at {running.address}, archive {settings.archive_root}, model "
        f"{options.default.model}, {num_slots} worker slot{'s' if num_slots > 1 else ''}; "
        "./opentr.sh stop ends it."
    )


@main.command()
def stop() -> None:
    """End the page, the daemon and the runs that they started."""
    from opentr_pipeline import services

    ended = services.DevServices.of(load_settings()).stop()
    click.echo("Stopped." if ended else "Nothing was running.")


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
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


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--quick", is_flag=True, help="Without the slow ones; under two minutes.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(quick: bool, arguments: tuple[str, ...]) -> None:
    """Run the tests; further arguments go to pytest."""
    marks = ["-m", "not slow"] if quick else []
    command = [sys.executable, "-m", "pytest", *marks, *arguments]
    sys.exit(subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode)


@main.command("help")
@click.pass_context
def help_command(context: click.Context) -> None:
    """Show this list."""
    click.echo(main.get_help(context.parent or context))


if __name__ == "__main__":
    main()
