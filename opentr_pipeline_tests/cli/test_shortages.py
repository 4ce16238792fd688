"""What a machine runs out of, met for real: one sentence, and all is well when there is enough."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.shortages import shortage
from opentr_pipeline_tests.making import wav


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path / "output"))
    monkeypatch.setenv("WORKER_SLOTS_DIR", str(tmp_path / "slots"))
    monkeypatch.setenv("OPENTR_HOME", str(tmp_path / "home"))
    return wav(tmp_path / "archive" / "a.wav").parent


def mounted(*options: str) -> bool:
    return not subprocess.run(["mount", *options], check=False, capture_output=True).returncode


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small one, for the state."""
    place = tmp_path / "disk"
    place.mkdir()
    if not mounted("-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)):
        pytest.skip("a small disk (root may mount one)")
    monkeypatch.setenv("OPENTR_HOME", str(place / "home"))
    yield place
    subprocess.run(["umount", str(place)], check=True)


def scan(archive: Path) -> tuple[int, str]:
    said = CliRunner().invoke(main, ["scan", str(archive)])
    return said.exit_code, said.output


def test_a_full_disk_of_the_state_is_one_sentence_and_costs_nothing(
    archive: Path, disk: Path
) -> None:
    code, said = scan(archive)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"opentr: The disk of OPENTR_HOME={disk / 'home'} is full; make room")
    assert mounted("-o", "remount,size=20m", str(disk))
    assert scan(archive)[0] == 0
    assert mounted("-o", "remount,ro", str(disk))
    code, said = scan(archive)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"opentr: Nothing can be written at {disk / 'home'}")


@pytest.mark.slow
def test_too_few_open_files_are_one_sentence(archive: Path) -> None:
    limited = 'ulimit -n 8; exec "$@"'
    command = ["sh", "-c", limited, "sh", sys.executable, "-m", "opentr_pipeline.cli.app"]
    done = subprocess.run(
        [*command, "scan", str(archive)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        "opentr: A file cannot be opened: this process may have 8 open at a time; raise that "
        "(ulimit -n 1024) and do it again.\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("(sqlite3.OperationalError) database or disk is full", "is full; make room"),
        ("[Errno 122] Disk quota exceeded: '/a b/c'", "The disk at /a b/c is full"),
        ("(sqlite3.OperationalError) disk I/O error", "it is full, or broken"),
        ("[Errno 13] Permission denied: '/a'", "Nothing can be written at /a"),
        ("[Errno 20] Not a directory: '/a/b'", "No folder can be made at /a/b"),
        ("No such file", ""),
    ],
)
def test_what_libraries_say_is_told_in_a_sentence(words: str, said: str) -> None:
    def failing() -> None:
        try:
            raise OSError(words)
        except OSError as error:
            raise RuntimeError("Something of a library") from error

    with pytest.raises(RuntimeError) as raised:
        failing()
    told = shortage(raised.value)
    assert (said in told) is True
    assert bool(told) is bool(said)
    assert told == shortage(words)
