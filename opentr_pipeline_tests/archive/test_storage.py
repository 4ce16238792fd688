"""What every storage promises; another one is held to the same by a line in ``STORAGES``."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from opentr_pipeline.archive.media_files import MediaFile, scan
from opentr_pipeline.archive.recordings import check_unchanged
from opentr_pipeline.archive.storage import FolderStorage, Listed, Storage, storage_of
from opentr_pipeline.errors import ArchiveError, MediaError

# Each is given a folder, and answers for what is in it at any moment.
STORAGES: dict[str, Callable[[Path], Storage]] = {"folder": FolderStorage}
ODD = os.fsdecode(b"latin \xe9.wav")


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, archive: Path) -> Storage:
    return STORAGES[request.param](archive)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for path in ("a.wav", "radio/b.wav", "radio/deep/c.txt", f"radio/{ODD}"):
        place = tmp_path / "archive" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.fsencode(path))
    return tmp_path / "archive"


def names(storage: Storage, folder: str) -> dict[str, Listed]:
    return {listed.path: listed for listed in storage.list(folder)}


def test_a_folder_lists_all_names_with_their_paths(storage: Storage) -> None:
    found = {path: listed.is_folder for path, listed in names(storage, "").items()}
    assert found == {"a.wav": False, "radio": True}
    found = {path: listed.is_folder for path, listed in names(storage, "radio").items()}
    assert found == {"radio/b.wav": False, "radio/deep": True, f"radio/{ODD}": False}
    assert not any(listed.is_link for listed in names(storage, "radio").values())


def test_a_folder_that_is_not_there_cannot_be_listed(storage: Storage) -> None:
    with pytest.raises(OSError, match="no such folder"):
        list(storage.list("no such folder"))


@pytest.mark.parametrize("path", ["a.wav", "radio/b.wav", f"radio/{ODD}"])
def test_a_path_has_size_kind_and_content(storage: Storage, path: str) -> None:
    facts = storage.stat(path)
    assert (facts.kind, facts.size_bytes, facts.refusal) == ("file", len(os.fsencode(path)), "")
    with storage.opened(path) as local:
        assert local.read_bytes() == os.fsencode(path)
    assert storage.digest(path) == hashlib.sha256(os.fsencode(path)).hexdigest()


def test_a_folder_is_one_and_the_root_as_well(storage: Storage) -> None:
    assert storage.stat("radio").kind == storage.stat("").kind == "folder"


def test_what_is_not_there_is_an_error_of_the_system(storage: Storage) -> None:
    for ask in (storage.stat, storage.digest):
        with pytest.raises(OSError, match=r"gone\.wav"):
            ask("gone.wav")


def test_listing_and_looking_tell_the_same_bytes_apart(storage: Storage, archive: Path) -> None:
    listed, facts = names(storage, "")["a.wav"], storage.stat("a.wav")
    assert listed.inode == facts.inode
    # Written beside it and renamed: another file under the name.
    (archive / "new").write_bytes(b"other")
    (archive / "new").rename(archive / "a.wav")
    assert names(storage, "")["a.wav"].inode == storage.stat("a.wav").inode != facts.inode
    assert storage.digest("a.wav") == hashlib.sha256(b"other").hexdigest()


def test_what_is_written_over_shows(storage: Storage, archive: Path) -> None:
    facts = storage.stat("a.wav")
    known = MediaFile("a.wav", *facts[1:6])
    content = storage.digest("a.wav")
    (archive / "a.wav").chmod(0o640)
    check_unchanged(storage, known, content)
    same_size = (archive / "a.wav").read_bytes()[::-1]
    for written in (b"longer than before", same_size):
        (archive / "a.wav").write_bytes(written)
        os.utime(archive / "a.wav", ns=(0, facts.modified_ns))
        with pytest.raises(MediaError, match="changed while it was read"):
            check_unchanged(storage, known, content)


def test_a_name_that_comes_or_goes_changes_its_folder(storage: Storage, archive: Path) -> None:
    os.utime(archive / "radio", (1, 1))
    before = storage.stat("radio").modified_ns
    (archive / "radio" / "new.wav").write_bytes(b"new")
    after = storage.stat("radio").modified_ns
    assert after != before


def test_an_archive_that_is_not_there_is_refused(storage: Storage, archive: Path) -> None:
    storage.check()
    shutil.rmtree(archive)
    with pytest.raises(ArchiveError, match="set ARCHIVE_DIR"):
        storage.check()


def test_a_scan_is_of_what_the_storage_lists(storage: Storage, archive: Path) -> None:
    assert storage_of(archive).name == storage.name
    found = scan(archive).media_files
    assert [one.path for one in found] == ["a.wav", "radio/b.wav", f"radio/{ODD}"]
    assert [one.size_bytes for one in found] == [storage.stat(one.path).size_bytes for one in found]


def test_links_are_refused_where_they_lead_away_or_to_a_folder(
    archive: Path, tmp_path: Path
) -> None:
    """Of folders alone: other places have none."""
    (tmp_path / "outside.wav").write_bytes(b"secret")
    links = {"away.wav": "../outside.wav", "inside.wav": "radio/b.wav", "again": "radio"}
    for name, target in links.items():
        (archive / name).symlink_to(target)
    storage = FolderStorage(archive)
    assert {name: storage.stat(name).refusal for name in links} == {
        "away.wav": "link that leaves the archive",
        "inside.wav": "",
        "again": "link to a folder of the archive",
    }
    with pytest.raises(OSError, match="leaves the archive"):
        storage.digest("away.wav")
    with pytest.raises(OSError, match="leaves the archive"), storage.opened("away.wav"):
        pass
    assert storage.digest("inside.wav") == storage.digest("radio/b.wav")
    assert all(names(storage, "")[name].is_link for name in links)
    assert storage.stat("again").kind == "other"
    assert storage.stat("inside.wav").inode == storage.stat("radio/b.wav").inode


def test_a_pipe_is_not_waited_for(archive: Path) -> None:
    os.mkfifo(archive / "pipe.wav")
    storage = FolderStorage(archive)
    assert storage.stat("pipe.wav").kind == "other"
    with pytest.raises(OSError, match="no regular file"):
        storage.digest("pipe.wav")
    with pytest.raises(OSError, match="no regular file"), storage.opened("pipe.wav"):
        pass
