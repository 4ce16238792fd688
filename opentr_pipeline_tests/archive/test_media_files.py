"""The archive: what a scan takes, and which partition each media file belongs to."""

import os
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
from dagster._core.definitions.partitions.utils.base import (
    raise_error_on_invalid_partition_key_substring,
)
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.archive import storage
from opentr_pipeline.archive.media_files import (
    MEDIA_EXTENSIONS,
    NOT_MEDIA_EXTENSIONS,
    MediaFile,
    Scan,
    scan,
)
from opentr_pipeline.archive.partitioning import (
    MAX_KEY_BYTES,
    MAX_PARTITIONS,
    ROOT_KEY,
    Partitioning,
)
from opentr_pipeline.errors import ArchiveError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.wording import readable
from opentr_pipeline_tests.making import PROPERTY, media_file, settings_of


def partitioning(**variables: object) -> Partitioning:
    return Setup(settings_of(variables)).partitioning


BY_FOLDER = partitioning()
# Names as a Linux file system hands them out, with those that trip programs up among them.
AWKWARD = st.lists(
    st.sampled_from(
        [
            *"._-%~ \n\t\a'\"\\*?[]{}=,:;@#$&|<>()aZ0é日本ß",
            "...",
            "%2F",
            "@root",
            "\u0301",
            "\U0001f3b5",
        ]
    ),
    min_size=1,
).map("".join)
NAME_BYTES = st.one_of(
    st.binary(min_size=1, max_size=255),
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).map(str.encode),
    AWKWARD.map(str.encode),
)
FOLDER_NAMES = NAME_BYTES.filter(
    lambda raw: len(raw) <= 255 and raw not in (b".", b"..") and not set(raw) & set(b"/\0")
).map(os.fsdecode)


