"""What a run's steps hand on, as JSON where Dagster keeps things; nothing about it can be set.

Dagster's own way keeps pickles, in a folder that whoever starts a run may name: reading such a file
runs whatever its author wants, as the user whose services these are.
"""

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from dagster import (
    DagsterInstance,
    InitResourceContext,
    InputContext,
    IOManager,
    IOManagerDefinition,
    OutputContext,
    io_manager,
)

from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.transcripts.kept_files import KEPT_DAYS, KeptFiles, kept_files

# A resource of ours: a code location may keep its own assets' values in a warehouse.
HANDED_ON = "handed_on"
ENDING = ".json"


class HandedOn(IOManager):
    """Keeps plain values: text, numbers, lists and tables of them."""

    def __init__(self, files: KeptFiles) -> None:
        """Say where."""
        self._files = files

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Keep a value; None says that there is nothing to keep."""
        if obj is None:
            return
        self._files.write(_name(context), json.dumps(obj).encode())

    def load_input(self, context: InputContext) -> Any:
        """The value that an earlier step kept."""
        assert context.upstream_output is not None  # our steps take nothing else
        return json.loads(self._files.read(_name(context.upstream_output)))


def _name(context: OutputContext) -> str:
    return "/".join(context.get_identifier()) + ENDING


def handed_on_files(instance: DagsterInstance, setup: Setup) -> KeptFiles:
    """Where values are kept: in the folder of the Dagster that runs us, or where all hosts see it.

    Args:
        instance: that runs us.
        setup: of the archive.
    """
    folder = Path(instance.storage_directory())
    return kept_files(folder, setup.database, str(folder))


def sweep(instance: DagsterInstance, setup: Setup) -> None:
    """Remove what steps handed on long ago, and their logs; Dagster never does so itself.

    In somebody else's Dagster, what lies beside ours is what their assets hold.

    Args:
        instance: that runs us.
        setup: of the archive.
    """
    ours = setup.workspace.dagster_home
    if ours.resolve() != Path(instance.root_directory).resolve():
        return
    _sweep_folder(ours / "storage")
    if setup.database and setup.database.keeps_files:
        handed_on_files(instance, setup).sweep(ENDING)


def _sweep_folder(folder: Path) -> None:
    """Remove what runs of long ago have left, each in a file or folder of its own."""
    too_old = time.time() - KEPT_DAYS * 86_400
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another run sweeps as well
            if path.stat().st_mtime >= too_old:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def handed_on(settings: Settings) -> IOManagerDefinition:
    """What hands on an archive's values, whatever a run's configuration says."""

    @io_manager(description="Hands values from step to step, as JSON in the state folder.")
    def made(context: InitResourceContext) -> HandedOn:
        assert context.instance is not None
        return HandedOn(handed_on_files(context.instance, Setup(settings)))

    return made
