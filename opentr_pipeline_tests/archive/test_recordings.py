"""What is remembered of media files, and when they are read again."""

import dataclasses
import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline import plain_files
from opentr_pipeline.archive import recordings, storage
from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.recordings import ProbeMemory, Recording, check_unchanged, probe_all
from opentr_pipeline.archive.shared_probes import SharedProbes
from opentr_pipeline.archive.storage import FolderStorage
from opentr_pipeline.audio import probe as probes
from opentr_pipeline.audio.media_streams import Media
from opentr_pipeline.audio.probe import Probe, probe_file
from opentr_pipeline.errors import MediaError
from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.transcript import STATUSES
from opentr_pipeline_tests.making import PROPERTY_ON_DISK, media_file, wav
from opentr_pipeline_tests.postgres import running_postgres
from opentr_pipeline_tests.upload_desk import overwrite_in_place


class Reads:
    """Counts the files whose contents are read for a digest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._real = hashlib.file_digest
        monkeypatch.setattr(storage.hashlib, "file_digest", self._digest)

    def _digest(self, stream: Any, name: str) -> Any:
        self.count += 1
        return self._real(stream, name)


def probed(archive: Path, memory: ProbeMemory) -> dict[str, Recording]:
    files = [("key", found) for found in scan(archive).media_files]
    return {known.media_file.path: known for known in probe_all(archive, files, memory)}


def test_the_digest_names_the_content(tmp_path: Path) -> None:
    content = wav(tmp_path / "a" / "1.wav").read_bytes()
    wav(tmp_path / "a" / "2.wav")
    wav(tmp_path / "a" / "3.wav", pitch_hz=500.0)
    known = probed(tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite"))
    assert known["1.wav"].media_fingerprint == hashlib.sha256(content).hexdigest()
    assert known["1.wav"].media_fingerprint == known["2.wav"].media_fingerprint
    assert known["1.wav"].media_fingerprint != known["3.wav"].media_fingerprint


@pytest.mark.slow
def test_several_hosts_remember_as_one_does(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2")
    files = [media_file(f"{number}.wav", inode=2**63 - number) for number in range(40)]
    learnt = [(one, f"digest of {one.path}", Probe(duration_s=1.5)) for one in files]
    with running_postgres() as url:
        memories = ProbeMemory(tmp_path / "p.sqlite"), SharedProbes(Database(url))
        for memory in memories:
            assert memory.recall([]) == {}
            memory.remember_all(learnt[:30])
            memory.remember(*learnt[30])
            memory.remember(files[0], "other", Probe("corrupt", "Damaged."))
        changed = [dataclasses.replace(one, changed_ns=one.changed_ns + 1) for one in files[:3]]
        again = dataclasses.replace(files[1], path="another name of the same file.wav")
        one, other = (memory.recall([*files, again, *changed]) for memory in memories)
    assert one == other
    assert set(one) == {*files[:31], again}
    assert one[files[0]] == ("other", Probe("corrupt", "Damaged."))


def test_all_names_of_a_file_are_known_however_many_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "ASKED_AT_ONCE", 7)
    memory = ProbeMemory(tmp_path / "p.sqlite")
    files = [media_file(f"{number}.wav", inode=number) for number in range(20)]
    memory.remember_all((one, one.path, Probe()) for one in files)
    again = [dataclasses.replace(one, path=f"again {one.path}") for one in files]
    known = memory.recall([*files, *again])
    assert [said for said, _ in known.values()] == 2 * [one.path for one in files]
    assert set(known) == {*files, *again}


def test_recordings_come_in_the_order_asked_for(tmp_path: Path) -> None:
    for number in range(9):
        wav(tmp_path / f"{number}.wav", seconds=0.05 * (9 - number))
    files = [(f"key {file.path}", file) for file in reversed(scan(tmp_path).media_files)]
    ticks: list[int] = []
    memory = ProbeMemory(tmp_path / "p.sqlite")
    known = probe_all(tmp_path, files, memory, lambda: ticks.append(1))
    assert [(found.partition_key, found.media_file) for found in known] == files
    assert len(ticks) == 9


def test_a_second_look_reads_nothing_and_a_new_name_or_mode_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a"
    wav(archive / "1.wav")
    before = probed(archive, ProbeMemory(tmp_path / "p.sqlite"))["1.wav"]
    reads = Reads(monkeypatch)
    assert probed(archive, ProbeMemory(tmp_path / "p.sqlite"))["1.wav"] == before
    assert reads.count == 0
    (archive / "b").mkdir()
    (archive / "1.wav").rename(archive / "b" / "2.wav")
    (archive / "b" / "2.wav").chmod(0o640)
    after = probed(archive, ProbeMemory(tmp_path / "p.sqlite"))["b/2.wav"]
    assert (after.media_fingerprint, after.probe) == (before.media_fingerprint, before.probe)
    assert after.recording_id != before.recording_id
    assert probed(archive, ProbeMemory(tmp_path / "p.sqlite"))["b/2.wav"] == after
    assert reads.count == 1


def test_bytes_written_in_place_are_seen_though_size_and_time_are_set_back(tmp_path: Path) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    path = wav(archive / "1.wav")
    before, facts = probed(archive, memory)["1.wav"], path.stat()
    overwrite_in_place(path, 777)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    after = probed(archive, memory)["1.wav"]
    assert after.media_file.modified_ns == before.media_file.modified_ns
    assert after.media_file.size_bytes == before.media_file.size_bytes
    assert after.media_fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    assert after.media_fingerprint != before.media_fingerprint


def test_a_copy_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    wav(archive / "1.wav")
    probed(archive, memory)
    (archive / "2.wav").write_bytes((archive / "1.wav").read_bytes())
    reads = Reads(monkeypatch)
    probed(archive, memory)
    probed(archive, memory)
    assert reads.count == 1


def test_another_modified_time_or_size_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    path = wav(archive / "1.wav")
    first = probed(archive, memory)["1.wav"]
    reads = Reads(monkeypatch)
    modified_ns = path.stat().st_mtime_ns
    os.utime(path, ns=(modified_ns, modified_ns + 1000))
    assert probed(archive, memory)["1.wav"].media_fingerprint == first.media_fingerprint
    assert reads.count == 1
    modified_ns = path.stat().st_mtime_ns
    wav(path, seconds=0.4)
    os.utime(path, ns=(modified_ns, modified_ns))
    second = probed(archive, memory)["1.wav"]
    assert second.media_fingerprint != first.media_fingerprint
    assert second.probe.duration_s == pytest.approx(0.4)
    assert reads.count == 2


def refuse_digests(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def digest(stream: object, name: str) -> object:
        raise error

    monkeypatch.setattr(storage.hashlib, "file_digest", digest)


def test_a_file_that_cannot_be_read_is_failed_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    wav(archive / "1.wav")
    with monkeypatch.context() as patch:
        refuse_digests(patch, PermissionError(errno.EACCES, "Permission denied"))
        failed = probed(archive, memory)["1.wav"]
    assert failed.media_fingerprint == f"unread-{failed.recording_id}"
    assert failed.probe == Probe("failed", "The file cannot be read: Permission denied.")
    assert probed(archive, memory)["1.wav"].probe.status == "ok"


def test_a_file_of_holes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    whole = wav(archive / "1.wav").read_bytes()
    with (archive / "1.wav").open("r+b") as file:
        file.truncate(10**11)
        file.seek(5 * 10**10)
        file.write(whole)
    with monkeypatch.context() as patch:
        refuse_digests(patch, AssertionError("read"))
        for _ in range(2):
            known = probed(archive, memory)["1.wav"]
            assert known.probe == recordings.MOSTLY_HOLES
            assert not known.is_guessed
    (archive / "1.wav").write_bytes(whole)
    assert probed(archive, memory)["1.wav"].probe.status == "ok"


def test_a_file_system_that_counts_no_blocks_hides_no_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(tmp_path / "a.wav", seconds=1.0)
    monkeypatch.setattr(plain_files, "MIN_SPARSE_BYTES", 1000)
    monkeypatch.setattr(plain_files, "BLOCK_BYTES", 0)
    with path.open("rb") as stream:
        assert not plain_files.is_mostly_holes(stream.fileno())


def test_one_file_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    for number in range(3):
        wav(archive / f"{number}.wav")
    files = [("key", found) for found in scan(archive).media_files]
    (archive / "1.wav").unlink()
    statuses = [known.probe.status for known in probe_all(archive, files, memory)]
    assert statuses == ["ok", "failed", "ok"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOMEM])
def test_what_is_the_machines_fault_is_not_remembered_as_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    wav(archive / "1.wav")

    def refuse(path: Path) -> object:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(probes, "open_media", refuse)
        assert probed(archive, memory)["1.wav"].probe.status == "failed"
    assert probed(archive, memory)["1.wav"].probe.status == "ok"


def test_a_file_that_changes_while_it_is_read_is_failed_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, memory = tmp_path / "a", ProbeMemory(tmp_path / "p.sqlite")
    path = wav(archive / "1.wav")
    real = probe_file

    def slow_probe(media: Media) -> Probe:
        with path.open("ab") as stream:
            stream.write(b"more")
        return real(media)

    with monkeypatch.context() as patch:
        patch.setattr(recordings, "probe_file", slow_probe)
        probe = probed(archive, memory)["1.wav"].probe
    assert probe.status == "failed"
    assert probe.reason == "The file changed while it was read; a later run takes it."
    wav(path)
    assert probed(archive, memory)["1.wav"].probe.status == "ok"


def test_a_file_is_unchanged_until_it_is_touched(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav")
    (known,) = scan(tmp_path).media_files
    check_unchanged(FolderStorage(tmp_path), known, "")
    os.utime(path, ns=(0, known.modified_ns + 1))
    with pytest.raises(MediaError) as caught:
        check_unchanged(FolderStorage(tmp_path), known, "")
    assert caught.value.status == "failed"


# What UTF-8 can hold; the libraries replace the rest.
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
PROBES = st.builds(
    Probe,
    status=st.sampled_from(sorted(STATUSES)),
    reason=TEXTS,
    container=TEXTS,
    codec=TEXTS,
    sample_rate_hz=st.integers(0, 10**6),
    num_channels=st.integers(0, 64),
    num_audio_streams=st.integers(0, 64),
    has_video=st.booleans(),
    duration_s=st.none() | st.floats(0, 1e6),
    may_be_estimated=st.booleans(),
    tags=st.dictionaries(TEXTS, TEXTS, max_size=3),
)


@PROPERTY_ON_DISK
@given(PROBES, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_probe_is_remembered_as_it_was(probe: Probe, device: int, inode: int) -> None:
    file = media_file("a.wav", device=device, inode=inode)
    with tempfile.TemporaryDirectory() as folder:
        memory = ProbeMemory(Path(folder, "p.sqlite"))
        memory.remember(file, "f" * 64, probe)
        assert memory.recall([file, media_file("b.wav", size_bytes=1)]) == {file: ("f" * 64, probe)}


def test_an_absurd_modified_time_is_no_reason_to_stop(tmp_path: Path) -> None:
    file = media_file("a.wav", modified_ns=10**21)
    memory = ProbeMemory(tmp_path / "p.sqlite")
    memory.remember(file, "f" * 64, Probe())
    assert memory.recall([file]) in ({}, {file: ("f" * 64, Probe())})


def test_what_another_release_remembered_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a"
    wav(archive / "1.wav")
    with monkeypatch.context() as patch:
        patch.setattr(ProbeMemory, "_TABLE", "media_0")
        known = probed(archive, ProbeMemory(tmp_path / "p.sqlite"))
    reads = Reads(monkeypatch)
    assert probed(archive, ProbeMemory(tmp_path / "p.sqlite")) == known
    assert reads.count == 1


def test_a_change_of_probe_has_a_table_of_its_own() -> None:
    names = [field.name for field in dataclasses.fields(Probe)]
    assert (ProbeMemory._TABLE, names) == (
        "media_2",  # where this fails, give both a new value
        """status reason container codec sample_rate_hz num_channels num_audio_streams has_video
        duration_s may_be_estimated tags""".split(),
    )
