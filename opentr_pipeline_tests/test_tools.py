"""Formatting, lint and types, as the project's own configuration asks for."""

import re
import subprocess
import sys

import pytest

from opentr_pipeline.settings.environment import PROJECT_ROOT
from opentr_pipeline.transcripts.schemas import SCHEMAS


@pytest.mark.parametrize(
    "command",
    ["ruff format --check .", "ruff check --no-cache .", "mypy"],
)
def test_a_tool_finds_nothing(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=PROJECT_ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_readme_names_every_column(table: str) -> None:
    lines = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{table}` |")]
    columns = row.split("|")[3]
    assert re.findall(r"`(\w+)`", columns) == SCHEMAS[table].names
