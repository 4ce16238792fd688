"""What every storage promises; on a folder and on buckets of real servers."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore
import pytest

from opentr_pipeline.archive.bucket import BucketStorage
from opentr_pipeline.archive.media_files import MediaFile, scan
from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.archive.recordings import check_unchanged
from opentr_pipeline.archive.storage import FolderStorage, Listed, Storage, storage_of
from opentr_pipeline.errors import ArchiveError, MediaError
from opentr_pipeline.settings.addresses import BucketAddress, Place
from opentr_pipeline_tests.azure_server import containers, new_container
from opentr_pipeline_tests.bucket_server import ask, new_bucket

# Names that are easily mistaken for something else where addresses are made of them.
ODD = "100%25 é#1+?&=~'(1)!.wav"


@pytest.fixture(params=["folder", "bucket", pytest.param("azure", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, archive: Path) -> Place:
    """Where the archive is, as a person would name it."""
    if request.param == "folder":
        return archive
    if request.param == "bucket":
        mirror = Mirror(archive, *_bucket(request.getfixturevalue("buckets")))
    else:
        mirror = Mirror(archive, *_azure(request.getfixturevalue("azure")))
    monkeypatch = request.getfixturevalue("monkeypatch")
    # What is done to the folder is done to the bucket, before anything is asked.
    for name in ("check", "list", "stat", "opened", "digest"):
        monkeypatch.setattr(BucketStorage, name, mirror.before(getattr(BucketStorage, name)))
    return mirror.address


def _bucket(server: str) -> tuple[BucketAddress, Callable[[], object]]:
    """An empty place in one of moto's, and what removes it."""
    name = new_bucket(server)
    address = BucketAddress(f"s3://{name}/some/where", server)
    return address, lambda: ask(server, "DELETE", name)


def _azure(server: str) -> tuple[BucketAddress, Callable[[], object]]:
    """The same of Azurite's."""
    address = new_container(server)
    return address, lambda: containers(server).delete_dir(address.url.split("/")[2])


@pytest.fixture
def storage(place: Place) -> Storage:
    return storage_of(place)


class Mirror:
    """A bucket that holds what a folder does, and goes with it."""

    def __init__(self, folder: Path, address: BucketAddress, remove: Callable[[], object]) -> None:
        self._folder, self.address, self._remove = folder, address, remove
        self._sent: dict[str, bytes] = {}

    def before(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(storage: BucketStorage, *told: str) -> Any:
            self._send()
            return ask(storage, *told)

        return asked

    def _send(self) -> None:
        store = object_store(self.address)
        if not self._folder.exists():
            obstore.delete(store, list(self._sent))
            self._remove()
            return
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        here = {str(path.relative_to(self._folder)): path.read_bytes() for path in files}
        for name, content in here.items():
            if self._sent.get(name) != content:
                obstore.put(store, name, content)
        obstore.delete(store, list(self._sent.keys() - here.keys()))
        self._sent = here


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
    with storage.opened(path) as stream:
        assert stream.read() == os.fsencode(path)
        assert (stream.seek(2), stream.read(3), stream.tell()) == (2, os.fsencode(path)[2:5], 5)
        assert stream.seek(0, os.SEEK_END) == facts.size_bytes
        assert stream.read() == b""
        assert stream.name.endswith(path)
        assert not storage.is_hollow(stream)
    assert not storage.is_being_written(path)
    assert storage.digest(path) == hashlib.sha256(os.fsencode(path)).hexdigest()


def test_a_folder_is_one_and_the_root_as_well(storage: Storage) -> None:
    assert storage.stat("radio").kind == storage.stat("").kind == "folder"


def test_a_name_of_other_bytes_than_utf_8_is_kept(archive: Path) -> None:
    """Of folders alone: other places have none."""
    odd = os.fsdecode(b"latin \xe9.wav")
    (archive / odd).write_bytes(b"said")
    storage = FolderStorage(archive)
    assert odd in names(storage, "")
    with storage.opened(odd) as stream:
        assert stream.read() == b"said"


def test_what_is_not_there_is_an_error_of_the_system(storage: Storage) -> None:
    for look in (storage.stat, storage.digest):
        with pytest.raises(OSError, match=r"gone\.wav"):
            look("gone.wav")


def test_listing_and_looking_tell_the_same_bytes_apart(storage: Storage, archive: Path) -> None:
    listed, facts = names(storage, "")["a.wav"], storage.stat("a.wav")
    assert listed.inode == facts.inode
    assert listed.facts in (facts, None)
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


def test_a_scan_is_of_what_the_storage_lists(storage: Storage, place: Place) -> None:
    found = scan(place).media_files
    assert [one.path for one in found] == ["a.wav", f"radio/{ODD}", "radio/b.wav"]
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
