"""Whether an archive's state folder is ready, found out without Dagster."""

import subprocess
import sys
from pathlib import Path

import pytest

from opentr_pipeline.launching import home, instance
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.given import SLOT_SETTINGS
from opentr_pipeline_tests.making import settings_of


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """An archive without recordings; what preparing it puts into the environment goes again."""
    more = ("DAGSTER_HOME", "ARCHIVE_DIR", "DAGSTER_POSTGRES_URL")
    for name in (*more, "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", *map(str.upper, SLOT_SETTINGS)):
        monkeypatch.setenv(name, "")
    return Setup(_settings(tmp_path, "output"))


def _settings(folder: Path, output: str) -> Settings:
    (folder / "archive").mkdir(exist_ok=True)
    return settings_of(
        ARCHIVE_DIR=folder / "archive",
        OUTPUT_DIR=folder / output,
        OPENTR_HOME=folder / "state",
        GPU_DEVICE_ID="cpu",
    )


@pytest.mark.slow
def test_a_folder_is_ready_for_the_keys_that_it_was_prepared_for(
    setup: Setup, tmp_path: Path
) -> None:
    assert not home.is_ready(setup, set())
    instance.prepare_home(setup, {"a", "b"})
    assert home.is_ready(setup, {"a"})
    assert not home.is_ready(setup, {"a", "c"})
    instance.prepare_home(setup, {"c"})
    assert home.is_ready(setup, {"a", "b", "c"})
    assert not home.is_ready(Setup(_settings(tmp_path, "elsewhere")), {"a"})
    note = setup.workspace.dagster_home / home.REGISTERED
    kept = note.read_bytes()
    note.write_bytes(b"")
    assert not home.is_ready(setup, {"a"})
    note.write_bytes(kept)
    (setup.workspace.dagster_home / "dagster.yaml").unlink()
    assert not home.is_ready(setup, {"a"})


def test_a_run_that_finds_nothing_to_do_needs_no_dagster() -> None:
    """Nor what recognizes speech, nor pandas: each costs a part of the second that it may take."""
    heavy = {"dagster", "sqlalchemy", "pandas", "av", "ctranslate2", "faster_whisper", "torch"}
    loads = "import sys, opentr_pipeline.cli.runs, opentr_pipeline.launching.archive_run"
    code = f"{loads}; print(*{heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
