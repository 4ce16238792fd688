"""How messages name the commands of ours."""

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline import build_defs
from opentr_pipeline.cli.app import main
from opentr_pipeline.commands import command
from opentr_pipeline.defs.descriptions import TRANSCRIPTS, described
from opentr_pipeline.settings.installation import PROJECT_ROOT


def test_no_message_knows_by_itself_how_it_was_called() -> None:
    package = PROJECT_ROOT / "opentr_pipeline"
    files = [*package.rglob("*.py"), *(package / "templates").iterdir()]
    assert len(files) > 100
    named = {path.name for path in files if "./opentr.sh" in path.read_text(encoding="utf-8")}
    assert named == {"commands.py"}


def test_mistakes_name_the_command_that_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENTR_COMMAND", "./opentr.sh")
    result = CliRunner().invoke(main, ["serch"])
    assert "Try './opentr.sh --help' for help." in result.stderr
    assert result.exit_code == 2


def test_descriptions_name_the_command_that_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENTR_COMMAND", "./opentr.sh")
    assert "`./opentr.sh retry-failed`" in described(TRANSCRIPTS)
    everything = build_defs("samples/archive", "tapes", output_dir="output/tapes")
    said = [spec.description or "" for spec in everything.resolve_all_asset_specs()]
    said += [sensor.description or "" for sensor in everything.sensors or ()]
    said += [job.description or "" for job in everything.jobs or ()]
    assert len([text for text in said if "`./opentr.sh " in text]) >= 6
    assert [text for text in said if "`opentr " in text or "{" in text] == []


def test_a_command_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENTR_COMMAND", raising=False)
    assert command("stop") == "opentr stop"
    monkeypatch.setenv("OPENTR_COMMAND", "./opentr.sh")
    assert command("stop") == "./opentr.sh stop"


@pytest.mark.parametrize(
    ("call", "named"),
    [("./opentr.sh", "./opentr.sh"), ("sh opentr.sh", "./opentr.sh"), ("$PWD/opentr.sh", None)],
)
def test_the_one_way_in_says_how_it_was_called(
    call: str, named: str | None, tmp_path: Path
) -> None:
    """With a bootstrap that only tells what it was told."""
    shutil.copy(PROJECT_ROOT / "opentr.sh", tmp_path)
    (tmp_path / "opentr_pipeline").mkdir()
    bootstrap = "import os; print(os.environ['OPENTR_COMMAND'])"
    (tmp_path / "opentr_pipeline" / "bootstrap.py").write_text(bootstrap)
    said = subprocess.check_output(call, shell=True, cwd=tmp_path, text=True)
    assert said.strip() == (named or f"{tmp_path}/opentr.sh")


def test_the_one_way_in_can_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "opentr").symlink_to(PROJECT_ROOT / "opentr.sh")
    said = subprocess.check_output([tmp_path / "opentr", "help"], text=True)
    assert f"Usage: {tmp_path}/opentr" in said
