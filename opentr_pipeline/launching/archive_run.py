"""One ``opentr run``: from the scan to the table, with progress in between.

Every transcription happens in runs of Dagster; this only finds out which, starts them here and now
and says how they do.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentr_pipeline import terminal, wording
from opentr_pipeline.archive.media_files import Scan, scan
from opentr_pipeline.archive.recordings import probe_all
from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.cpu_slots import hearing_slots
from opentr_pipeline.devices.leases import Rank, held_by_others
from opentr_pipeline.errors import ArchiveError, InterruptedRunError
from opentr_pipeline.launching import home
from opentr_pipeline.launching.ending import when_told_to_end
from opentr_pipeline.launching.progress import (
    Progress,
    counts_text,
    left_alone_text,
    show_table,
    show_tables,
)
from opentr_pipeline.launching.speaker_progress import SpeakerProgress
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.backlog import RecordingWork
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.steps import bottleneck
from opentr_pipeline.steps.bottleneck import AsSet

if TYPE_CHECKING:
    from rich.console import Console

    from opentr_pipeline.launching.launch import RunResult

PROGRESS_S = 1.0
# Where nobody watches a terminal, a line now and then is enough for a log.
QUIET_PROGRESS_S = 15.0
ENDING = (
    "Ending: the steps under way are stopped, which may take half a minute; what is done is kept."
)


@dataclass(frozen=True)
class _Asked:
    """A command: on which archive, what it takes on, and who goes first where several wait."""

    setup: Setup
    taking: Taking
    rank: Rank

    @property
    def max_s(self) -> float:
        """Seconds of audio in a run."""
        return self.setup.settings.run_max_audio_s

    def waiting(self, slots: Sequence[WorkerSlot]) -> str:
        """Whom it waits for."""
        others = held_by_others(slots, self.setup.slots_folder)
        return f", waiting for a worker slot, which {others} holds" if others else ""


def run_archive(
    setup: Setup, found: Scan, options: ArchiveOptions, taking: Taking, rank: Rank = "usual"
) -> list[str]:
    """Transcribe what is to be taken on and print how the archive stands then.

    Args:
        setup: of the archive.
        found: what it holds.
        options: that transcripts are wanted for.
        taking: what the command takes on.
        rank: of its transcription steps, where several wait for a worker slot.

    Returns:
        A sentence for each run that did not do all of its work.

    Raises:
        InterruptedRunError: Ctrl-C.
        OpentrError: nothing could be started.
    """
    started = time.monotonic()
    all_work = _probed(setup, found, options)
    chosen = backlog.chosen(all_work, taking)
    audio_s = _audio_to_run(setup, all_work, chosen, taking)
    speakers = SpeakerProgress(setup, [one.recording for one in all_work], taking)
    if audio_s or speakers.audio_s:
        home.start_forkserver(setup)
    if not home.is_ready(setup, _partition_keys(setup, found)):
        prepare(setup, found)
    out = terminal.console()
    progress = Progress(setup.store, chosen)
    if chosen:
        slots = wording.number_text(len(setup.slots), "worker slot")
        model = options.default.model
        out.print(f"{progress.to_do(len(all_work))}, model {model}, {slots}.", soft_wrap=True)
    if to_do := speakers.to_do():
        out.print(to_do, soft_wrap=True)
    asked = _Asked(setup, taking, rank)
    results = _transcribe(asked, audio_s, progress, speakers) + _tell_speakers(asked, speakers)
    if chosen:
        show_table(out, setup.store, [one.recording for one in chosen])
        out.print()
        out.print(progress.summary(time.monotonic() - started))
        steps = [step for result in results for step in result.steps]
        if verdict := bottleneck.verdict(steps, AsSet.of(setup.settings)):
            out.print(verdict, soft_wrap=True)
    if told := speakers.summary():
        out.print(told, soft_wrap=True)
    elif not chosen and not to_do:
        out.print(f"Nothing to do: {counts_text(all_work)}.")
    out.print()
    show_tables(out, setup.store)
    return [result.sentence for result in results if result.sentence]


def scan_for_media(setup: Setup) -> Scan:
    """What the archive holds.

    Raises:
        ArchiveError: there are no media, and never were any: it is another folder that is meant.
    """
    found = scan(setup.workspace.archive)
    if found.media_files or setup.store.recordings_here():
        return found
    here = f"but {left_alone_text(found)}" if found.left_alone else "which is empty"
    raise ArchiveError(
        f"There are no media in {setup.workspace.archive}, {here}; put recordings there, or name "
        "the folder that holds them."
    )


@contextmanager
def _shown(sentence: Callable[[], str], kept: Callable[[], str]) -> Iterator[None]:
    """Show how far it is; who ends it is told what is kept."""
    try:
        with _ticking(sentence) as say, when_told_to_end(lambda: say(ENDING)):
            yield
    except KeyboardInterrupt:
        raise InterruptedRunError(kept()) from None


def prepare(setup: Setup, found: Scan) -> None:
    """Make Dagster's state folder and register the archive's partition keys."""
    from opentr_pipeline.launching import instance

    instance.prepare_home(setup, _partition_keys(setup, found))


def _partition_keys(setup: Setup, found: Scan) -> set[str]:
    """Those that have recordings, and those that had some."""
    keys = setup.partitioning.groups(found.media_files).keys()
    return keys | setup.store.partition_keys("recordings")


def _probed(setup: Setup, found: Scan, options: ArchiveOptions) -> list[RecordingWork]:
    """Look into every media file that is new; how each recording stands."""
    by_partition = setup.partitioning.groups(found.media_files)
    files = [(key, file) for key, group in by_partition.items() for file in group]
    probed: list[None] = []
    with _ticking(lambda: f"Looking into media files: {len(probed)} of {len(files)}"):
        known = probe_all(
            setup.workspace.archive,
            files,
            setup.probe_memory,
            lambda: probed.append(None),
        )
    return backlog.judge(known, setup.store.index(by_partition), options)


def _audio_to_run(
    setup: Setup, all_work: Sequence[RecordingWork], chosen: Sequence[RecordingWork], taking: Taking
) -> dict[str, float]:
    """Seconds of audio of each partition that needs a run, for recordings or a changed folder."""
    audio_s = backlog.audio_by_partition(chosen)
    if not taking.is_everything:
        return audio_s
    outdated = backlog.outdated_partitions((one.recording for one in all_work), setup.store)
    return {**dict.fromkeys(outdated, 0.0), **audio_s}


def _transcribe(
    asked: _Asked, audio_s: dict[str, float], progress: Progress, speakers: SpeakerProgress
) -> "list[RunResult]":
    """Start the runs that are needed, one after another; they tell speakers apart as well."""
    if not audio_s:
        return []

    def sentence() -> str:
        return f"{progress.sentence()}{speakers.beside()}{asked.waiting(asked.setup.slots)}"

    speakers.expect(progress.recordings)
    with _shown(sentence, progress.kept):
        from opentr_pipeline.launching import launch

        after_each = progress.look_at_published
        results = launch.execute_all(audio_s, asked.max_s, asked.taking, asked.rank, after_each)
    # Where something failed, what follows was held up.
    speakers.look_what_is_left()
    return results


def _tell_speakers(asked: _Asked, speakers: SpeakerProgress) -> "list[RunResult]":
    """Start the runs that only tell speakers apart, or take them back."""
    if not speakers.audio_s:
        return []
    slots = hearing_slots(asked.setup.slots)
    with _shown(lambda: f"{speakers.sentence()}{asked.waiting(slots)}", speakers.kept):
        from opentr_pipeline.launching import launch

        audio_s, after_each = speakers.audio_s, speakers.look_at_published
        return launch.tell_all_speakers(audio_s, asked.max_s, asked.taking, asked.rank, after_each)


@contextmanager
def _ticking(sentence: Callable[[], str]) -> Iterator[Callable[[str], None]]:
    """Show a sentence that changes: on one line of a terminal, else a line now and then.

    Yields:
        What prints a line of its own meanwhile.
    """
    # A descriptor of its own: a run redirects what is printed to standard error.
    with os.fdopen(os.dup(2), "w") as stream:
        err = terminal.console(stream)
        over = threading.Event()
        thread = threading.Thread(target=_tick, args=(err, sentence, over), daemon=True)
        thread.start()
        try:
            yield lambda line: err.print(line, soft_wrap=True)
        finally:
            over.set()
            thread.join()


def _tick(err: "Console", sentence: Callable[[], str], over: threading.Event) -> None:
    if not err.is_terminal:
        while not over.wait(QUIET_PROGRESS_S):
            err.print(sentence(), soft_wrap=True)
        return
    from rich.live import Live
    from rich.spinner import Spinner

    spinner = Spinner("dots", style="status.spinner")
    # Not ``Console.status``: it would show here what a run prints into its log.
    with Live(spinner, console=err, transient=True, redirect_stdout=False, redirect_stderr=False):
        while not over.wait(PROGRESS_S):
            spinner.update(text=sentence())
