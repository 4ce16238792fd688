"""Dagster's state folder, and runs launched from the command line (the CLI's part of the shell)."""

import hashlib
import multiprocessing
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRunStatus, execute_job, reconstructable
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import MAX_RETRIES_TAG

from opentr_pipeline import definitions
from opentr_pipeline.defs.gpu_slots import GPU_POOL, PRELOAD_MODULES, PRIORITIES, PRIORITY_TAG
from opentr_pipeline.defs.partitions import archive_partitions, register_partitions
from opentr_pipeline.defs.run_config import plan_config
from opentr_pipeline.defs.run_launcher import HOST_TAG
from opentr_pipeline.devices.cards import list_cards, worker_slots
from opentr_pipeline.devices.leases import Rank
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.locks import locked
from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.planning.run_ranges import RunRange, grouped
from opentr_pipeline.settings.environment import PROJECT_ROOT, Settings, is_in_stack
from opentr_pipeline.steps.figures import StepFigures

LOG_NAME = "runs.log"
# The pool counts runs, those of command lines too. Five of them may be for long: two of backfills,
# two of a night (see dagster.yaml) and one of the stock; they fill all slots shard after shard. The
# others are for uploads, which get the next slot, and for what people launch. The lease, not the
# pool, is the guarantee.
POOL_EXTRA = 9
ARCHIVE_KEY = "opentr/archive"
# The last thing that is made in a fresh state folder.
PREPARED = "pool_limit"
# The URL holds a password: the file names the variable.
LOCAL_LAUNCHER = "run_launcher\n  class: LocalRunLauncher"
CONTAINER_LAUNCHER = "container_launcher\n  class: ContainerRunLauncher"
POSTGRES_STORAGE = """
storage:
  postgres:
    postgres_url:
      env: DAGSTER_POSTGRES_URL
"""


def enter_home(settings: Settings) -> None:
    """Name the archive and Dagster's state folder to the processes that this one starts."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ["ARCHIVE_DIR"] = str(settings.archive_root)
    os.environ["DAGSTER_POSTGRES_URL"] = settings.dagster_postgres_url
    # A night looks at the whole archive before it asks for runs; a minute is the default.
    os.environ.setdefault("DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "900")


def start_forkserver(settings: Settings) -> None:
    """Let the server that a run's steps are forked from import what they need, meanwhile.

    Dagster would start it with the first step; by then it can be ready.
    """
    enter_home(settings)
    multiprocessing.set_forkserver_preload(PRELOAD_MODULES)
    with _printing_to(settings.dagster_home / LOG_NAME):
        forkserver.ensure_running()


def is_prepared(home: Path) -> bool:
    """Whether the databases of a state folder are there; whoever opens them earlier breaks them.

    Args:
        home: from the settings' ``dagster_home``.
    """
    return (home / PREPARED).exists()


def prepare_home(settings: Settings, partition_keys: Iterable[str] = ()) -> None:
    """Make Dagster's state folder of the archive, once, and register its partition keys.

    The first processes of a fresh folder would race for its databases and break them for good;
    hence the lock.

    Raises:
        SettingsError: PostgreSQL is asked for and its driver is not installed, or the database
            holds the state of another archive.
    """
    url = settings.dagster_postgres_url
    if url and not find_spec("dagster_postgres"):
        raise SettingsError(
            "DAGSTER_POSTGRES_URL needs the extra postgres: .venv/bin/pip install -e '.[postgres]'."
        )
    enter_home(settings)
    home = settings.dagster_home
    with locked(home / "prepare.lock"):
        _write_dagster_yaml(home / "dagster.yaml", settings)
        limit = len(worker_slots(settings, list_cards())) + POOL_EXTRA
        note = f"{limit} {hashlib.sha256(url.encode()).hexdigest()}"
        done = home / PREPARED
        if not done.exists() or done.read_text() != note:
            with DagsterInstance.get() as instance:
                instance.event_log_storage.set_concurrency_slots(GPU_POOL, limit)
            done.write_text(note)
    with DagsterInstance.get() as instance:
        if url:
            _claim_database(instance, settings.archive_slug)
        register_partitions(instance, partition_keys)


def _claim_database(instance: DagsterInstance, archive: str) -> None:
    """Two archives in one database would run each other's runs."""
    storage = instance.run_storage
    theirs = storage.get_cursor_values({ARCHIVE_KEY}).get(ARCHIVE_KEY, archive)
    if theirs != archive:
        raise SettingsError(
            f"DAGSTER_POSTGRES_URL holds the state of the archive {theirs}, not of {archive}; give "
            "each archive a database of its own."
        )
    storage.set_cursor_values({ARCHIVE_KEY: archive})


