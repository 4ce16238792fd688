"""Formatting, lint and types, as the project's own configuration asks for."""

import subprocess
import sys

import pytest

from opentr_pipeline.settings.installation import PROJECT_ROOT


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
