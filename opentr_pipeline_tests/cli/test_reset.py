"""``reset``: what it deletes, and when it refuses to."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance
from dagster._core.test_utils import create_run_for_test

from opentr_pipeline.cli import shared
from opentr_pipeline.cli.app import main
from opentr_pipeline.launching import reset
from opentr_pipeline.launching.home import PREPARED
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline_tests.making import settings_of


def state(home: Path) -> DagsterInstance:
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / PREPARED).touch()
    return DagsterInstance.from_config(str(home))


def test_reset_deletes_what_it_says_and_nothing_else(bare: Path) -> None:
    settings = settings_of(
        ARCHIVE_DIR=bare / "archive", OPENTR_HOME=bare / "state", OUTPUT_DIR=bare / "output"
    )
    for path in (
        settings.workspace.dagster_home / "dev.log",
        settings.workspace.dagster_home.parent / "uploads" / "ledger",
        settings.workspace.home / "models" / "model.bin",
        settings.workspace.home / "archives" / "other" / "dagster_home" / "dagster.yaml",
        settings.workspace.output / "words" / "a.parquet",
        settings.workspace.output / "exports" / "a" / "one.wav.srt",
        settings.workspace.output / "pages" / "report.html",
        settings.workspace.output / "notes.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("12345")
    (settings.workspace.output / ".store").symlink_to(bare / "archive")

    assert reset.to_delete(
        Setup(settings).store, settings.workspace.dagster_home.parent, outputs=False
    ) == {settings.workspace.dagster_home.parent: 10}
    (settings.workspace.output / ".store").unlink()
    folders = reset.to_delete(
        Setup(settings).store, settings.workspace.dagster_home.parent, outputs=True
    )
    ours = (settings.workspace.output / name for name in ("words", "exports", "pages"))
    assert set(folders) == {settings.workspace.dagster_home.parent, *ours}
    reset.delete(folders)
    left = {str(path.relative_to(bare)) for path in bare.rglob("*") if path.is_file()}
    assert left == {
        "archive/a/one.wav",
        "output/notes.txt",
        "state/models/model.bin",
        "state/archives/other/dagster_home/dagster.yaml",
    }


def test_reset_asks_first_and_waits_for_command_lines(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterRunStatus

    monkeypatch.setattr("opentr_pipeline.cli.services.options_of", lambda *_, **__: None)
    home = shared.settings_of(None).workspace.dagster_home
    with state(home) as instance:
        result = CliRunner().invoke(main, ["reset", "dev"])
        assert result.exit_code == 2
        assert str(home.parent) in result.output
        assert "without a terminal say --yes" in result.output
        run = create_run_for_test(instance, status=DagsterRunStatus.STARTED)
    result = CliRunner().invoke(main, ["reset", "dev", "--yes"])
    assert result.exit_code == 2
    assert f"The run {run.run_id} works on this archive from a command line" in result.output
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://somewhere/dagster")
    result = CliRunner().invoke(main, ["reset", "dev", "--yes"])
    assert "Dagster's state is in PostgreSQL" in result.output
    assert home.exists()
