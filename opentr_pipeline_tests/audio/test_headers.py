"""Probing: what the headers of good, odd and broken files say."""

import os
import random
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio import probe as probes
from opentr_pipeline.audio.ceilings import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from opentr_pipeline.audio.probe import Probe, probe_file
from opentr_pipeline.transcripts.transcript import STATUSES
from opentr_pipeline_tests.making import PROPERTY, wav

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
