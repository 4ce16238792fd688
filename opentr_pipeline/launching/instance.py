"""Dagster's state folder of an archive: made once, opened by whoever needs it."""

import hashlib
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path

from dagster import DagsterInstance

from opentr_pipeline.defs.gpu_slots import GPU_POOL, PRELOAD_MODULES
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.locks import locked
from opentr_pipeline.plain_files import private_folder
from opentr_pipeline.planning import places
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.services.log_files import turn_over
from opentr_pipeline.settings.environment import is_in_stack
from opentr_pipeline.settings.given import SLOT_SETTINGS
from opentr_pipeline.settings.installation import installing, stock
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.whole_files import replacing

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


def enter_home(workspace: Workspace) -> None:
    """Name the archive and its state to Dagster, here and in the processes that this one starts."""
    private_folder(workspace.state)
    workspace.dagster_home.mkdir(exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(workspace.dagster_home)
    os.environ["ARCHIVE_DIR"] = str(workspace.archive)
    os.environ["DAGSTER_POSTGRES_URL"] = workspace.database
    # A night looks at the whole archive before it asks for runs; a minute is the default.
    os.environ.setdefault("DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "900")


def enter_to_work(setup: Setup) -> None:
    """The same, where runs are to be started.

    Dagster starts their steps as processes that load the definitions, which read this.
    """
    enter_home(setup.workspace)
    for name in SLOT_SETTINGS:
        value = getattr(setup.settings, name)
        os.environ[name.upper()] = str(value).lower() if isinstance(value, bool) else str(value)


def start_forkserver(setup: Setup) -> None:
    """Let the server that a run's steps are forked from import what they need, meanwhile.

    Dagster would start it with the first step; by then it can be ready.
    """
    enter_to_work(setup)
    multiprocessing.set_forkserver_preload(PRELOAD_MODULES)
    with printing_to(setup.workspace.dagster_home / LOG_NAME):
        forkserver.ensure_running()


def is_prepared(home: Path) -> bool:
    """Whether the databases of a state folder are there; whoever opens them earlier breaks them.

    Args:
        home: a workspace's ``dagster_home``.
    """
    return (home / PREPARED).exists()


def prepare_home(setup: Setup, partition_keys: Iterable[str] = ()) -> None:
    """Make Dagster's state folder of the archive, once, and register its partition keys.

    The first processes of a fresh folder would race for its databases and break them for good;
    hence the lock.

    Raises:
        SettingsError: PostgreSQL is asked for and its driver is not installed, the database holds
            the state of another archive, the output folder is another archive's, the state is that
            of another output folder, or a device is not there.
    """
    workspace, url = setup.workspace, setup.workspace.database
    if url and not find_spec("dagster_postgres"):
        raise SettingsError(
            f"DAGSTER_POSTGRES_URL needs the extra postgres: {installing('postgres')}."
        )
    limit = len(setup.slots) + POOL_EXTRA
    enter_to_work(setup)
    home = workspace.dagster_home
    with locked(home / "prepare.lock"):
        places.check_places(workspace)  # both, before one of them is kept
        places.claim_output(workspace)
        places.claim_state(workspace)
        _write_dagster_yaml(home / "dagster.yaml", in_postgres=bool(url))
        note = f"{limit} {hashlib.sha256(url.encode()).hexdigest()}"
        done = home / PREPARED
        if not done.exists() or done.read_text() != note:
            with DagsterInstance.get() as instance:
                instance.event_log_storage.set_concurrency_slots(GPU_POOL, limit)
            done.write_text(note)
    with DagsterInstance.get() as instance:
        if url:
            _claim_database(instance, workspace.slug)
        register_partitions(instance, partition_keys, Names())


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


def _write_dagster_yaml(path: Path, *, in_postgres: bool) -> None:
    """The project's own, linked; with PostgreSQL a copy that says so, for want of conditions."""
    project = stock("dagster.yaml")
    if not in_postgres and path.is_symlink() and path.resolve() == project:
        return
    with replacing(path, path.with_suffix(".new")) as fresh:
        if in_postgres:
            text = project.read_text()
            if is_in_stack():
                text = text.replace(LOCAL_LAUNCHER, CONTAINER_LAUNCHER)
            fresh.write_text(text + POSTGRES_STORAGE)
        else:
            fresh.symlink_to(project)


@contextmanager
def printing_to(log: Path) -> Iterator[None]:
    """Send what this process and its children print into a file."""
    turn_over(log)
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
