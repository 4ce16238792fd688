"""How messages name the commands of ours."""

import shutil
import subprocess
from pathlib import Path

import pytest

from opentr_pipeline.commands import command
from opentr_pipeline.settings.installation import PROJECT_ROOT


def test_no_message_knows_by_itself_how_it_was_called() -> None:
    package = PROJECT_ROOT / "opentr_pipeline"
    files = [*package.rglob("*.py"), *(package / "templates").iterdir()]
    assert len(files) > 100
    named = {path.name for path in files if "./opentr.sh" in path.read_text(encoding="utf-8")}
    assert named == {"commands.py"}


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