def _write_dagster_yaml(path: Path, settings: Settings) -> None:
    """The project's own, linked; with PostgreSQL a copy that says so, for want of conditions."""
    project = PROJECT_ROOT / "dagster.yaml"
    in_postgres = bool(settings.dagster_postgres_url)
    if not in_postgres and path.is_symlink() and path.exists():
        return
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    if in_postgres:
        text = project.read_text()
        if is_in_stack():
            text = text.replace(LOCAL_LAUNCHER, CONTAINER_LAUNCHER)
        fresh.write_text(text + POSTGRES_STORAGE)
    else:
        fresh.symlink_to(project)
    os.replace(fresh, path)


def run_ranges(audio_s: dict[str, float], max_audio_s: float) -> list[RunRange]:
    """Group partitions with work into runs of bounded size.

    Args:
        audio_s: seconds of audio to transcribe, for each registered partition that has any work.
        max_audio_s: in one run; a partition with more is a run of its own.
    """
    with DagsterInstance.get() as instance:
        order = instance.get_dynamic_partitions(str(archive_partitions.name))
    return grouped(order, audio_s, max_audio_s)


@dataclass(frozen=True)
class RunResult:
    """How a run went.

    Attributes:
        sentence: None where everything got a transcript, else what is wrong.
        steps: the figures of its transcription steps.
    """

    sentence: str | None
    steps: list[StepFigures]


def execute(run_range: RunRange, taking: Taking, rank: Rank = "usual") -> RunResult:
    """Run the main job on some partitions, here and now.

    What Dagster and the libraries of its steps print goes to ``runs.log`` in the state folder.

    Args:
        run_range: the partitions.
        taking: what the run takes on.
        rank: of its transcription steps, where several wait for a worker slot.
    """
    run_config: dict[str, Any] = {
        **plan_config(taking),
        "loggers": {"console": {"config": {"log_level": "WARNING"}}},
    }
    with DagsterInstance.get() as instance, _printing_to(Path(instance.root_directory, LOG_NAME)):
        result = execute_job(
            reconstructable(definitions.transcribe_archive_job),
            instance,
            run_config=run_config,
            tags={
                **run_range.tags,
                PRIORITY_TAG: PRIORITIES[rank],
                HOST_TAG: socket.gethostname(),
                # Whoever ends a command does not want the daemon to take it up.
                MAX_RETRIES_TAG: "0",
            },
            raise_on_error=False,
        )
        _pass_on_interrupt(instance, result)
    return RunResult(None if result.success else _why(result), _figures(result))


def _figures(result: Any) -> list[StepFigures]:
    """What the transcription steps said of themselves with their outputs."""
    outputs = [event.step_output_data for event in result.all_events if event.is_successful_output]
    facts = [{name: one.value for name, one in output.metadata.items()} for output in outputs]
    return [StepFigures.of_metadata(one) for one in facts if "worker_slot" in one]


def _pass_on_interrupt(instance: DagsterInstance, result: Any) -> None:
    """Ctrl-C ends the command, not the one run that Dagster ends by it."""
    run = instance.get_run_by_id(result.run_id)
    interrupted = any(
        getattr(event.event_specific_data, "failure_reason", None)
        == RunFailureReason.UNEXPECTED_TERMINATION
        for event in result.all_events
    )
    if interrupted or (run and run.status == DagsterRunStatus.CANCELED):
        raise KeyboardInterrupt


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Send what this process and its children print into a file."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _why(result: Any) -> str:
    """The sentence of the op that refused, else the last step's error."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    for failure in reversed(failures):
        if failure.user_failure_data and failure.user_failure_data.description:
            return str(failure.user_failure_data.description)
    for failure in reversed(failures):
        if failure.error:
            return str(failure.error.message).strip()
    return f"The run {result.run_id} did not succeed; the page shows its events."
