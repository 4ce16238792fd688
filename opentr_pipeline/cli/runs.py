"""The commands that transcribe, and what they take on."""

import shlex
import sys
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    archive_argument,
    forget_memory_limits,
    options_of,
    setup_of,
)
from opentr_pipeline.commands import command
from opentr_pipeline.settings.addresses import Place

if TYPE_CHECKING:
    from opentr_pipeline.devices.leases import Rank
    from opentr_pipeline.planning.plan import Taking
    from opentr_pipeline.planning.setup import Setup
    from opentr_pipeline.transcripts.store import TranscriptStore


@click.command()
@archive_argument
def run(archive: Place | None) -> None:
    """Transcribe all that is not done in ARCHIVE (default: ARCHIVE_DIR)."""
    from opentr_pipeline.planning.plan import Taking

    _run(archive, setup_of(archive), Taking())


@click.command("retry-failed")
@archive_argument
def retry_failed(archive: Place | None) -> None:
    """Transcribe the recordings with status failed once more, and nothing else."""
    from opentr_pipeline.planning.plan import Taking

    _run(archive, setup_of(archive), Taking("failed"))


@click.command()
@archive_argument
@click.option("--budget", metavar="10h", help="Hours (or 90m) of audio at most.")
@click.option("--until", metavar="06:00", help="Begin no recording after that time of day.")
def backfill(archive: Place | None, budget: str | None, until: str | None) -> None:
    """Transcribe what is not done like run, within bounds, and let uploads go first."""
    from datetime import UTC, datetime

    from opentr_pipeline.planning import nights
    from opentr_pipeline.planning.plan import Taking

    # Checked like the settings of the nights, which they are.
    bounds = {"night_budget": budget, "night_until": until}
    setup = setup_of(archive, typed={name: said for name, said in bounds.items() if said})
    night = nights.taking_of(setup.settings, datetime.now(UTC))
    taking = Taking(
        audio_budget_s=night.audio_budget_s if budget else None,
        deadline=night.deadline if until else None,
    )
    _run(archive, setup, taking, "backfills")


def _run(archive: Place | None, setup: "Setup", taking: "Taking", rank: "Rank" = "usual") -> None:
    from opentr_pipeline.devices import memory_limits
    from opentr_pipeline.errors import InterruptedRunError
    from opentr_pipeline.launching import archive_run

    try:
        found = archive_run.scan_for_media(setup)  # before a model is fetched for it
        options = options_of(setup, fetch=True, to_start=True)
        forget_memory_limits(setup)
        sentences = archive_run.run_archive(setup, found, options, taking, rank)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            "Ended before anything was transcribed; what was found out about media files is kept, "
            "and the same command goes on from there."
        ) from None
    for line in _next_steps(archive, setup.store):
        terminal.say(line)
    for sentence in sentences:
        terminal.complain(sentence)
    where = setup.slots, setup.slots_folder
    for limit in (*memory_limits.closed_slots(*where), *memory_limits.batch_limits(*where)):
        terminal.complain(limit.sentence)
    sys.exit(1 if sentences else 0)


def _next_steps(archive: Place | None, store: "TranscriptStore") -> list[str]:
    """Three commands to go on with, where there are transcripts."""
    from opentr_pipeline.transcripts.transcript import REMEDIES

    statuses = set(store.read("transcripts", ["status"]).column("status").to_pylist())
    if not statuses:
        return []
    named = f" {shlex.quote(str(archive))}" if archive else ""
    steps = [
        (f"errors{named}", "which recordings are not as they should be, and what to do"),
        (f"search{named} WORDS", "where something is said"),
        (f"pages{named}", "a page to read and to hear for each recording"),
        (f"export{named}", "subtitles and text"),
    ]
    shown = [(command(step), gives) for step, gives in steps[statuses.isdisjoint(REMEDIES) :][:3]]
    width = max(len(step) for step, _ in shown)
    return ["", "What to do next:", *(f"  {step:{width}}  {gives}" for step, gives in shown)]


@click.command()
@archive_argument
def scan(archive: Place | None) -> None:
    """List what the archive holds, reading no contents, and register its partitions."""
    from rich.table import Table
    from rich.text import Text

    from opentr_pipeline.launching import archive_run, progress

    setup = setup_of(archive)
    found = archive_run.scan_for_media(setup)
    archive_run.prepare(setup, found)
    table = Table("partition", "media files", "MB", box=None, header_style="bold", pad_edge=False)
    for key, files in setup.partitioning.groups(found.media_files).items():
        size_mb = sum(file.size_bytes for file in files) / 1e6
        table.add_row(Text(key), str(len(files)), f"{size_mb:.1f}")
    console = terminal.console()
    console.print(table)
    console.print(f"{len(found.media_files)} media files in {setup.workspace.archive}.")
    if found.left_alone:
        console.print(f"Left alone: {progress.left_alone_text(found)}.")
