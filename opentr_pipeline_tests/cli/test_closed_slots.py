"""Worker slots that are closed for want of memory: who says so, and what opens them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.cli.shared import settings_of as settings_of_command
from opentr_pipeline.cli.status import status_line
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.launching import archive_run
from opentr_pipeline.locks import locked
from opentr_pipeline.monitoring.health import check_all
from opentr_pipeline.monitoring.status import StatusWatch
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.services import dev
from opentr_pipeline_tests.devices.test_memory_limits import close
from opentr_pipeline_tests.making import OPTIONS, wav


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands that start nothing; the folder of the worker slots, one of them closed."""
    wav(tmp_path / "archive" / "a" / "one.wav")
    for name, value in {
        "ARCHIVE_DIR": "archive",
        "OPENTR_HOME": "state",
        "OUTPUT_DIR": "output",
        "WORKER_SLOTS_DIR": "slots",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("GPU_DEVICE_ID", "cpu")
    monkeypatch.setattr(archive_run, "prepare", lambda *facts: None)
    monkeypatch.setattr(archive_run, "run_archive", lambda *facts: [])
    monkeypatch.setattr(dev.DevServices, "start", lambda self: None)
    slot = WorkerSlot(CPU, 0)
    options = ArchiveOptions(OPTIONS)
    for module in ("runs", "services", "stack"):
        monkeypatch.setattr(f"opentr_pipeline.cli.{module}.options_of", lambda *_, **__: options)
    (tmp_path / "slots").mkdir()
    close(slot, tmp_path / "slots")
    return tmp_path / "slots"


@pytest.mark.parametrize("command", ["start dev", "run", "retry-failed", "backfill"])
def test_the_next_start_opens_closed_slots(commands: Path, command: str) -> None:
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output
    assert list(commands.glob("*.memory-limit*")) == []


def test_what_services_that_run_have_learnt_is_kept(commands: Path) -> None:
    home = settings_of_command(None).workspace.dagster_home
    home.mkdir(parents=True)
    (home / "dev.pid").write_text("1 3000")
    with locked(home / "dev.lock"):
        result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 0, result.output
    assert len(list(commands.glob("*.memory-limit*"))) == 1
    # And said to who looks at the command alone.
    assert "opentr: cpu.slot-0: closed until the next start" in result.stderr


def test_inside_the_stack_only_its_start_opens_closed_slots(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENTR_IN_STACK", "true")
    for command, num_limits in (("run", 1), ("serve prepare", 0)):
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0, result.output
        assert len(list(commands.glob("*.memory-limit*"))) == num_limits


def test_a_closed_slot_is_shown(commands: Path) -> None:
    limit = close(WorkerSlot(CPU, 0), commands)
    wrong = {one.name: one.said for one in check_all(lambda: settings_of_command(None))}
    assert wrong["worker slots"] == limit.sentence
    for command in ("queue", "status"):
        result = CliRunner().invoke(main, [command])
        assert result.exit_code == 0
        assert "0 of 1" in result.output
        assert "cpu.slot-0: closed until the next start" in result.output
        assert "WHISPER_COMPUTE_TYPE" in result.output
    looking = StatusWatch(Setup(settings_of_command(None)), lambda: ArchiveOptions(OPTIONS))
    assert "0 of 1 slots, 1 closed, no speed yet" in status_line(looking.status())
