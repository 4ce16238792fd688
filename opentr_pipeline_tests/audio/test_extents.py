"""Files that were cut, in every container that can be written here, and files that were joined."""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio import container_sizes, extents
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.extents import extents_of
from opentr_pipeline.audio.probe import probe_file
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.steps.outcome import status_and_reason
from opentr_pipeline_tests.audio.sounds import content, saved, silence
from opentr_pipeline_tests.making import OPTIONS, PROPERTY, media_file, transcript, wav
from opentr_pipeline_tests.runs import SAMPLES

SECONDS = 6
CUT_SHARE = 0.61
# What no header says, so that a file that is cut cannot be told from a short one.
NOT_SAID = {
    **dict.fromkeys(("aac", "ac3", "eac3", "g722", "mp2", "bare.mp3"), "frames without a header"),
    **dict.fromkeys(("ts", "m2ts"), "a broadcast, recorded from anywhere to anywhere"),
    "live.webm": "recorded live, with sizes that stand for any",
    "nut": "only times, none of the end",
}


class Kind(NamedTuple):
    """A container: FFmpeg's names of it and of the codecs, and its options."""

    container: str
    codec: str
    rate_hz: int = 48_000
    picture: str = ""
    options: dict[str, str] | None = None


FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "500000"}
KINDS = {
    "aac": Kind("adts", "aac"),
    "ac3": Kind("ac3", "ac3"),
    "aiff": Kind("aiff", "pcm_s16be"),
    "au": Kind("au", "pcm_s16be"),
    "avi": Kind("avi", "pcm_s16le"),
    "film.avi": Kind("avi", "libmp3lame", picture="mpeg4"),
    "caf": Kind("caf", "pcm_s16le"),
    "eac3": Kind("eac3", "eac3"),
    "flac": Kind("flac", "flac"),
    "flv": Kind("flv", "libmp3lame", 44_100),
    "g722": Kind("g722", "g722", 16_000),
    "m2ts": Kind("mpegts", "ac3"),
    "m4a": Kind("ipod", "aac"),
    "live.webm": Kind("webm", "libopus", options={"live": "1"}),
    "mka": Kind("matroska", "aac"),
    "mkv": Kind("matroska", "aac", picture="mpeg4"),
    "mov": Kind("mov", "pcm_s16le"),
    "mp2": Kind("mp2", "mp2"),
    "mp3": Kind("mp3", "libmp3lame"),
    "bare.mp3": Kind("mp3", "libmp3lame", options={"write_xing": "0"}),
    "mp4": Kind("mp4", "aac", options={"movflags": "faststart"}),
    "fragments.mp4": Kind("mp4", "aac", options=FRAGMENTED),
    "mpg": Kind("mpeg", "mp2"),
    "nut": Kind("nut", "pcm_s16le"),
    "oga": Kind("ogg", "flac"),
    "opus": Kind("opus", "libopus"),
    "rm": Kind("rm", "ac3"),
    "ts": Kind("mpegts", "mp2"),
    "tta": Kind("tta", "tta"),
    "vob": Kind("vob", "ac3"),
    "voc": Kind("voc", "pcm_u8", 16_000),
    "w64": Kind("w64", "pcm_s16le"),
    "wav": Kind("wav", "pcm_s16le"),
    "adpcm.wav": Kind("wav", "adpcm_ima_wav"),
    "rf64.wav": Kind("wav", "pcm_s16le", options={"rf64": "always"}),
    "webm": Kind("webm", "libopus"),
    "wma": Kind("asf", "wmav2"),
    "wmv": Kind("asf", "wmav2", picture="wmv2"),
    "wv": Kind("wv", "wavpack"),
}
# Whose parts are heard one after the other where files were joined with ``cat``.
JOINED = """aiff au avi film.avi caf flv m4a mka mkv mov mp4 fragments.mp4 oga opus voc w64 wav
    adpcm.wav rf64.wav webm wma wmv""".split()


