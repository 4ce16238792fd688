"""The commands that transcribe, without transcribing: what they refuse, and how they end."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli import shared
from opentr_pipeline.cli.app import main
from opentr_pipeline.errors import ModelError
from opentr_pipeline.launching import archive_run
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.speakers import models
from opentr_pipeline.transcripts.store import Entry
from opentr_pipeline_tests.making import OPTIONS, recording, transcript


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        ("nothing", "There are no media in {}/nothing, which is empty; put recordings there, or"),
        ("papers", "There are no media in {}/papers, but 2 .txt, 1 hidden or partial; put"),
        (
            "papers/1.txt",
            "papers/1.txt is a file, and an archive is a folder of recordings; put it",
        ),
        ("gone", "There is no folder {}/gone; name the archive's folder, or set"),
    ],
)
def test_an_archive_without_media_is_one_sentence(
    bare: Path, monkeypatch: pytest.MonkeyPatch, archive: str, said: str
) -> None:
    monkeypatch.chdir(bare)
    (bare / "nothing").mkdir()
    (bare / "papers").mkdir()
    for name in ("1.txt", "2.txt", ".hidden.wav"):
        (bare / "papers" / name).write_text("text")
    for name in ("run", "backfill", "retry-failed", "scan"):
        result = CliRunner().invoke(main, [name, archive])
        assert result.exit_code == 2
        assert result.output.startswith("opentr: " + said.format(bare))
        assert len(result.output.splitlines()) == 1
    assert not (bare / "state").exists()


def test_an_archive_whose_media_are_gone_is_not_an_empty_one(bare: Path) -> None:
    setup = shared.setup_of(None)
    setup.store.write_recordings("a", [recording("a/one.wav", partition_key="a")])
    shutil.rmtree(bare / "archive" / "a")
    assert archive_run.scan_for_media(setup).media_files == []


@pytest.fixture
def ready(bare: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A model that nobody needs."""
    options = ArchiveOptions(OPTIONS)
    monkeypatch.setattr("opentr_pipeline.cli.runs.options_of", lambda *_, **__: options)
    monkeypatch.setattr(archive_run, "run_archive", lambda *_: [])
    return monkeypatch


def test_a_run_ends_with_the_next_commands(bare: Path, ready: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(main, ["run"]).output == ""  # nothing is transcribed
    store = shared.setup_of(None).store
    one = recording("a/one.wav", partition_key="a")
    store.publish("a", [Entry(one.recording_id, "a/one.wav", transcript("one"))])
    assert CliRunner().invoke(main, ["run"]).output.splitlines() == [
        "",
        "What to do next:",
        "  opentr search WORDS  where something is said",
        "  opentr pages         a page to read and to hear for each recording",
        "  opentr export        subtitles and text",
    ]
    cut = transcript("two", status="truncated", reason="Only 1 s.")
    store.publish("b", [Entry(recording("b/two.wav").recording_id, "b/two.wav", cut)])
    (bare / "my tapes").symlink_to(bare / "archive")
    typed = CliRunner().invoke(main, ["run", str(bare / "my tapes")]).output.splitlines()
    assert [line.split("  ")[1] for line in typed[2:]] == [
        f"opentr {name} '{bare}/my tapes'{more}"
        for name, more in (("errors", ""), ("search", " WORDS"), ("pages", ""))
    ]


def test_ctrl_c_says_how_to_go_on(ready: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> list[str]:
        raise KeyboardInterrupt

    ready.setattr(archive_run, "run_archive", interrupted)
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 130
    assert result.output == (
        "opentr: Ended before anything was transcribed; what was found out about media files is "
        "kept, and the same command goes on from there.\n"
    )


def test_a_start_refuses_what_each_recording_would_fail_for(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extra is not installed, and before a worker slot is taken."""
    monkeypatch.setenv("SPEAKERS", "true")
    monkeypatch.setattr(Setup, "options", ArchiveOptions(OPTIONS))
    setup = shared.setup_of(None)
    with pytest.raises(ModelError, match="models fetch speakers"):
        shared.options_of(setup, fetch=False, to_start=True)
    monkeypatch.setattr(models, "PACKAGES", ("no_such_package",))
    with pytest.raises(ModelError, match=r"no_such_package is not installed; .*\[speakers\]"):
        shared.options_of(setup, fetch=False, to_start=True)
    assert shared.options_of(setup, fetch=False).default == OPTIONS
    monkeypatch.setenv("SPEAKERS", "false")
    assert shared.options_of(shared.setup_of(None), fetch=False, to_start=True).default == OPTIONS
