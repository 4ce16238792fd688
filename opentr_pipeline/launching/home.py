"""Dagster's state folder of an archive: where it is, and whether it is ready; without Dagster."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from opentr_pipeline.plain_files import private_folder
from opentr_pipeline.planning import places
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.services.log_files import turn_over
from opentr_pipeline.settings.given import SLOT_SETTINGS
from opentr_pipeline.settings.installation import stock
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.steps.birth import start_server
from opentr_pipeline.whole_files import write_whole

LOG_NAME = "runs.log"
# The pool counts runs, those of command lines too. Five of them may be for long: two of backfills,
# two of a night (see dagster.yaml) and one of the stock; they fill all slots shard after shard. The
# others are for uploads, which get the next slot, and for what people launch. The lease, not the
# pool, is the guarantee.
POOL_EXTRA = 9
# The last thing that is made in a fresh state folder.
PREPARED = "pool_limit"
# The partition keys that Dagster knew when some were last registered.
REGISTERED = "registered"


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
    with printing_to(setup.workspace.dagster_home / LOG_NAME):
        start_server()


def is_prepared(home: Path) -> bool:
    """Whether the databases of a state folder are there; whoever opens them earlier breaks them.

    Args:
        home: a workspace's ``dagster_home``.
    """
    return (home / PREPARED).exists()


def is_linked(dagster_yaml: Path) -> bool:
    """Whether it is the project's own, as without PostgreSQL."""
    return dagster_yaml.is_symlink() and dagster_yaml.resolve() == stock("dagster.yaml")


def prepared_note(setup: Setup) -> str:
    """What ``PREPARED`` says where nothing is to be done."""
    workspace = setup.workspace
    return f"{len(setup.slots) + POOL_EXTRA} {sha256(workspace.database.encode()).hexdigest()}"


def keep_registered(home: Path, keys: Iterable[str]) -> None:
    """Note which partition keys Dagster knows, for ``is_ready``."""
    write_whole(home / REGISTERED, json.dumps(sorted(keys)).encode())


def is_ready(setup: Setup, partition_keys: Set[str]) -> bool:
    """Whether ``prepare_home`` would find nothing to do, by its notes: Dagster costs half a second.

    A database may be another archive's by now, so that PostgreSQL is always asked.
    """
    home = setup.workspace.dagster_home
    try:
        is_prepared = (home / PREPARED).read_text() == prepared_note(setup)
        registered = json.loads((home / REGISTERED).read_bytes())
    except (FileNotFoundError, ValueError):  # a power cut may leave a note empty
        return False
    return (
        is_prepared
        and partition_keys <= set(registered)
        and not setup.workspace.database
        and is_linked(home / "dagster.yaml")
        and places.is_claimed(setup.workspace)
    )


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
