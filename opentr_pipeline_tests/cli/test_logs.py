"""Logs: one for each worker slot, found by name, followed, and never too long."""

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli import shared
from opentr_pipeline.cli.app import main
from opentr_pipeline.errors import OpentrError, ServiceError
from opentr_pipeline.services import log_files
from opentr_pipeline.steps.outcome import ShardOutcome
from opentr_pipeline_tests.making import settings_of, transcript, wav


def test_a_slot_has_a_log_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = ShardOutcome()
    home = tmp_path / "dagster_home"
    with log_files.slot_log(home, "cpu.slot-0"):
        outcome.add("a/1.wav", transcript("a", "one two", wall_s=0.5))
        outcome.add("a/2.wav", transcript("b", "", status="failed", reason="Broken."))
    with pytest.raises(OpentrError), log_files.slot_log(home, "cpu.slot-0"):
        raise OpentrError("no room")
    logging.getLogger("opentr_pipeline.later").warning("not for the slot")
    lines = (tmp_path / "logs" / "cpu.slot-0.log").read_text().splitlines()
    assert [line.partition("'")[2] for line in lines[:2]] == [
        "a/1.wav': ok, 2.0 s of audio in 0.5 s (4.0x). ",
        "a/2.wav': failed, 0.0 s of audio in 0.5 s (0.0x). Broken.",
    ]
    assert lines[2].endswith("Worker slot cpu.slot-0 given up: OpentrError: no room")
    assert len(lines) == 3
    assert "a/1.wav" in capfd.readouterr().err
    outcome.wall_s = 4.0
    assert outcome.summary() == "1 failed, 1 ok; 2.0 s of audio in 4.0 s (0.5x)"


def test_logs_are_named_and_shown_from_their_end(bare: Path) -> None:
    home = settings_of(
        ARCHIVE_DIR=bare / "archive", OPENTR_HOME=bare / "state"
    ).workspace.dagster_home
    result = CliRunner().invoke(main, ["logs"])
    assert result.exit_code == 2
    assert "There is no log dev; the logs of this archive are: none yet." in result.output
    with pytest.raises(ServiceError, match="no log nothing"):
        log_files.named(Path("/nowhere"), "nothing", {})
    for folder in (home, log_files.slot_logs(home)):
        folder.mkdir(parents=True)
    (home / "dev.log").write_text("".join(f"line {number}\n" for number in range(99)))
    (log_files.slot_logs(home) / "cpu.slot-0.log").write_text("taken\n")
    result = CliRunner().invoke(main, ["logs"])
    assert result.stdout.splitlines() == [f"line {number}" for number in range(49, 99)]
    assert "there are: dev, cpu.slot-0." in result.stderr
    # Dagster's daemon writes its colours into files too; what else drives a terminal is shown.
    (log_files.slot_logs(home) / "cpu.slot-0.log").write_text("\x1b[32m12:00\x1b[0m taken\x1b[2J\n")
    assert CliRunner().invoke(main, ["logs", "cpu.slot-0"]).stdout == "12:00 taken\\x1b[2J\n"


def test_a_log_may_be_of_another_archive(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bare)
    wav(bare / "tapes" / "1.wav")
    home = shared.settings_of(Path("tapes")).workspace.dagster_home
    log_files.slot_logs(home).mkdir(parents=True)
    (log_files.slot_logs(home) / "cpu.slot-0.log").write_text("of the tapes\n")
    for words in (["tapes", "worker-0"], [str(bare / "tapes"), "cpu.slot-0"]):
        assert CliRunner().invoke(main, ["logs", *words]).stdout == "of the tapes\n"
    for words, said in (
        (["tapes"], "There is no log dev"),
        (["worker-0", "tapes"], "tapes is one name too many"),
        (["./tapes/1.wav"], "./tapes/1.wav is a file, and an archive is a folder of recordings"),
    ):
        result = CliRunner().invoke(main, ["logs", *words])
        assert result.exit_code == 2
        assert said in result.output


def test_a_long_log_is_put_out_of_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "LOG_BYTES", 5)
    log = tmp_path / "runs.log"
    log_files.turn_over(log)  # there is none yet
    for text in ("short", "longer", "the longest"):
        log.write_text(text)
        log_files.turn_over(log)
    assert (tmp_path / "runs.log.1").read_text() == "the longest"
    assert not log.exists()
    # Dagster's servers empty the folder of that name in theirs.
    assert log_files.slot_logs(tmp_path / "dagster_home") == tmp_path / "logs"


def test_logs_are_named_by_the_workers_of_the_settings(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GPU_SCALE_ENABLED": "true",
        "GPU_SCALE_DEVICE_ID": "cpu",
        "GPU_SCALE_WORKERS": "3",
    }.items():
        monkeypatch.setenv(name, value)
    home = settings_of(
        ARCHIVE_DIR=bare / "archive", OPENTR_HOME=bare / "state"
    ).workspace.dagster_home
    log_files.slot_logs(home).mkdir(parents=True)
    (log_files.slot_logs(home) / "cpu.slot-2.log").write_text("taken\n")
    assert CliRunner().invoke(main, ["logs", "worker-2"]).stdout == "taken\n"
    silent = CliRunner().invoke(main, ["logs", "worker-1", "--follow"])
    assert silent.exit_code == 2
    assert "The worker slot cpu.slot-1 has not written a log yet" in silent.output
    unknown = CliRunner().invoke(main, ["logs", "worker-3"])
    assert unknown.exit_code == 2
    assert (
        "There is no log worker-3; the logs of this archive are: cpu.slot-2; the worker slots "
        "are: worker-0 (cpu.slot-0), worker-1 (cpu.slot-1), worker-2 (cpu.slot-2)."
    ) in unknown.output
    # A device that is not there hides no log that is.
    monkeypatch.setenv("GPU_SCALE_DEVICE_ID", "77")
    assert CliRunner().invoke(main, ["logs", "cpu.slot-2"]).stdout == "taken\n"


def test_a_followed_log_may_be_cut_short_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("old\n")
    followed = log_files.Followed(path)
    assert followed.new_lines() == []
    with path.open("a") as stream:
        stream.write("one\nhal")
    assert followed.new_lines() == ["one"]
    with path.open("a") as stream:
        stream.write("f\n")
    assert followed.new_lines() == ["half"]
    path.write_text("new\n")  # shorter than what was read
    assert followed.new_lines() == []
    assert followed.new_lines() == ["new"]
    with path.open("a") as stream:
        stream.write("last\n")
    path.rename(tmp_path / "x.log.1")
    assert followed.new_lines() == ["last"]
    path.write_text("first\n")
    assert followed.new_lines() == []
    assert followed.new_lines() == ["first"]
