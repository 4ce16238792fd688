"""What the tests of commands work on."""

from pathlib import Path

import pytest

from opentr_pipeline_tests.making import wav


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with one file and nothing else: no model, no state."""
    wav(tmp_path / "archive" / "a" / "one.wav")
    for name in ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(name, "")  # given back at the end
    for name in ("ARCHIVE", "STATE", "MODELS", "OUTPUT", "WORKER_SLOTS"):
        monkeypatch.setenv(f"{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.setenv("GPU_DEVICE_ID", "cpu")
    monkeypatch.setenv("GPU_SCALE_ENABLED", "false")
    return tmp_path
