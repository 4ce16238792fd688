"""A folder that every user of the host may write to, and what somebody may have put there."""

import dataclasses
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from opentr_pipeline.devices import leases
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.devices.leases import (
    Holder,
    held_by_others,
    holders,
    introduce,
    lease,
    slots_folder,
)
from opentr_pipeline.devices.memory_limits import MemoryLimit, batch_size_in, closed_slots, forget
from opentr_pipeline.errors import PlantedFileError
from opentr_pipeline_tests.conftest import STRICT

SLOT = WorkerSlot(CPU, 0)
NOBODY = 65534


def as_nobody(script: str, path: Path) -> bool:
    """Whether a shell's script succeeds as another user of the host."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    command = ["/bin/sh", "-c", script, "sh", os.fspath(path)]
    done = subprocess.run(command, check=False, user=NOBODY, group=NOBODY, cwd="/", env={})
    return not done.returncode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return slots_folder(tmp_path / "slots")


def test_nobody_removes_what_another_user_has_made(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    folder.chmod(0o777)  # as an earlier release made it
    assert stat.S_IMODE(slots_folder(folder).stat().st_mode) == 0o1777


def test_another_user_takes_slots_and_can_put_nothing_in_their_place(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents):  # so that he gets there at all
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o1:
            parent.chmod(parent.stat().st_mode | 0o1)
    folder = slots_folder(tmp_path / "slots")
    with lease([SLOT], folder):
        path = folder / SLOT.name
    assert as_nobody(': <>"$1"', path)
    assert not as_nobody('rm -f "$1"', path)
    assert as_nobody('ln -s /etc/hosts "$1.other"', path)


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_is_no_file_of_ours_is_refused_in_a_sentence(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    own, planted = tmp_path / "own.txt", folder / SLOT.name
    own.write_text("mine")
    if kind == "pipe":
        os.mkfifo(planted)
    elif kind == "folder":
        planted.mkdir()
    else:
        planted.symlink_to(own if kind == "link" else tmp_path / "nowhere")
    with (
        pytest.raises(PlantedFileError, match="is a link or no regular file"),
        lease([SLOT], folder),
    ):
        pass
    with pytest.raises(PlantedFileError):
        introduce(Holder(SLOT.name), folder)
    assert own.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "written",
    [
        "",
        "no JSON",
        "[1]",
        '{"slot": 1}',
        json.dumps({**dataclasses.asdict(Holder("x")), "memory_bytes": "much"}),
        json.dumps({**dataclasses.asdict(Holder("x")), "memory_bytes": -1}),
        json.dumps({**dataclasses.asdict(Holder("x")), "memory_bytes": 1 << 60}),
        json.dumps({**dataclasses.asdict(Holder("x")), "since": "yesterday"}),
        json.dumps({**dataclasses.asdict(Holder("x")), "partitions": [1]}),
        json.dumps({**dataclasses.asdict(Holder("x")), "run_id": None}),
    ],
)
def test_nobody_stumbles_over_what_a_holder_says_of_himself(folder: Path, written: str) -> None:
    with lease([SLOT], folder):
        (folder / SLOT.name).write_text(written)
        assert holders([SLOT], folder) == [Holder(SLOT.name, worker="worker-0")]


def test_what_a_holder_says_cannot_drive_a_terminal(folder: Path) -> None:
    with lease([SLOT], folder):
        introduce(Holder(SLOT.name, "run", "/tapes\x1b]0;gone\x07", partitions=("a\n",)), folder)
        (said,) = holders([SLOT], folder)
    assert (said.archive, said.partitions) == ("/tapes\\x1b]0;gone\\x07", ("a\\x0a",))


def test_limits_that_others_wrote_are_judged_as_a_strangers(folder: Path) -> None:
    path = folder / "cpu.memory-limit"
    path.write_text('{"name": "cpu", "batch_size": "0", "reason": 1, "remedy": "", "since": ""}')
    assert batch_size_in(SLOT, 8, folder) == 8
    path.unlink()
    os.mkfifo(path)
    assert batch_size_in(SLOT, 8, folder) == 8
    path.unlink()
    limit = MemoryLimit(SLOT.name, 0, "too little", "less", "2026-11-27T12:00:00+00:00")
    (folder / f"{SLOT.name}.memory-limit").write_text(json.dumps(dataclasses.asdict(limit)))
    assert closed_slots([SLOT], folder) == [limit]
    forget([SLOT], folder)
    assert closed_slots([SLOT], folder) == []


def test_a_command_says_who_has_all_worker_slots_unless_it_has_one(folder: Path) -> None:
    assert held_by_others([SLOT], folder) == ""
    with lease([SLOT], folder):
        assert held_by_others([SLOT], folder) == ""
    holding = f'exec 9>"{folder / SLOT.name}"; flock 9; echo held; exec sleep 60'
    command = ["sh", "-c", holding]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as other:
        assert other.stdout
        other.stdout.readline()
        said = held_by_others([SLOT], folder)
        other.kill()
    # The program flock took it for the shell that opened the file, and has ended.
    assert "process" in said


def test_strict_runs_are_root_so_that_another_user_is_had() -> None:
    assert not STRICT or os.geteuid() == 0
    assert leases.MODE & 0o1000
