"""The file that keeps a production stack's state: what is taken in, what is refused; no engine."""

import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from opentr_pipeline.errors import OpentrError
from opentr_pipeline.services.stack import Stack
from opentr_pipeline.services.stack_backup import backup, check


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
    backup(cast(Stack, working), tmp_path / "backup")
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
