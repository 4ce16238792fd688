"""The processes of services, and the one that watches over them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from opentr_pipeline.services import processes, supervisor


def sleeper(home: Path, *, deaf: bool = False) -> "subprocess.Popen[bytes]":
    """A process of some services, the first of a session."""
    said = "import signal, time; " + "signal.signal(15, signal.SIG_IGN); " * deaf
    process = subprocess.Popen(
        [sys.executable, "-c", said + "print(flush=True); time.sleep(99)"],
        env={**os.environ, "DAGSTER_HOME": str(home)},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_processes_are_found_by_session_and_state_folder_and_ended(tmp_path: Path) -> None:
    process = sleeper(tmp_path, deaf=True)
    try:
        assert [one.pid for one in processes.members(process.pid, tmp_path)] == [process.pid]
        assert processes.members(process.pid, tmp_path / "other") == []
        assert processes.members(os.getsid(0), tmp_path) == []
        find = lambda: [one for one in processes.members(process.pid, tmp_path)]  # noqa: C416, E731
        processes.end(find, (signal.SIGTERM, signal.SIGKILL), 0.5)
        assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()


def test_the_supervisor_gives_up_on_what_ends_at_once(tmp_path: Path) -> None:
    assert supervisor.supervise(tmp_path, [sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert supervisor.supervise(tmp_path, [sys.executable, "-c", ""]) == 1


def test_both_processes_of_the_code_server_are_needed() -> None:
    outer = processes.Process(11, 10, "python -m dagster code-server start")
    inner = processes.Process(12, 11, "python -m dagster api grpc")
    old = [processes.Process(8, 1, outer.command), processes.Process(9, 8, inner.command)]
    assert supervisor.has_code_server(10, [*old, outer, inner])
    assert not supervisor.has_code_server(10, [*old, outer])
    assert not supervisor.has_code_server(10, [*old, inner])
