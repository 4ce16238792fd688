"""``opentr``: the commands. Imports are inside them, because every step imports this module."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opentr_pipeline.errors import OpentrError
from opentr_pipeline.settings import PROJECT_ROOT, Settings, load_settings

if TYPE_CHECKING:
    from opentr_pipeline.archive import Scan
    from opentr_pipeline.models import Model
    from opentr_pipeline.transcriber import TranscriptionOptions
    from opentr_pipeline.work import RecordingWork, Selection

PROGRESS_S = 1.0
# Where nobody watches a terminal, a line now and then is enough for a log.
QUIET_PROGRESS_S = 15.0


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


def _model_and_options(
    settings: Settings, fetch: bool
) -> "tuple[Model, TranscriptionOptions, int]":
    """The model, the options and the number of worker slots; all refusals happen here."""
    from opentr_pipeline import devices, models, transcriber

    slots = devices.worker_slots(settings, devices.list_cards())
    name = models.model_name(settings, slots)
    say = lambda sentence: click.echo(sentence, err=True)  # noqa: E731
    if fetch:
        model = models.fetch(name, settings.models_root, say)
    else:
        model = models.find(name, settings.models_root)
    return model, transcriber.transcription_options(settings, model, slots), len(slots)


@main.command()
@archive_argument
def run(archive: Path | None) -> None:
    """Transcribe all that is not done in ARCHIVE (default: ARCHIVE_DIR)."""
    _run(_settings(archive), "pending")


@main.command("retry-failed")
@archive_argument
def retry_failed(archive: Path | None) -> None:
    """Transcribe the recordings with status failed once more, and nothing else."""
    _run(_settings(archive), "failed")


def _run(settings: Settings, selection: "Selection") -> None:
    from opentr_pipeline import archive as archives
    from opentr_pipeline import overview

    _, options, num_slots = _model_and_options(settings, fetch=True)
    found = archives.scan(settings.archive_root)
    all_work = _probed(settings, found, options.settings_fingerprint)
    chosen = [work for work in all_work if work.is_selected(selection)]
    console = _console()
    _prepare(settings, found)
    if chosen:
        console.print(
            f"{len(chosen)} of {len(all_work)} recordings to transcribe, "
            f"{overview.hours(overview.audio_s(chosen))} h of audio, model {options.model}, "
            f"{num_slots} worker slot{'s' if num_slots > 1 else ''}.",
            highlight=False,
        )
    sentences = _execute(settings, all_work, options.settings_fingerprint, selection)
    chosen_first = sorted(all_work, key=lambda work: not work.is_selected(selection))
    overview.show_table(console, settings, [work.recording.recording_id for work in chosen_first])
    if not chosen:
        console.print(f"\nNothing to do: {overview.counts_text(all_work)}.", highlight=False)
    for sentence in sentences:
        click.echo(f"opentr: {sentence}", err=True)
    sys.exit(1 if sentences else 0)


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120)


def _probed(settings: Settings, found: "Scan", fingerprint: str) -> "list[RecordingWork]":
    """Look into every media file that is new; how each recording stands."""
    from opentr_pipeline import recordings, work
    from opentr_pipeline.transcript_store import TranscriptStore

    by_partition = found.by_partition(settings)
    files = [(key, file) for key, group in by_partition.items() for file in group]
    probed: list[None] = []
    with _ticking(lambda: f"Looking into media files: {len(probed)} of {len(files)}"):
        known = recordings.probe_all(
            settings.archive_root,
            files,
            work.probe_memory(settings),
            lambda: probed.append(None),
        )
    return work.judge(known, TranscriptStore(settings.output_root).index(by_partition), fingerprint)


def _prepare(settings: Settings, found: "Scan") -> None:
    """Dagster's state folder, with the archive's partition keys registered."""
    from opentr_pipeline import launch

    launch.prepare_home(settings)
    launch.register_partitions(found.by_partition(settings))


def _execute(
    settings: Settings,
    all_work: "Sequence[RecordingWork]",
    fingerprint: str,
    selection: "Selection",
) -> list[str]:
    """Launch the runs that are needed; sentences for what went wrong."""
    from opentr_pipeline import launch, overview, work
    from opentr_pipeline.transcript_store import TranscriptStore

    chosen = [one for one in all_work if one.is_selected(selection)]
    store = TranscriptStore(settings.output_root)
    outdated = work.outdated_partitions((one.recording for one in all_work), store)
    audio_s = dict.fromkeys(outdated, 0.0)
    for one in chosen:
        key = one.recording.partition_key
        audio_s[key] = audio_s.get(key, 0.0) + overview.audio_s([one])
    progress = overview.Progress(settings, chosen, fingerprint)
    sentences = []
    with _ticking(progress.sentence):
        for run_range in launch.run_ranges(audio_s, settings.run_max_audio_s):
            sentence = launch.execute(run_range, selection)
            sentences += [sentence] if sentence else []
    return sentences


@contextlib.contextmanager
def _ticking(sentence: Any) -> Iterator[None]:
    """Show a sentence that changes: on one line of a terminal, else a line now and then."""
    from rich.console import Console

    console = Console(file=os.fdopen(os.dup(2), "w"))
    over = threading.Event()

    def tick() -> None:
        if console.is_terminal:
            with console.status("") as status:
                while not over.wait(PROGRESS_S):
                    status.update(sentence())
        else:
            while not over.wait(QUIET_PROGRESS_S):
                console.print(sentence(), highlight=False, soft_wrap=True)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@main.command()
@archive_argument
def scan(archive: Path | None) -> None:
    """List what the archive holds, reading no contents, and register its partitions."""
    from rich.table import Table
    from rich.text import Text

    from opentr_pipeline import archive as archives
    from opentr_pipeline import overview

    settings = _settings(archive)
    found = archives.scan(settings.archive_root)
    _prepare(settings, found)
    table = Table("partition", "media files", "MB", box=None, header_style="bold", pad_edge=False)
    for key, files in found.by_partition(settings).items():
        size_mb = sum(file.size_bytes for file in files) / 1e6
        table.add_row(Text(key), str(len(files)), f"{size_mb:.1f}")
    console = _console()
    console.print(table)
    console.print(f"{len(found.media_files)} media files in {settings.archive_root}.")
    if found.left_alone:
        console.print(f"Left alone: {overview.left_alone_text(found)}.", highlight=False)


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
    _, options, _ = _model_and_options(settings, fetch=False)
    found = archives.scan(settings.archive_root)
    facts = overview.look(settings, found, options.settings_fingerprint)
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
    from opentr_pipeline import services

    if gpu_scale:
        os.environ["GPU_SCALE_ENABLED"] = "true"
    settings = load_settings()
    _, options, num_slots = _model_and_options(settings, fetch=True)
    _prepare(settings, archives.scan(settings.archive_root))
    running = services.DevServices.of(settings)
    running.start()
    click.echo(
        f"The page is at {running.address}, archive {settings.archive_root}, model "
        f"{options.model}, {num_slots} worker slot{'s' if num_slots > 1 else ''}; "
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
