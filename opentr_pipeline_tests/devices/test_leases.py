"""A folder that every user of the host may write to, and what somebody may have put there."""

import dataclasses
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline import locks
from opentr_pipeline.cli.tables import holder_text
from opentr_pipeline.devices import leases, shared_folder
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.devices.leases import (
    Holder,
    held_by_others,
    holders,
    introduce,
    lease,
)
from opentr_pipeline.devices.memory_limits import (
    MemoryLimit,
    batch_size_in,
    closed_slots,
    forget,
    learning,
)
from opentr_pipeline.devices.shared_folder import slots_folder
from opentr_pipeline.errors import OutOfMemoryError, PlantedFileError, SettingsError
from opentr_pipeline.locks import shared
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


def forged(**facts: Any) -> str:
    """What a holder could say of himself, and would not."""
    return json.dumps({**dataclasses.asdict(Holder("x")), **facts})


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
        *("5", '"abc"', "null", "[" * 200_000),
        *(forged(memory_bytes=claim) for claim in ("much", -1, 1 << 43, True, float("inf"))),
        forged(memory_bytes=0).replace(": 0", ": 1e999"),
        *(forged(since=since) for since in ("yesterday", "9999-12-31T23:59:59-23:59", 5)),
        forged(since="0001-01-01T00:00:00+23:00"),
        *(forged(partitions=partitions) for partitions in ([1], "abc", None)),
        *(forged(run_id=None), forged(more="x")),
    ],
)
def test_nobody_stumbles_over_what_a_holder_says_of_himself(folder: Path, written: str) -> None:
    with lease([SLOT], folder):
        (folder / SLOT.name).write_text(written)
        assert holders([SLOT], folder) == [Holder(SLOT.name, worker="worker-0")]


def test_a_time_without_a_zone_is_one_of_here(folder: Path) -> None:
    with lease([SLOT], folder):
        (folder / SLOT.name).write_text(forged(run_id="r", since="2020-01-01T12:00:00"))
        (said,) = holders([SLOT], folder)
        assert said.held_s
        assert said.held_s > 0
        assert "since 2020-01-01 12:00" in holder_text(said)
        (folder / SLOT.name).write_text(forged(since="2999-01-01T12:00:00"))
        assert holders([SLOT], folder)[0].held_s == 0


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
    plant(folder, SLOT.name, LIMIT)
    assert closed_slots([SLOT], folder) == [MemoryLimit(**LIMIT)]
    os.mkfifo(folder / "cpu.slot-99")  # of no settings of ours
    forget([SLOT], folder)
    assert closed_slots([SLOT], folder) == []


LIMIT: dict[str, Any] = {
    "name": SLOT.name,
    "batch_size": 0,
    "reason": "too little",
    "remedy": "less",
    "since": "2026-11-27T12:00:00+00:00",
}


def plant(folder: Path, name: str, limit: object, owner: int = -1, mode: int = 0o644) -> None:
    path = folder / f"{name}.memory-limit"
    path.write_text(limit if isinstance(limit, str) else json.dumps(limit))
    path.chmod(mode)
    os.chown(path, owner, owner)


@pytest.mark.parametrize(
    "forged",
    [
        *("5", "null", "[" * 200_000, '{"name": "cpu.slot-0"}'),
        *({**LIMIT, "batch_size": size} for size in (-5, 1, True, 0.0, None)),
        *({**LIMIT, "remedy": remedy} for remedy in ("x" * 2000, "a\nb", "\x1b[2J", 5)),
        *({**LIMIT, "told_by": "root"}, {**LIMIT, "name": "cpu"}),
    ],
)
def test_a_limit_that_cannot_be_closes_no_slot(folder: Path, forged: object) -> None:
    plant(folder, SLOT.name, forged)
    assert closed_slots([SLOT], folder) == []


def test_no_batch_is_too_small_or_too_large_to_be_decoded(folder: Path) -> None:
    for size in (-5, 0, 129, "3"):
        plant(folder, "cpu", {**LIMIT, "name": "cpu", "batch_size": size})
        assert batch_size_in(SLOT, 200, folder) == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_only_what_trusted_users_alone_can_have_written_limits_anybody(folder: Path) -> None:
    plant(folder, SLOT.name, LIMIT, NOBODY)
    assert closed_slots([SLOT], folder) == []
    with pytest.raises(OutOfMemoryError), learning(SLOT, [SLOT], folder, 1):  # beside his file
        raise OutOfMemoryError("none left")
    assert len(closed_slots([SLOT], folder)) == 1
    forget([SLOT], folder)
    plant(folder, SLOT.name, LIMIT, mode=0o666)  # ours, and anybody's to write
    assert closed_slots([SLOT], folder) == []
    plant(folder, SLOT.name, LIMIT, shared_folder.CONTAINERS_USER)
    (limit,) = closed_slots([SLOT], folder)
    assert limit.sentence.endswith(f"less (says {limit.told_by}).")
    assert limit.told_by.startswith("user ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_whose_locks_a_stranger_can_move_away_is_refused(tmp_path: Path) -> None:
    folder = slots_folder(tmp_path / "slots")
    for owner in (shared_folder.CONTAINERS_USER, 0):
        os.chown(folder, owner, owner)
        assert slots_folder(folder) == folder
    link = tmp_path / "link"
    link.symlink_to(folder)
    os.lchown(link, NOBODY, NOBODY)
    os.chown(folder, NOBODY, NOBODY)
    for path, mode in ((folder, 0o777), (folder, 0o1777), (folder, 0o755), (link, 0o1777)):
        folder.chmod(mode)
        if path is link:
            os.chown(folder, 0, 0)
        with pytest.raises(SettingsError, match=f"WORKER_SLOTS_DIR={path} cannot.*belongs to user"):
            slots_folder(path)
    assert folder.stat().st_mode & 0o1777 == 0o1777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_our_group_is_its_members(folder: Path) -> None:
    os.chown(folder, NOBODY, os.getegid())
    folder.chmod(0o2770)
    assert slots_folder(folder) == folder
    plant(folder, SLOT.name, LIMIT, NOBODY, 0o664)
    assert len(closed_slots([SLOT], folder)) == 1


def test_who_cannot_keep_others_from_removing_locks_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.chmod(0o777)

    def refuse(*facts: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(SettingsError, match="every user may remove files in it"):
        slots_folder(folder)


def test_a_gate_that_somebody_only_keeps_closed_is_passed_in_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leases, "GATE_S", 0.3)
    monkeypatch.setattr(locks, "SILENT_S", 0.1)
    gate = folder / f"{SLOT.name}.waiting-uploads"
    with shared([gate], 1.0), lease([SLOT], folder) as slot:
        assert slot == SLOT
    waiting, passed = caplog.messages
    assert waiting.startswith("Waiting for a worker slot; the first is free, but process ")
    assert waiting.endswith(f"waits before us ({gate.name}).")
    assert f"holds {gate} and leaves the free worker slot {SLOT.name}" in passed


@pytest.mark.parametrize("kind", ["", "-s"])
def test_a_command_says_who_has_all_worker_slots_unless_it_has_one(folder: Path, kind: str) -> None:
    assert held_by_others([SLOT], folder) == ""
    with lease([SLOT], folder):
        assert held_by_others([SLOT], folder) == ""
    holding = f'exec 9>"{folder / SLOT.name}"; flock {kind} 9; echo held; exec sleep 60'
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
    assert shared_folder.MODE & 0o1000
