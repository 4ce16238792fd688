"""Probing: what the headers of good, odd and broken files say, and what is remembered of it."""

import dataclasses
import errno
import hashlib
import os
import random
import socket
import struct
import tempfile
from collections.abc import Iterator
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
from opentr_pipeline.audio.ceilings import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from opentr_pipeline.audio.media_streams import Media
from opentr_pipeline.audio.probe import Probe, probe_file
from opentr_pipeline.errors import MediaError
from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.transcript import STATUSES
from opentr_pipeline_tests.making import PROPERTY, PROPERTY_ON_DISK, media_file, wav
from opentr_pipeline_tests.postgres import running_postgres
from opentr_pipeline_tests.upload_desk import overwrite_in_place

SECRET_RATE_HZ = 11_025  # of the file that a playlist in disguise names
MAGIC = [
    b"",
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0",
    b"\0\0\0\x20ftypisom\0\0\2\0isomiso2mp41",
    b"OggS\0\2",
    b"fLaC\0\0\0\x22",
    b"ID3\4\0\0\0\0\0\x21",
    b"\x1a\x45\xdf\xa3",
    b"\xff\xfb\x90\x64",
    b"#!AMR\n",
    b"FORM\0\0\1\0AIFFCOMM",
]
NAMES = ["a.mp3", "a.wav", "a.mp4", "a.mkv", "a.ogg", "a.flac", "a.amr", "a.ts", "a.aiff"]


def encoded(path: Path, codec: str, rate_hz: int = 16_000, **tags: str) -> Path:
    """A second of silence in a container after the path's extension."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=rate_hz)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, rate_hz), np.int16), layout="mono")
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(stream.codec_context.format, stream.layout, rate_hz)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def pictures(path: Path, with_sound: bool) -> Path:
    """Three frames of video, in a container after the path's extension."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000) if with_sound else None
        for number in range(3):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            picture.pts = number
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if sound:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), layout=sound.layout)
            frame.sample_rate = 8000
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def wav_header(rate_hz: int, channels: int) -> bytes:
    fmt = struct.pack("<HHIIHH", 1, channels, rate_hz, 16_000, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + 4000) + b"WAVEfmt " + struct.pack("<I", 16) + fmt


def test_a_wave_file(tmp_path: Path) -> None:
    probe = probe_file(wav(tmp_path / "a.wav", seconds=0.5))
    assert probe == Probe(
        container="wav",
        codec="pcm_s16le",
        sample_rate_hz=8000,
        num_channels=1,
        num_audio_streams=1,
        duration_s=0.5,
    )


def test_a_flac_file_with_tags(tmp_path: Path) -> None:
    probe = probe_file(encoded(tmp_path / "a.flac", "flac", title="Night, and 夜"))
    assert (probe.status, probe.container, probe.codec) == ("ok", "flac", "flac")
    assert (probe.sample_rate_hz, probe.duration_s) == (16_000, 1.0)
    assert {key.lower(): value for key, value in probe.tags.items()}["title"] == "Night, and 夜"


def test_a_film_with_sound(tmp_path: Path) -> None:
    probe = probe_file(pictures(tmp_path / "a.mkv", with_sound=True))
    assert (probe.status, probe.has_video, probe.num_audio_streams) == ("ok", True, 1)
    assert probe.codec == "pcm_s16le"


def test_a_film_without_sound(tmp_path: Path) -> None:
    probe = probe_file(pictures(tmp_path / "a.mp4", with_sound=False))
    assert (probe.status, probe.has_video) == ("unsupported", True)
    assert probe.reason == "There is no audio stream in the file."


