"""What a code server keeps of each tick."""

import atexit
import gc
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster import DagsterInstance

from opentr_pipeline.definitions import defs


@pytest.mark.slow
def test_a_tick_leaves_nothing_behind(tmp_path: Path) -> None:
    """Each opens the instance anew; what is asked for at exit is held until then."""
    assert defs.sensors
    kept = []
    for _ in range(3):
        with DagsterInstance.from_config(str(tmp_path)) as instance:
            instance.get_runs(limit=1)
            instance.event_log_storage.get_dynamic_partitions("archive")
            instance.get_ticks("origin", "selector", limit=1)
        gc.collect()
        stacks = sum(isinstance(one, ExitStack) for one in gc.get_objects())
        kept.append((atexit._ncallbacks(), stacks))  # type: ignore[attr-defined]
    assert kept[2] == kept[1]


@pytest.mark.slow
def test_the_scripts_are_read_once_for_all_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert defs.sensors
    read = []
    load = ScriptDirectory._load_revisions
    monkeypatch.setattr(
        ScriptDirectory, "_load_revisions", lambda self: read.append(self.dir) or load(self)
    )
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        with DagsterInstance.from_config(str(tmp_path / folder)) as instance:
            instance.get_runs(limit=1)
            instance.event_log_storage.get_dynamic_partitions("archive")
    assert len(read) <= 1  # none where another test has opened one
    # Whose scripts lie elsewhere reads its own.
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    assert ScriptDirectory.from_config(config).dir == str(tmp_path)
