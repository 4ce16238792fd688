"""Locks and worker slots, held by real processes that get killed."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline import locks
from opentr_pipeline.devices.cards import CPU, Device, WorkerSlot
from opentr_pipeline.devices.leases import lease, slots_in_use
from opentr_pipeline.devices.shared_folder import slots_folder
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.locks import is_being_written, is_locked, is_shared, locked, shared, try_lock
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.making import settings_of

HOLDER = """
import sys, time
from pathlib import Path
from opentr_pipeline.locks import locked
with locked(Path(sys.argv[1])):
    print(sys.argv[1], flush=True)
    time.sleep(600)
"""
# Takes a slot many times; in it, notes how many are in there at once.
WORKER = """
import fcntl, os, sys, time
from pathlib import Path
from opentr_pipeline import locks
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.devices.leases import lease
locks.POLL_S = 0.001
folder, slots, times = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
counter = os.open(folder / "counter", os.O_RDWR | os.O_CREAT | os.O_APPEND)
for _ in range(times):
    with lease([WorkerSlot(CPU, number) for number in range(slots)], folder) as slot:
        os.write(counter, f"+{slot.number}\\n".encode())
        time.sleep(0.002)
        os.write(counter, f"-{slot.number}\\n".encode())
"""


@contextmanager
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock of a file."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def held_by(process: "subprocess.Popen[str]") -> Path:
    """The file that a holder says it holds; waits until it does."""
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_a_lock_is_held_once_and_freed_by_closing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not is_locked(path)
    held = try_lock(path)
    assert held is not None
    assert try_lock(path) is None
    assert is_locked(path)
    os.close(held)
    assert not is_locked(path)


def test_asking_makes_no_file(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "a.lock")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with holder(path) as process:
        assert held_by(process) == path
        assert is_locked(path)
        assert try_lock(path) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        with locked(path):
            assert is_locked(path)


def test_a_shared_lock_keeps_out_who_wants_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with shared([path], 1.0), shared([path], 1.0):
        assert is_shared(path)
        assert not is_locked(path)
        assert try_lock(path) is None
    assert not is_shared(path)


def test_a_lock_is_freed_when_the_block_raises(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path / "a"):
        raise RuntimeError
    assert not is_locked(tmp_path / "a")


def test_a_program_that_the_holder_starts_does_not_hold_the_lock(tmp_path: Path) -> None:
    held = try_lock(tmp_path / "a")
    assert held is not None
    # It speaks first: a program closes what it does not inherit a moment after it is started.
    command = [sys.executable, "-c", "print('here', flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, close_fds=False, **pipes) as child:  # type: ignore[call-overload]
        assert child.stdout.readline() == b"here\n"
        os.close(held)
        assert not is_locked(tmp_path / "a")
        child.communicate(b"\n")


@pytest.mark.parametrize(
    ("folder", "file"), [(0o755, 0o600), (0o700, 0o600), (0o2775, 0o660), (0o1777, 0o666)]
)
def test_who_may_write_into_a_folder_may_take_its_locks(
    tmp_path: Path, folder: int, file: int
) -> None:
    tmp_path.chmod(folder)
    if os.geteuid() == 0:  # who starts the stack makes locks for the user of its containers
        os.chown(tmp_path, 4321, 4321)
    before = os.umask(0o077)
    try:
        held = try_lock(tmp_path / "a")
    finally:
        os.umask(before)
    assert held is not None
    os.close(held)
    made, place = (tmp_path / "a").stat(), tmp_path.stat()
    assert stat.S_IMODE(made.st_mode) == file
    # Where everybody may use it, root makes nobody a present of it.
    assert made.st_uid == (os.geteuid() if folder & 0o002 else place.st_uid)
    assert made.st_gid == place.st_gid


def test_a_lock_that_an_earlier_release_left_open_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "dev.lock"
    path.touch()
    for folder, before, after in (
        (0o700, 0o644, 0o600),
        (0o2770, 0o664, 0o660),
        (0o1777, 0o666, 0o666),
    ):
        tmp_path.chmod(folder)
        path.chmod(before)
        assert not is_locked(path)
        assert stat.S_IMODE(path.stat().st_mode) == after


def test_whoever_keeps_a_shared_lock_for_himself_holds_nobody_up(tmp_path: Path) -> None:
    with locked(tmp_path / "a"), shared([tmp_path / "a"], 0.05):
        assert is_locked(tmp_path / "a")


def test_whoever_waits_says_for_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "SILENT_S", 0.3)
    path = tmp_path / "a\x1b[2J.lock"
    with holder(path) as process:
        assert held_by(process) == path
        threading.Timer(0.8, process.kill).start()
        with locked(path):
            pass
    (said,) = caplog.messages
    assert said.startswith(
        f"Waiting for the lock {tmp_path}/a\\x1b[2J.lock, which process {process.pid} ("
    )
    assert sys.executable in said


def test_a_lock_file_that_is_removed_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.touch()
    real = os.open

    def open_late(name: Path, flags: int, mode: int = 0o777) -> int:
        if not flags & os.O_EXCL:  # between the two ways to open it somebody removes it
            path.unlink(missing_ok=True)
        return real(name, flags, mode)

    monkeypatch.setattr(locks.os, "open", open_late)
    held = try_lock(path)
    assert held is not None
    assert os.fstat(held).st_ino == path.stat().st_ino
    os.close(held)


def test_the_lock_of_a_removed_file_is_worth_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.touch()
    real = fcntl.flock

    def flock_late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(locks.fcntl, "flock", real)
        path.unlink()  # by one who is done with it, as checkpoints are dropped
        real(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", flock_late)
    first = try_lock(path)
    second = try_lock(path)
    holders = [held for held in (first, second) if held is not None]
    for held in holders:
        os.close(held)
    assert len(holders) == 1


def most_at_once(notes: str) -> int:
    most = inside = 0
    for note in notes.split():
        inside += 1 if note[0] == "+" else -1
        most = max(most, inside)
    return most


def test_more_workers_than_slots_never_work_at_once(tmp_path: Path) -> None:
    num_slots, times = 2, 25
    command = [sys.executable, "-c", WORKER, str(tmp_path), str(num_slots), str(times)]
    workers = [subprocess.Popen(command, cwd=PROJECT_ROOT) for _ in range(6)]
    assert [worker.wait() for worker in workers] == [0] * 6
    notes = (tmp_path / "counter").read_text()
    assert notes.count("+") == notes.count("-") == 6 * times
    assert most_at_once(notes) == num_slots
    for number in range(num_slots):
        mine = [note[0] for note in notes.split() if note[1:] == str(number)]
        assert mine == ["+", "-"] * (len(mine) // 2)


def test_a_lease_names_its_slot_and_shows(tmp_path: Path) -> None:
    slots = [WorkerSlot(CPU, 0), WorkerSlot(Device("0", "GPU-x", "A card"), 0)]
    assert slots_in_use(slots, tmp_path) == []
    with lease(slots, tmp_path) as first, lease(slots, tmp_path) as second:
        assert (first, second) == (slots[0], slots[1])
        assert slots_in_use(slots, tmp_path) == slots
        assert {"cpu.slot-0", "GPU-x.slot-0"} <= {path.name for path in tmp_path.iterdir()}
    assert slots_in_use(slots, tmp_path) == []


# Takes the slot when it is free, and says so.
WAITER = """
import sys
from pathlib import Path
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.devices.leases import lease
print("here", flush=True)
with lease([WorkerSlot(CPU, 0)], Path(sys.argv[1]), sys.argv[2]):
    with open(Path(sys.argv[1]) / "order", "a") as order:
        print(sys.argv[2], file=order)
