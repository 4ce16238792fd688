"""What headers claim and what the sound is: longer pictures, placeholders, clocks, raw files."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from opentr_pipeline.audio.decoding import Sound, is_cut_off
from opentr_pipeline.audio.probe import probe_file
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.steps.outcome import status_and_reason
from opentr_pipeline_tests.making import OPTIONS, media_file, transcript, wav
from opentr_pipeline_tests.runs import SAMPLES

RATE_HZ = 16_000
SOUND_S = 6
PICTURES = {"mkv": ("mpeg4", "aac"), "flv": ("flv", "aac"), "wmv": ("wmv2", "wmav2")}


def noise(seconds: float, seed: int = 1) -> "np.ndarray":
    return np.random.default_rng(seed).normal(0, 3000, int(seconds * RATE_HZ)).astype(np.int16)


def film(path: Path, picture_s: int, sound_s: int = SOUND_S) -> Path:
    """A film whose picture and sound have these lengths, interleaved as players need it."""
    video_codec, audio_codec = PICTURES[path.suffix[1:]]
    sound = noise(sound_s)
    with av.open(str(path), "w") as container:
        picture = container.add_stream(video_codec, rate=5)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        stream = container.add_stream(audio_codec, rate=RATE_HZ, layout="mono")
        stream.bit_rate = 32_000
        for second in range(max(picture_s, sound_s)):
            for _ in range(5 * (second < picture_s)):
                image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
                container.mux(picture.encode(image))
            if second < sound_s:
                samples = sound[None, second * RATE_HZ : (second + 1) * RATE_HZ]
                frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                frame.sample_rate, frame.pts = RATE_HZ, second * RATE_HZ
                container.mux(stream.encode(frame))
        container.mux(picture.encode(None))
        container.mux(stream.encode(None))
    return path


def status(path: Path) -> str:
    """What becomes of a file in which somebody speaks."""
    probe = probe_file(path)
    assert probe.status == "ok"
    sound = Sound(path)
    list(sound.blocks())
    facts = probe.duration_s, probe.may_be_estimated
    item = ShardItem(media_file("a"), "f", OPTIONS, *facts, ("key",))
    return status_and_reason(transcript(), sound, item)[0]


@pytest.mark.parametrize("extension", PICTURES)
def test_a_picture_may_go_on_after_the_sound(tmp_path: Path, extension: str) -> None:
    assert status(film(tmp_path / f"a.{extension}", picture_s=20)) == "ok"


@pytest.mark.parametrize("size", [0x7FFFF000, 0x7FFFFFFF - 36, 0xFFFFF000, 0xFFFFFFFF])
def test_a_size_that_stands_for_any_is_no_claim(tmp_path: Path, size: int) -> None:
    path = wav(tmp_path / "a.wav", 3.0)
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert probe_file(path).duration_s == pytest.approx(3.0)
    assert status(path) == "ok"


def test_a_clock_that_goes_back_is_no_length(tmp_path: Path) -> None:
    parts = []
    for offset_s in (1000, 11):
        part = tmp_path / f"{offset_s}.ts"
        with av.open(str(part), "w", format="mpegts") as container:
            stream = container.add_stream("mp2", rate=RATE_HZ, layout="mono")
            frame = av.AudioFrame.from_ndarray(noise(5.0)[None], "s16", "mono")
            frame.sample_rate, frame.pts = RATE_HZ, offset_s * RATE_HZ
            frame.time_base = Fraction(1, RATE_HZ)
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        parts.append(part.read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    duration_s = probe_file(path).duration_s
    assert duration_s is None or duration_s < 1100
    assert status(path) == "ok"


@pytest.mark.parametrize(
    ("extension", "codec"),
    [("ul", "pcm_mulaw"), ("ulaw", "pcm_mulaw"), ("al", "pcm_alaw"), ("ALAW", "pcm_alaw")],
)
def test_raw_telephone_sound_is_heard_at_its_rate(
    tmp_path: Path, extension: str, codec: str
) -> None:
    said = np.concatenate(list(Sound(SAMPLES / "opening_of_the_library.wav").blocks()), axis=1)
    samples = (said[:, ::2] * 32767).astype(np.int16)
    path = tmp_path / f"a.{extension}"
    with av.open(str(path), "w", format="mulaw" if "mu" in codec else "alaw") as container:
        stream = container.add_stream(codec, rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert probe_file(path).duration_s == pytest.approx(said.shape[1] / RATE_HZ, abs=0.1)
    assert sum(one.duration_s for one in Sound(path).windows()) > 10


def test_a_header_counts_more_than_an_extension(tmp_path: Path) -> None:
    probe = probe_file(wav(tmp_path / "a.ul", 1.0, rate_hz=22_050))
    assert (probe.container, probe.sample_rate_hz) == ("wav", 22_050)
    assert probe_file(wav(tmp_path / "a.vox", 1.0)).status == "ok"


def test_what_does_not_say_how_it_is_coded_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "a.vox"
    path.write_bytes(noise(1.0).tobytes())
    probe = probe_file(path)
    assert probe.status == "unsupported"
    assert "WAV" in probe.reason


def test_what_ffmpeg_does_not_permit_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so of some damaged headers; what we may not read we cannot open ourselves."""
    path = wav(tmp_path / "a.wav")

    def refuse(*arguments: object, **options: object) -> None:
        av.error.err_check(-1, str(path))

    monkeypatch.setattr("av.open", refuse)
    assert probe_file(path).status == "corrupt"
    with pytest.raises(Exception, match="cannot be decoded") as caught:
        list(Sound(path).blocks())
    assert getattr(caught.value, "status", "") == "corrupt"


def test_a_claim_of_the_stream_is_held_against_it(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", picture_s=20)
    assert is_cut_off(SOUND_S, 20.0)
    assert probe_file(path).duration_s == pytest.approx(SOUND_S, abs=0.3)