def made(
    folder: Path, name: str, rate_hz: int = 0, picture_s: int = SECONDS, sound_s: int = SECONDS
) -> Path:
    """Noise, with a picture that is as long where the kind has one."""
    kind = KINDS[name]
    rate_hz = rate_hz or kind.rate_hz
    path = folder / f"{rate_hz}.{name}"
    rng = np.random.default_rng(1)
    with av.open(str(path), "w", format=kind.container, options=kind.options or {}) as container:
        picture = container.add_stream(kind.picture, rate=10) if kind.picture else None
        if picture:
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        stream = container.add_stream(kind.codec, rate=rate_hz, layout="mono")
        stream.bit_rate = 64_000
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate_hz, stream.codec_context.frame_size or 4096
        )
        for second in range(max(sound_s, picture_s)):
            for _ in range(10 * (picture is not None and second < picture_s)):
                image = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
                container.mux(picture.encode(av.VideoFrame.from_ndarray(image)))
            if second < sound_s:
                noise = rng.normal(0, 3000, (1, rate_hz)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
                frame.sample_rate, frame.pts = rate_hz, second * rate_hz
                for part in resampler.resample(frame):
                    container.mux(stream.encode(part))
        for part in (*resampler.resample(None), None):
            container.mux(stream.encode(part))
        container.mux(picture.encode(None) if picture else ())
    return path


def outcome(path: Path) -> tuple[str, str, float]:
    """Status and reason of a file in which somebody speaks, and how long it is."""
    probe = probe_file(path)
    if probe.status != "ok":
        return probe.status, probe.reason, 0.0
    sound = Sound(path)
    list(sound.blocks())
    facts = probe.duration_s, probe.may_be_estimated
    item = ShardItem(media_file("a"), "f", OPTIONS, *facts, ("key",))
    return *status_and_reason(transcript(), sound, item), sound.duration_s


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_cut_is_told_from_a_whole_one(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    whole = path.read_bytes()
    status, reason, duration_s = outcome(path)
    assert (status, reason) == ("ok", "")
    assert duration_s == pytest.approx(SECONDS, abs=0.3)
    path.write_bytes(whole[: int(len(whole) * CUT_SHARE)])
    status, reason, duration_s = outcome(path)
    if name in NOT_SAID:
        assert status in ("ok", "suspect")
        return
    # An MP4 whose index is at its end cannot be opened.
    assert status in ("truncated", "corrupt")
    assert (status == "corrupt") == (name in ("m4a", "mov"))
    assert status == "corrupt" or 0.4 * SECONDS < duration_s < 0.7 * SECONDS


@pytest.mark.parametrize("name", ["film.avi", "wmv", "mkv"])
def test_sound_that_ended_before_the_cut_is_whole(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name, picture_s=4 * SECONDS, sound_s=SECONDS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * CUT_SHARE)])
    status, _, duration_s = outcome(path)
    assert duration_s == pytest.approx(SECONDS, abs=0.5)
    assert status in ("ok", "suspect")  # a damaged packet of the picture is none of the sound


@pytest.mark.parametrize("name", JOINED)
def test_files_that_were_joined_are_heard_one_after_the_other(tmp_path: Path, name: str) -> None:
    """With another rate in the second; a chain of Ogg is what Icecast records."""
    kind = KINDS[name]
    usual_hz = {"libopus": 24_000, "pcm_u8": 8000, "libmp3lame": 22_050}
    other_hz = usual_hz.get(kind.codec, 32_000)
    path = tmp_path / f"joined.{name}"
    parts = [made(tmp_path, name, sound_s=3, picture_s=3)]
    parts += [made(tmp_path, name, other_hz, sound_s=4, picture_s=4), parts[0]]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    status, reason, duration_s = outcome(path)
    assert (status, reason) == ("ok", "")
    assert duration_s == pytest.approx(10, abs=0.5)
    assert len(extents_of(path)) == 3


def test_a_stream_that_begins_midway_is_said(tmp_path: Path) -> None:
    path = tmp_path / "joined.m2ts"
    parts = [made(tmp_path, "ts"), made(tmp_path, "m2ts")]  # of two codecs
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    status, reason, duration_s = outcome(path)
    assert (status, duration_s) == ("suspect", pytest.approx(SECONDS, abs=0.2))
    assert reason == "A stream that begins in the middle of the file was not heard."


MAGIC = sorted({*container_sizes.READERS, b"\0\0\0\x20ftyp", b"RIFF\0\0\0\0WAVE"})


@PROPERTY
@given(st.lists(st.tuples(st.sampled_from(MAGIC), st.binary(max_size=60)), max_size=5))
def test_no_bytes_have_no_extents(parts: list[tuple[bytes, bytes]]) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(magic + rest for magic, rest in parts))
        file.flush()
        found = extents_of(Path(file.name))
        ends = [one.end for one in found]
        assert [one.start for one in found] == [0, *ends[:-1]]
        assert ends[-1] == os.path.getsize(file.name)


def said_too_little(path: Path, claim: int) -> Path:
    """A WAV whose header was not filled in when its recorder died, or only the first time."""
    whole = bytearray(wav(path, seconds=12.0).read_bytes())
    whole[40:44] = claim.to_bytes(4, "little")
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize("claim", [0, 4096, 64_000, 0x7FFFF000])
def test_a_header_that_says_too_little_hides_no_sound(tmp_path: Path, claim: int) -> None:
    status, _, duration_s = outcome(said_too_little(tmp_path / "a.wav", claim))
    assert (status, duration_s) == ("ok", pytest.approx(12.0, abs=0.1))


