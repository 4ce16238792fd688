"""The file that keeps a production stack's state: what is taken in, what is refused; no engine."""

import stat
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from opentr_pipeline.errors import OpentrError
from opentr_pipeline.services.stack import Stack
from opentr_pipeline.services.stack_backup import backup, check, restore


@pytest.mark.parametrize("name", ["../evil", "state/../../evil", "/evil", "other", "."])
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_text("a")
    for names, is_backup in ((["database.dump"], True), (["database.dump", name], False)):
        with tarfile.open(tmp_path / "backup", "w") as tar:
            for one in names:
                tar.add(tmp_path / "a", one)
            folder = tarfile.TarInfo("state")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            if name == "/evil" and not is_backup:
                tar.addfile(tarfile.TarInfo(name))
        if is_backup:
            check(tmp_path / "backup")
        else:
            with pytest.raises(OpentrError, match="no backup"):
                check(tmp_path / "backup")


def test_a_file_that_vanishes_is_left_out_of_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("state/here", "state/logs/gone", "state/logs/kept"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    add = tarfile.TarFile.add

    def add_late(tar: tarfile.TarFile, path: Path, name: str, **options: bool) -> None:
        if path.name == "logs":  # whose files were listed already
            (path / "gone").unlink(missing_ok=True)
        add(tar, path, name, **options)

    working = SimpleNamespace(
        is_running=lambda: True,
        in_database=lambda *command, stdout: stdout.write(b"dump"),
        state=tmp_path / "state",
    )
    monkeypatch.setattr(tarfile.TarFile, "add", add_late)
    # What somebody has put where the file is to be, or might be made first, is not written to.
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "backup").symlink_to(other)
    (tmp_path / "backup.part").symlink_to(other)
    backup(cast(Stack, working), tmp_path / "backup")
    assert other.read_text() == "mine"
    assert stat.S_IMODE((tmp_path / "backup").lstat().st_mode) == 0o600
    check(tmp_path / "backup")
    with tarfile.open(tmp_path / "backup") as tar:
        names = tar.getnames()
    assert sorted(names) == [
        "database.dump",
        "state",
        "state/here",
        "state/logs",
        "state/logs/kept",
    ]


def test_what_cannot_be_read_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(OpentrError, match="cannot be read"):
        check(tmp_path / "none")


def test_what_is_restored_gives_nobody_more_rights(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "run").write_text("run")
    (state / "run").chmod(0o4777)
    stack = SimpleNamespace(
        is_running=lambda: True,
        in_database=lambda *_, **streams: "stdout" in streams and streams["stdout"].write(b"dump"),
        state=state,
        stop=lambda: None,
        start_database=lambda: None,
        put_state=lambda fresh: fresh.rename(tmp_path / "restored"),
    )
    backup(cast(Stack, stack), tmp_path / "backup")
    restore(cast(Stack, stack), tmp_path / "backup")
    restored = tmp_path / "restored"
    assert (restored / "run").read_text() == "run"
    assert stat.S_IMODE((restored / "run").stat().st_mode) == 0o755
    assert stat.S_IMODE(restored.stat().st_mode) == 0o700
