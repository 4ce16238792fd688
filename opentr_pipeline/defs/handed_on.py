"""What a run's steps hand on, as JSON where Dagster keeps things; nothing about it can be set.

Dagster's own way keeps pickles, in a folder that whoever starts a run may name: reading such a file
runs whatever its author wants, as the user whose services these are.
"""

import json
from pathlib import Path
from typing import Any

from dagster import InitResourceContext, InputContext, IOManager, OutputContext, io_manager

from opentr_pipeline.whole_files import write_whole

# A resource of ours: a code location may keep its own assets' values in a warehouse.
HANDED_ON = "handed_on"


class HandedOn(IOManager):
    """Keeps plain values: text, numbers, lists and tables of them."""

    def __init__(self, folder: Path) -> None:
        """Keep them below a folder."""
        self._folder = folder

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Keep a value; None says that there is nothing to keep."""
        if obj is None:
            return
        path = self._path(context)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(obj).encode())

    def load_input(self, context: InputContext) -> Any:
        """The value that an earlier step kept."""
        assert context.upstream_output is not None  # our steps take nothing else
        return json.loads(self._path(context.upstream_output).read_bytes())

    def _path(self, context: OutputContext) -> Path:
        *folders, name = context.get_identifier()
        return self._folder.joinpath(*folders, f"{name}.json")


@io_manager(description="Hands values from step to step, as JSON in the state folder.")
def handed_on(context: InitResourceContext) -> HandedOn:
    """In the folder of the Dagster that runs us, whatever a run's configuration says."""
    assert context.instance is not None
    return HandedOn(Path(context.instance.storage_directory()))