@pytest.mark.parametrize("after", [b"", b"LIST\4\0\0\0INFO"])
def test_a_wave_in_two_parts_is_heard_whole(tmp_path: Path, after: bytes) -> None:
    """The second may be one that a dead recorder did not finish."""
    path = wav(tmp_path / "a.wav", seconds=4.0)
    whole = path.read_bytes()
    middle = 44 + 2 * 8000

    def in_parts(claim: int) -> bytes:
        first = whole[:40] + (middle - 44).to_bytes(4, "little") + whole[44:middle]
        return first + after + b"data" + claim.to_bytes(4, "little") + whole[middle:]

    path.write_bytes(in_parts(len(whole) - middle))
    assert probe_file(path).duration_s is None
    assert outcome(path) == ("ok", "", pytest.approx(4.0, abs=0.01))
    path.write_bytes(path.read_bytes() + whole)
    assert outcome(path) == ("ok", "", pytest.approx(8.0, abs=0.01))
    path.write_bytes(in_parts(0xFFFFFFFF))
    assert outcome(path) == ("ok", "", pytest.approx(4.0, abs=0.01))
    path.write_bytes(in_parts(0))
    assert outcome(path)[0] == "suspect"


@pytest.mark.parametrize("after", [b"", b"ID3" + bytes(20_000), bytes(20_000), b"LIST\4\0\0\0INFO"])
def test_what_follows_the_sound_may_be_tags(tmp_path: Path, after: bytes) -> None:
    path = wav(tmp_path / "a.wav", seconds=3.0)
    path.write_bytes(path.read_bytes() + after)
    assert outcome(path) == ("ok", "", pytest.approx(3.0))


def test_what_is_left_unheard_is_said(tmp_path: Path) -> None:
    path = made(tmp_path, "aiff")
    path.write_bytes(path.read_bytes() + b"\1\2" * 40_000)
    status, reason, _ = outcome(path)
    assert status == "suspect"
    assert reason == "80000 bytes after the end that the header says were not heard."


def test_a_file_of_tiny_parts_keeps_nobody_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_sizes, "MAX_LOOKS", 1000)
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + b"aaaa\0\0\0\0" * 10_000)
    assert [(one.start, one.end) for one in extents_of(path)] == [(0, path.stat().st_size)]
    monkeypatch.setattr(container_sizes, "MAX_LOOKS", 1_000_000)
    monkeypatch.setattr(extents, "MAX_PARTS", 3)
    path.write_bytes(wav(tmp_path / "b.wav", 0.01).read_bytes() * 100)
    assert len(extents_of(path)) == 4


def test_ordinary_samples_are_one_container(tmp_path: Path) -> None:
    for path in SAMPLES.rglob("*"):
        if path.is_file():
            (extent,) = extents_of(path)
            whole = extent.start, extent.end, extent.is_cut, extent.num_left
            is_cut = path.name == "unfinished_copy.mp4" and extent.is_cut
            assert whole == (0, path.stat().st_size, is_cut, 0), path


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody speaks in the second of three streams, the longest is silent."""
    said = content(SAMPLES / "opening_of_the_library.wav")
    tracks = [silence(20), said, silence(5)]
    path = tmp_path_factory.mktemp("a") / "camera.mka"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=16_000, layout="mono") for _ in tracks]
        for stream, samples in zip(streams, tracks, strict=True):
            whole = (samples * 32767).astype(np.int16)
            for at in range(0, whole.shape[1], 4096):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(whole[:, at : at + 4096]), "s16", "mono"
                )
                frame.sample_rate, frame.pts = 16_000, at
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def test_the_stream_that_speaks_is_heard_where_the_first_is_silent(camera: Path) -> None:
    for audio_stream, speech_s in (("auto", 8), ("1", 8), ("0", 0)):
        sound = Sound(camera, audio_stream)
        assert (sum(one.duration_s for one in sound.windows()) > 8) == (speech_s > 0)
        assert sound.duration_s == pytest.approx(12.1 if speech_s else 20.0, abs=0.1)
        # What the header claims is of the stream that players choose.
        assert not sound.is_claimed


def test_streams_that_were_not_heard_are_named(camera: Path, tmp_path: Path) -> None:
    silent = transcript(text="", status="no_speech", reason="No speech was found.")
    item = ShardItem(media_file("a"), "f", OPTIONS, None, False, ("key",))
    reasons = []
    for path, stream in ((camera, "0"), (saved(tmp_path / "a.wav", silence(2)), "auto")):
        sound = Sound(path, stream)
        assert list(sound.windows()) == []
        reasons.append(status_and_reason(silent, sound, item)[1])
    assert reasons == [
        "No speech was found. Its 2 other audio streams were not heard; see AUDIO_STREAM.",
        "No speech was found.",
    ]
