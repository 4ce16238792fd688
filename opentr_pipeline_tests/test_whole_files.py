"""Replacing files: nobody sees a part of one, and nothing is left where writing fails."""

import os
from pathlib import Path

import pytest

from opentr_pipeline.whole_files import replacing, write_whole


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("old")
    with replacing(path) as fresh:
        fresh.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_where_making_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as fresh:
            fresh.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "link"
    link.symlink_to("one")
    (tmp_path / "link.new").symlink_to("of a writer that died")
    with replacing(link, tmp_path / "link.new") as fresh:
        fresh.symlink_to("two")
    assert os.readlink(link) == "two"
    assert (tmp_path / "one").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "one", "two"]


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_durable_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_durable: bool
) -> None:
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, real=real, name=name: (done.append(name), real(*a))
        )
    write_whole(tmp_path / "note", b"kept", is_durable=is_durable)
    assert done == (["fsync", "replace"] if is_durable else ["replace"])
    assert (tmp_path / "note").read_bytes() == b"kept"
