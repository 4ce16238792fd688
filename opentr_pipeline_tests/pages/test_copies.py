"""The pages with their media in a folder to be handed on."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.cli.app import main
from opentr_pipeline.errors import StoreError
from opentr_pipeline.pages import copies
from opentr_pipeline.pages.copies import MARK, copy_with_media
from opentr_pipeline.pages.lists import page_of
from opentr_pipeline_tests.making import PROPERTY


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    root = tmp_path / "pages"
    for name in ("recordings/a", "media/1f", ".written"):
        (root / name).mkdir(parents=True)
    (root / "index.html").write_text("home")
    (root / "recordings" / "a" / "tape.wav.html").write_text("tape")
    (root / ".written" / "a.json").write_text("{}")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "tape.wav").write_bytes(b"sound")
    (root / "media" / "1f" / "1f.wav").symlink_to(tmp_path / "archive" / "tape.wav")
    return root


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MARK
    }


def test_a_copy_holds_media_and_follows_what_changes(pages: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    copied = copy_with_media(pages, tmp_path / "archive", folder)
    assert (copied.num_copied, copied.size_bytes, copied.sentences) == (3, 13, [])
    assert files(folder) == {
        "index.html": "home",
        "recordings/a/tape.wav.html": "tape",
        "media/1f/1f.wav": "sound",
    }
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    (pages / "recordings" / "a" / "tape.wav.html").unlink()
    (pages / "index.html").write_text("changed")
    os.utime(tmp_path / "archive" / "tape.wav", (1, 1))
    again = copy_with_media(pages, tmp_path / "archive", folder)
    assert (again.num_copied, again.num_unchanged, again.num_removed) == (2, 0, 1)
    assert files(folder) == {"index.html": "changed", "media/1f/1f.wav": "sound"}
    assert not (folder / "recordings").exists()
    assert copy_with_media(pages, tmp_path / "archive", folder).num_unchanged == 2


def test_media_that_are_gone_are_said_and_a_strangers_folder_is_left(
    pages: Path, tmp_path: Path
) -> None:
    (tmp_path / "archive" / "tape.wav").unlink()
    (sentence,) = copy_with_media(pages, tmp_path / "archive", tmp_path / "stick").sentences
    assert "1 media file of the pages cannot be read: media/1f/1f.wav" in sentence
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "archive" / "tape.wav").symlink_to(tmp_path / "secret")
    again = copy_with_media(pages, tmp_path / "archive", tmp_path / "stick")
    assert again.missing == ["media/1f/1f.wav"], "it has become a link out of the archive"
    with pytest.raises(StoreError, match="holds something else already"):
        copy_with_media(pages, tmp_path / "archive", tmp_path)
    with pytest.raises(StoreError, match="name another folder"):
        copy_with_media(pages, tmp_path / "archive", pages / "below")


def test_names_that_a_stick_takes_for_the_same_are_said(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pages / "recordings" / "a" / "TAPE.wav.html").write_text("another")
    monkeypatch.setattr(copies, "_takes_cases_for_the_same", lambda _: True)
    copied = copy_with_media(pages, tmp_path / "archive", tmp_path / "stick")
    assert copied.refused == ["recordings/a/tape.wav.html"]
    assert "1 file could not be copied" in copied.sentences[0]


PATHS = st.text(st.sampled_from('ab%3F?:*"<>|\\. /'), min_size=1, max_size=12)


@given(PATHS, PATHS)
@PROPERTY
def test_pages_have_names_that_every_disk_takes_and_none_twice(one: str, other: str) -> None:
    assert not set('?:*"<>|\\') & set(page_of(one))
    assert (page_of(one) == page_of(other)) is (one == other)


def test_the_command_refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["pages", "--port", "99999", str(tmp_path)])
    assert answer.exit_code == 2
    assert "99999" in answer.output