"""


def test_who_ranks_higher_gets_the_next_slot_however_long_others_wait(tmp_path: Path) -> None:
    ranks = ["backfills", "usual", "uploads"]
    waiters = []
    with lease([WorkerSlot(CPU, 0)], tmp_path, "backfills"):
        for rank in ranks:
            command = [sys.executable, "-c", WAITER, str(tmp_path), rank]
            waiters.append(subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE))
        for rank in ranks:
            wait_for((tmp_path / f"cpu.slot-0.waiting-{rank}").exists)
            wait_for(lambda rank=rank: is_shared(tmp_path / f"cpu.slot-0.waiting-{rank}"))
        for waiter in waiters:
            assert waiter.stdout is not None
            assert waiter.stdout.readline() == b"here\n"
    for waiter in waiters:
        waiter.communicate(timeout=60)
    assert (tmp_path / "order").read_text().split() == ranks[::-1]


def test_a_waiter_that_is_killed_holds_nobody_up(tmp_path: Path) -> None:
    with lease([WorkerSlot(CPU, 0)], tmp_path):
        command = [sys.executable, "-c", WAITER, str(tmp_path), "uploads"]
        waiter = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE)
        wait_for((tmp_path / "cpu.slot-0.waiting-uploads").exists)
        wait_for(lambda: is_shared(tmp_path / "cpu.slot-0.waiting-uploads"))
        waiter.kill()
        waiter.communicate()
    with lease([WorkerSlot(CPU, 0)], tmp_path, "backfills") as slot:
        assert slot.number == 0


def test_the_folder_of_slots_is_open_to_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.umask(0o077)
    try:
        folder = slots_folder(settings_of().workspace.worker_slots)
    finally:
        os.umask(before)
    assert folder == tmp_path / "opentr-worker-slots"
    assert folder.stat().st_mode & 0o777 == 0o777
    assert slots_folder(settings_of().workspace.worker_slots) == folder


def test_a_folder_of_slots_that_cannot_be_made_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "slots"
    with pytest.raises(SettingsError) as caught:
        slots_folder(settings_of(WORKER_SLOTS_DIR=folder).workspace.worker_slots)
    said = f"WORKER_SLOTS_DIR={folder} cannot be used: Not a directory ({folder}); name a folder on"
    assert str(caught.value) == f"{said} a local disk."


def absolute_folder(**variables: Any) -> Path:
    return Path(os.path.abspath(slots_folder(settings_of(**variables).workspace.worker_slots)))


def test_the_folder_of_slots_does_not_depend_on_where_a_command_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relative = os.path.relpath(tmp_path / "slots", PROJECT_ROOT)
    folders = set()
    for name in ("a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "x" / name)
        folders.add(absolute_folder(WORKER_SLOTS_DIR=relative))
    assert folders == {tmp_path / "slots"}


def test_the_folder_of_slots_may_be_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert absolute_folder(WORKER_SLOTS_DIR="~/slots") == tmp_path / "slots"


def test_a_file_that_is_open_for_writing_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    assert not is_being_written(str(path))
    with path.open("rb"):
        assert not is_being_written(str(path))
    for mode in ("ab", "r+b"):
        with path.open(mode):
            assert is_being_written(str(path))
    assert not is_being_written(str(path))
    with path.open("ab"):  # no lease is left behind that a writer would wait for
        pass
    assert not is_being_written(str(tmp_path / "gone.wav"))


def test_where_there_are_no_leases_nobody_is_taken_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, command: int, value: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(locks.fcntl, "fcntl", refuse)
    path = tmp_path / "a.wav"
    with path.open("wb"):
        assert not is_being_written(str(path))


# Asks again and again about a file; a writer that comes while the lease is held breaks it.
ASKER = """
import fcntl, os, sys, time
from opentr_pipeline import locks
real = os.close
def slow_close(descriptor):
    print("held", flush=True)
    sys.stdin.readline()
    real(descriptor)
locks.os.close = slow_close
print(locks.is_being_written(sys.argv[1]), flush=True)
"""


def test_a_writer_that_comes_meanwhile_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    with subprocess.Popen(
        [sys.executable, "-c", ASKER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    ) as asker:
        assert asker.stdin
        assert asker.stdout
        assert asker.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError):  # the signal is sent at this moment
            os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        asker.stdin.write("\n")
        asker.stdin.flush()
        assert asker.stdout.readline() == "False\n"
        assert asker.wait() == 0
    path.write_bytes(b"RIFF and more")
