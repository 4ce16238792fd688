"""What a terminal is shown of a run that is told to end, while others hold signals and streams."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator

import pytest

from opentr_pipeline.launching import archive_run
from opentr_pipeline.launching.ending import when_told_to_end


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    """The far end of a terminal that standard error goes to."""
    mine, its = os.openpty()
    kept = os.dup(2)
    os.dup2(its, 2)
    try:
        yield mine
    finally:
        os.dup2(kept, 2)
        for descriptor in (mine, its, kept):
            os.close(descriptor)


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals to end, which somebody else handles, as Dagster does."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


def await_text(there: int, wanted: str) -> None:
    """Wait until a terminal shows it."""
    text = ""
    while wanted not in text:
        assert select.select([there], [], [], 10.0)[0], text
        text += os.read(there, 65_536).decode(errors="replace")


def test_a_terminal_shows_what_is_said_and_not_what_is_printed_meanwhile(
    handled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(archive_run, "PROGRESS_S", 0.01)
    streams = sys.stdout, sys.stderr
    with terminal() as there, archive_run._ticking(lambda: "1 of 2 recordings") as say:
        await_text(there, "1 of 2 recordings")
        # Dagster prints its errors to what these are at that moment, which is the log's.
        assert (sys.stdout, sys.stderr) == streams
        with when_told_to_end(lambda: say(archive_run.ENDING)):
            os.kill(os.getpid(), signal.SIGTERM)
            await_text(there, archive_run.ENDING.rpartition(";")[2])  # at once
    assert handled == [signal.SIGTERM]


def test_it_is_said_once_and_others_hear_of_signals_again(handled: list[int]) -> None:
    mine, its = os.pipe()
    os.set_blocking(its, False)
    before = signal.set_wakeup_fd(its)
    told: list[None] = []
    with when_told_to_end(lambda: told.append(None)):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
    assert len(told) == 1
    assert signal.set_wakeup_fd(before) == its
    os.close(mine)
    os.close(its)
    with contextlib.suppress(ChildProcessError), when_told_to_end(lambda: told.append(None)):
        raise ChildProcessError
    assert (len(told), len(handled)) == (1, 2)
