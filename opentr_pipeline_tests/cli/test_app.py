"""What people type, and what they are told."""

import atexit
import gc
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import MODULES, main
from opentr_pipeline.cli.help_text import help_text
from opentr_pipeline.settings.installation import PROJECT_ROOT


@pytest.mark.parametrize(
    "arguments", [["fly"], ["run", "--fast"], ["start", "staging"], ["start"], ["status", "a", "b"]]
)
def test_unknown_words_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Error:" in result.output


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(main, ["help"])
    assert result.exit_code == 0
    for name in [*MODULES, "help"]:
        assert (f"  {name} " in result.output) is (name != "serve")
    assert "..." not in result.output.replace("[ARGS]...", "")
    # What a checkout prints before there is an environment.
    stored = (PROJECT_ROOT / "opentr_pipeline" / "help.txt").read_text(encoding="utf-8")
    assert stored == help_text()


def test_help_needs_no_environment(tmp_path: Path) -> None:
    package = tmp_path / "opentr_pipeline"
    package.mkdir()
    shutil.copy(PROJECT_ROOT / "opentr.sh", tmp_path)
    for name in ("bootstrap.py", "help.txt"):
        shutil.copy(PROJECT_ROOT / "opentr_pipeline" / name, package)
    for arguments in ([], ["help"], ["--help"], ["-h"]):
        said = subprocess.check_output(["./opentr.sh", *arguments], cwd=tmp_path, text=True)
        assert said == help_text().replace("{program}", "./opentr.sh")
    assert {path.name for path in tmp_path.iterdir()} == {"opentr.sh", "opentr_pipeline"}


@pytest.mark.parametrize("value", ["0", "abc", "1000"])
def test_a_wrong_setting_is_one_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_SCALE_WORKERS", value)
    for command in (["run"], ["scan"], ["status"], ["start", "dev"], ["models", "list"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 2
        assert result.output == (
            f"opentr: GPU_SCALE_WORKERS must be 1..64, got '{value}'; see .env.example.\n"
        )


def test_an_archive_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("OPENTR_HOME", str(tmp_path))
    result = CliRunner().invoke(main, ["scan", str(tmp_path / "gone")])
    assert result.exit_code == 2
    assert result.output == (
        f"opentr: There is no folder {tmp_path / 'gone'}; name the archive's folder, or set "
        "ARCHIVE_DIR.\n"
    )


def test_the_one_way_in_hands_everything_on() -> None:
    """Through the shell and the bootstrap, with the environment that is there."""
    command = [str(PROJECT_ROOT / "opentr.sh"), "models", "--fly"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_nothing_that_a_command_imports_is_taken_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To look at it, while it comes and at the end, would take a second of a run."""
    thresholds: list[int] = []
    at_the_end: list[object] = []
    monkeypatch.setattr(gc, "set_threshold", thresholds.append)
    monkeypatch.setattr(atexit, "register", at_the_end.append)
    assert CliRunner().invoke(main, ["help"]).exit_code == 0
    assert thresholds
    assert min(thresholds) > 10_000
    assert gc.freeze in at_the_end