def test_the_extension_does_not_decide(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav").rename(tmp_path / "a.mp4")
    assert probe_file(tmp_path / "a.mp4").container == "wav"


@pytest.mark.parametrize(
    "name", [b"latin \xe9\xff.wav", "日本語\n'\".wav".encode(), b"%d %03d?.wav", b"http:a.wav"]
)
def test_any_name_can_be_probed(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(wav(tmp_path / "plain.wav").read_bytes())
    assert probe_file(path).status == "ok"


def test_an_empty_file_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").touch()
    assert probe_file(tmp_path / "a.mp3") == Probe("corrupt", "The file is empty (0 bytes).")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.wav", wav_header(8000, 1)[:20]),
        ("noise.mp3", random.Random(1).randbytes(50_000)),
        ("noise.mp4", random.Random(2).randbytes(50_000)),
        ("zeros.wav", bytes(4096)),
        ("text.mp4", b"Dear archivist,\nthe film is lost.\n" * 50),
        ("page.mp3", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
        ("fast.wav", wav_header(4_000_000_000, 1) + b"data\xa0\x0f\0\0" + bytes(4000)),
        ("rate0.wav", wav_header(0, 1) + b"data\xa0\x0f\0\0" + bytes(4000)),
    ],
)
def test_a_broken_file_is_corrupt_with_a_sentence(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    probe = probe_file(tmp_path / name)
    assert probe.status == "corrupt"
    assert probe.reason[0].isupper()
    assert probe.reason.endswith(".")
    assert str(tmp_path) not in probe.reason


@pytest.mark.parametrize(
    ("rate_hz", "num_channels", "said"),
    [
        (2_000_000_000, 1, "is 2000000000 Hz, and sound is heard at 1000 to 6000000 Hz; convert"),
        (8, 1, "is 8 Hz, and sound"),
        (16_000, 255, "has 255 channels, and 64 can be heard; convert"),
    ],
)
def test_what_no_speech_has_is_refused(
    tmp_path: Path, rate_hz: int, num_channels: int, said: str
) -> None:
    content = wav_header(rate_hz, num_channels) + b"data\xa0\x0f\0\0" + bytes(4000)
    (tmp_path / "a.wav").write_bytes(content)
    probe = probe_file(tmp_path / "a.wav")
    assert probe.status == "unsupported"
    assert said in probe.reason


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1.0,\n{url}\n#EXT-X-ENDLIST\n",
    "m3u": "#EXTM3U\n{url}\n",
    "concat": "ffconcat version 1.0\nfile '{url}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT1S">'
    '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "asx": '<ASX version="3.0"><Entry><Ref href="{url}"/></Entry></ASX>',
    "pls": "[playlist]\nFile1={url}\nNumberOfEntries=1\nVersion=2\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mp3"])
def test_a_playlist_in_disguise_opens_no_other_file(tmp_path: Path, kind: str, name: str) -> None:
    wav(tmp_path / "secret.wav", rate_hz=SECRET_RATE_HZ)
    (tmp_path / name).write_text(PLAYLISTS[kind].format(url="secret.wav"))
    probe = probe_file(tmp_path / name)
    assert probe.status in ("corrupt", "unsupported")
    assert probe.sample_rate_hz == 0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_in_disguise_asks_no_network(
    tmp_path: Path, kind: str, listener: socket.socket
) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/secret.ts"
    (tmp_path / "a.mp4").write_text(PLAYLISTS[kind].format(url=url))
    assert probe_file(tmp_path / "a.mp4").status in ("corrupt", "unsupported")
    with pytest.raises(BlockingIOError):
        listener.accept()


@PROPERTY
@given(st.sampled_from(NAMES), st.sampled_from(MAGIC), st.binary(max_size=2000))
def test_no_bytes_make_a_probe_raise(name: str, start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(start + rest)
        probe = probe_file(path)
    assert probe.status in STATUSES
    assert (probe.status == "ok") == (not probe.reason)


@PROPERTY
@given(st.data())
def test_no_damage_makes_a_probe_raise(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = wav(Path(folder, "a.wav"), seconds=0.01)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, 43))] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
        probe = probe_file(path)
    assert probe.status in STATUSES
    if probe.status == "ok":
        assert MIN_SAMPLE_RATE_HZ <= probe.sample_rate_hz <= MAX_SAMPLE_RATE_HZ
        assert probe.num_channels >= 1
        assert probe.duration_s is None or 0 <= probe.duration_s <= probes.MAX_DURATION_S


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe_file(tmp_path / "gone.wav")


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
        one, other = (memory.recall([*files, *changed]) for memory in memories)
    assert one == other
    assert set(one) == set(files[:31])
    assert one[files[0]] == ("other", Probe("corrupt", "Damaged."))


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
