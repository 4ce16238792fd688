"""Names that would drive a terminal, on their way through the commands."""

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import recording, transcript, wav

NAME = os.fsdecode(b"tapes\x1b]0;gone\x07/\xe2\x80\xae\xc2\x9b31m\n\xe9.wav")
DRIVING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


@pytest.mark.slow
def test_no_command_sends_a_name_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a\x1b[2J"
    for name in ("OUTPUT_DIR", "OPENTR_HOME", "WORKER_SLOTS_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    wav(archive / NAME)
    store = TranscriptStore(tmp_path / "OUTPUT_DIR")
    said = transcript("a", "hello \x1b[31m lantern")
    store.publish("tapes", [Entry(recording(NAME).recording_id, NAME, said)])
    for command in (
        ["search", str(archive), "lantern"],
        *([one, str(archive)] for one in ("scan", "export", "pages", "report")),
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        assert not DRIVING.search(done.output), done.output
    refused = CliRunner().invoke(main, ["scan", f"{archive}/none"])
    assert refused.exit_code == 2
    assert not DRIVING.search(refused.output)