def make(root: Path, *names: str | bytes) -> Path:
    for name in names:
        path = Path(os.fsdecode(os.path.join(os.fsencode(root), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
    return root


def paths(found: Scan) -> list[str]:
    return [media_file.path for media_file in found.media_files]


def key_of(*folders: str, **variables: object) -> str:
    return partitioning(**variables).key(media_file("/".join([*folders, "a.wav"])))


def test_all_media_files_are_found_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b/deep/er/2.MP3", "b/1.WaV", "a.opus", "b.mkv")
    assert paths(scan(tmp_path)) == ["a.opus", "b.mkv", "b/1.WaV", "b/deep/er/2.MP3"]


def test_a_media_file_is_as_the_file_system_says(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    os.utime(tmp_path / "a.wav", ns=(0, 1_234_567_890_123_456_789))
    info = (tmp_path / "a.wav").stat()
    (found,) = scan(tmp_path).media_files
    place = info.st_dev, info.st_ino, info.st_ctime_ns
    assert found == MediaFile("a.wav", 5, 1_234_567_890_123_456_789, *place)


def test_what_is_not_media_is_left_alone_and_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "a.txt", "b.TXT", "a.srt", "README", ".DS_Store", "._a.wav")
    make(tmp_path, "b.mp3.part", "c.mp3.crdownload", "d.wav.tmp", "e.wav~", "F.WAV.PARTIAL")
    make(tmp_path, ".hidden/a.wav", ".hidden/b.wav")
    found = scan(tmp_path)
    assert paths(found) == ["a.wav"]
    assert found.left_alone == Counter(
        {".txt": 2, ".srt": 1, "no extension": 1, "hidden or partial": 8}
    )


def test_nothing_in_the_archive_is_changed(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b/c.txt")
    before = {path: path.stat() for path in sorted(tmp_path.rglob("*"))}
    scan(tmp_path)
    after = {path: path.stat() for path in sorted(tmp_path.rglob("*"))}
    assert {p: i.st_mtime_ns for p, i in before.items()} == {
        p: i.st_mtime_ns for p, i in after.items()
    }


def test_links_that_leave_the_archive_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", "secret.wav")
    root = make(tmp_path / "archive", "a.wav")
    (root / "file.wav").symlink_to(tmp_path / "elsewhere" / "secret.wav")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "up.wav").symlink_to("../elsewhere/secret.wav")
    found = scan(root)
    assert paths(found) == ["a.wav"]
    assert found.left_alone == {"link that leaves the archive": 3}


def test_a_neighbour_with_a_longer_name_is_outside_too(tmp_path: Path) -> None:
    make(tmp_path / "archive2", "secret.wav")
    root = make(tmp_path / "archive", "a.wav")
    (root / "b.wav").symlink_to(tmp_path / "archive2" / "secret.wav")
    assert paths(scan(root)) == ["a.wav"]


def test_links_to_folders_inside_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "b/a.wav")
    (tmp_path / "again").symlink_to("b")
    (tmp_path / "b" / "round").symlink_to("..")
    found = scan(tmp_path)
    assert paths(found) == ["b/a.wav"]
    assert found.left_alone == {"link to a folder of the archive": 2}


def test_links_to_files_inside_are_media_files(tmp_path: Path) -> None:
    make(tmp_path, "b/a.wav")
    (tmp_path / "again.wav").symlink_to("b/a.wav")
    assert paths(scan(tmp_path)) == ["again.wav", "b/a.wav"]


def test_links_that_lead_nowhere_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    (tmp_path / "gone.wav").symlink_to("never_was.wav")
    (tmp_path / "self.wav").symlink_to("self.wav")
    found = scan(tmp_path)
    assert paths(found) == ["a.wav"]
    assert found.left_alone == {"unreadable file": 2}


def test_the_archive_itself_may_be_a_link(tmp_path: Path) -> None:
    make(tmp_path / "real", "b/a.wav")
    (tmp_path / "archive").symlink_to("real")
    assert paths(scan(tmp_path / "archive")) == ["b/a.wav"]


def test_what_is_no_file_at_all_is_left_alone_and_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    found = scan(tmp_path)
    assert paths(found) == ["a.wav"]
    assert sum(found.left_alone.values()) == 1


@pytest.mark.parametrize(
    "name",
    [
        b"two\nlines.wav",
        b"'single' \"double\" $HOME `x`.wav",
        "日本語の録音.wav".encode(),
        b"latin \xe9\xff\xfe.wav",
        b"-rf.wav",
        b"x" * 251 + b".wav",
    ],
)
def test_any_name_is_found_as_it_is(tmp_path: Path, name: bytes) -> None:
    make(tmp_path, name, b"folder " + name[:200] + b"/" + name)
    found = scan(tmp_path)
    assert {os.fsencode(path) for path in paths(found)} == {
        name,
        b"folder " + name[:200] + b"/" + name,
    }
    assert all((tmp_path / path).is_file() for path in paths(found))
    assert len({media_file.recording_id for media_file in found.media_files}) == 2
    for path in paths(found):
        readable(path).encode("utf-8")


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        scan(tmp_path / "gone")
    assert str(caught.value) == (
        f"There is no folder {tmp_path / 'gone'}; name the archive's folder, or set ARCHIVE_DIR."
    )


def test_an_archive_that_is_a_file(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    with pytest.raises(ArchiveError, match="There is no folder"):
        scan(tmp_path / "a.wav")


def test_an_archive_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.os, "access", lambda path, mode: False)
    with pytest.raises(ArchiveError) as caught:
        scan(tmp_path)
    assert str(caught.value) == f"The archive {tmp_path} cannot be read; check its permissions."


def refuse_to_list(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    """Permissions do not hold root back, under whom containers run tests."""
    real = os.scandir

    def scandir(path: str) -> object:
        if path == os.path.realpath(refused):
            raise OSError(5, "Input/output error", path)
        return real(path)

    monkeypatch.setattr(storage.os, "scandir", scandir)


def test_a_folder_that_cannot_be_read_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/1.wav", "b/2.wav")
    refuse_to_list(monkeypatch, tmp_path / "a")
    found = scan(tmp_path)
    assert paths(found) == ["b/2.wav"]
    assert found.left_alone == {"unreadable folder": 1}


def test_an_archive_whose_disk_fails_is_not_an_empty_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a/1.wav")
    refuse_to_list(monkeypatch, tmp_path)
    with pytest.raises(ArchiveError, match="cannot be read"):
        scan(tmp_path)


def demuxer_extensions() -> set[str]:
    import av

    extensions: set[str] = set()
    for name in av.formats_available:
        try:
            extensions |= av.format.ContainerFormat(name, "r").extensions
        except ValueError:  # it only writes
            continue
    return extensions


def test_every_extension_of_the_libraries_is_media_or_not() -> None:
    extensions = {extension.lower() for extension in demuxer_extensions()}
    assert len(extensions) > 200
    assert sorted(extensions - MEDIA_EXTENSIONS - NOT_MEDIA_EXTENSIONS) == []


def test_no_extension_is_both_or_written_in_a_way_that_never_matches() -> None:
    assert MEDIA_EXTENSIONS.isdisjoint(NOT_MEDIA_EXTENSIONS)
    for extension in MEDIA_EXTENSIONS:
        assert os.path.splitext(f"a.{extension}".lower())[1] == f".{extension}"


@PROPERTY
@given(st.lists(FOLDER_NAMES, min_size=1, max_size=4), st.integers(1, 4))
def test_a_key_of_folders_is_legal_everywhere(folders: list[str], depth: int) -> None:
    key = key_of(*folders, PARTITION_DEPTH=depth)
    raise_error_on_invalid_partition_key_substring([key])
    assert 0 < len(key.encode("utf-8")) <= MAX_KEY_BYTES
    assert key[0] not in "._"
    assert not set(key) & set("/\\\0\n\r\t ,=*?[]:'\"")
    assert key not in (ROOT_KEY, "..")


@PROPERTY
@given(st.lists(FOLDER_NAMES, min_size=1, max_size=3))
def test_a_short_key_gives_the_folders_back(folders: list[str]) -> None:
    key = key_of(*folders, PARTITION_DEPTH=3)
    if "@" not in key:
        assert unquote(key, errors="surrogateescape") == "/".join(folders)
    else:
        assert len(key.encode()) > 150


@PROPERTY
@given(st.sets(st.lists(FOLDER_NAMES, max_size=3).map(tuple), min_size=2, max_size=6))
def test_different_folders_have_different_keys(folders: set[tuple[str, ...]]) -> None:
    keys = {key_of(*names, PARTITION_DEPTH=3) for names in folders}
    assert len(keys) == len(folders)


@PROPERTY
@given(
    st.text("日本語%é", min_size=80, max_size=90), st.sets(st.text("aé%", max_size=4), min_size=2)
)
def test_long_names_that_begin_alike_have_different_keys(start: str, ends: set[str]) -> None:
    keys = {key_of(start + end) for end in ends}
    assert len(keys) == len(ends)
    assert all(len(key.encode()) <= MAX_KEY_BYTES for key in keys)


@pytest.mark.parametrize("name", ["vol...1", "a....b", "...", "bell\a", "tab\t", "line\n"])
def test_names_with_what_dagster_forbids(name: str) -> None:
    key = key_of(name)
    raise_error_on_invalid_partition_key_substring([key])
    assert unquote(key) == name


def test_ordinary_names_are_their_own_keys() -> None:
    for name in ("radio", "2024-05", "Interviews_v1.2", "日本語", "Straße"):
        assert key_of(name) == name


def test_files_at_the_root_have_a_key_of_their_own() -> None:
    assert key_of() == ROOT_KEY
    assert key_of(ROOT_KEY) != ROOT_KEY


def test_depth_says_how_many_folders_make_a_key() -> None:
    assert key_of("radio", "1963", "may", PARTITION_DEPTH=1) == "radio"
    assert key_of("radio", "1963", "may", PARTITION_DEPTH=2) == "radio%2F1963"
    assert key_of("radio", PARTITION_DEPTH=2) == "radio"


def test_days_and_months_are_utc() -> None:
    last_second = media_file("a.wav", modified_ns=1_704_067_199_000_000_000)
    first_second = media_file("a.wav", modified_ns=1_704_067_200_000_000_000)
    keys = [
        partitioning(PARTITION_BY=by).key(file)
        for by in ("day", "month")
        for file in (last_second, first_second)
    ]
    assert keys == ["2023-12-31", "2024-01-01", "2023-12", "2024-01"]


@pytest.mark.parametrize("modified_ns", [10**21, -(10**21), 0, -1])
def test_an_absurd_modified_time_stops_nobody(modified_ns: int) -> None:
    key = partitioning(PARTITION_BY="day").key(media_file("a.wav", modified_ns=modified_ns))
    raise_error_on_invalid_partition_key_substring([key])
    assert key.count("-") == 2


@PROPERTY
@given(FOLDER_NAMES, st.integers(1, 10_000))
def test_a_hash_is_one_of_so_many_keys(name: str, count: int) -> None:
    variables = {"PARTITION_BY": "hash", "PARTITION_COUNT": count}
    key = key_of(name, **variables)
    assert key == key_of(name, **variables)
    assert 0 <= int(key.removeprefix("hash-")) < count


def test_hashes_spread_the_files() -> None:
    by_hash = partitioning(PARTITION_BY="hash", PARTITION_COUNT=8)
    keys = Counter(by_hash.key(media_file(f"{n}.wav")) for n in range(800))
    assert sorted(keys) == [f"hash-000{n}" for n in range(8)]
    assert min(keys.values()) > 50


def test_a_partition_holds_the_media_files_of_its_key() -> None:
    files = [media_file(path) for path in ("a.wav", "b/1.wav", "b/2.wav", "a/1.wav")]
    groups = BY_FOLDER.groups(files)
    assert list(groups) == sorted(groups)
    assert groups == {"@root": files[:1], "a": files[3:], "b": files[1:3]}


def test_too_many_partitions_are_refused_with_the_way_out() -> None:
    files = [media_file(f"{number}/a.wav") for number in range(MAX_PARTITIONS + 1)]
    with pytest.raises(ArchiveError) as caught:
        BY_FOLDER.groups(files)
    assert str(caught.value) == (
        "The archive makes 10001 partitions by folder, more than 10000; set PARTITION_BY=hash."
    )
    assert len(BY_FOLDER.groups(files[:-1])) == MAX_PARTITIONS
    assert len(partitioning(PARTITION_BY="hash").groups(files)) == 256
