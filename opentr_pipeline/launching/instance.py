"""Dagster's state folder of an archive: made once; what stands in it is named in ``home``."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from dagster import DagsterInstance

from opentr_pipeline.defs.gpu_slots import GPU_POOL
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions, registered
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.launching.home import (
    POOL_EXTRA,
    PREPARED,
    enter_to_work,
    is_linked,
    keep_registered,
    prepared_note,
)
from opentr_pipeline.locks import locked
from opentr_pipeline.planning import places
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.settings.environment import is_in_stack
from opentr_pipeline.settings.installation import installing, stock
from opentr_pipeline.whole_files import replacing

ARCHIVE_KEY = "opentr/archive"
# The URL holds a password: the file names the variable.
LOCAL_LAUNCHER = "run_launcher\n  class: LocalRunLauncher"
CONTAINER_LAUNCHER = "container_launcher\n  class: ContainerRunLauncher"
POSTGRES_STORAGE = """
storage:
  postgres:
    postgres_url:
      env: DAGSTER_POSTGRES_URL
"""


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
    enter_to_work(setup)
    home = workspace.dagster_home
    with locked(home / "prepare.lock"):
        places.check_places(workspace)  # both, before one of them is kept
        places.claim_output(workspace)
        places.claim_state(workspace)
        places.settle_claims(workspace, setup.database)
        _write_dagster_yaml(home / "dagster.yaml", in_postgres=bool(url))
        note, done = prepared_note(setup), home / PREPARED
        if not done.exists() or done.read_text() != note:
            with DagsterInstance.get() as instance:
                limit = len(setup.slots) + POOL_EXTRA
                instance.event_log_storage.set_concurrency_slots(GPU_POOL, limit)
            done.write_text(note)
    with DagsterInstance.get() as instance:
        if url:
            _claim_database(instance, workspace.slug)
        register_partitions(instance, partition_keys, Names())
        keep_registered(home, registered(instance, Names()))


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
    if not in_postgres and is_linked(path):
        return
    with replacing(path, path.with_suffix(".new")) as fresh:
        if in_postgres:
            text = project.read_text()
            if is_in_stack():
                text = text.replace(LOCAL_LAUNCHER, CONTAINER_LAUNCHER)
            fresh.write_text(text + POSTGRES_STORAGE)
        else:
            fresh.symlink_to(project)
