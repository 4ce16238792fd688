"""What ``opentr align`` says."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.steps.aligning import Aligned, Aligning


def test_what_was_aligned_is_said_in_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Aligning, "run", lambda _: Aligned(1, 2, 1, 0, 3, sentences=["Mind."]))
    environ = {"ARCHIVE_DIR": str(tmp_path), "OUTPUT_DIR": str(tmp_path / "output")}
    said = CliRunner().invoke(main, ["align"], env=environ)
    assert said.output == (
        "1 recording aligned, 2 unchanged; 1 text not fitting, 0 back to the model's words; "
        "3 texts waiting for media to be transcribed.\nopentr: Mind.\n"
    )
    assert said.exit_code == 1
