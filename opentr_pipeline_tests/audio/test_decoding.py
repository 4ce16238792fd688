"""Sound decoded from real containers, whole and damaged."""

import errno
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from opentr_pipeline.audio import decoding
from opentr_pipeline.audio.decoding import MIN_MISSING_S, Sound, is_cut_off
from opentr_pipeline.audio.probe import probe_file
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.errors import MediaError
from opentr_pipeline_tests.audio.sounds import content, heard
from opentr_pipeline_tests.making import wav

SECONDS = 20.0
# Containers whose header says how long the recording is, with a codec for each.
WITH_A_CLAIM = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "mp3": "libmp3lame",
    "mkv": "aac",
    "webm": "libopus",
    "aiff": "pcm_s16be",
}
WITHOUT = {"ogg": "libopus", "aac": "aac", "ac3": "ac3"}


def encoded(folder: Path, extension: str, codec: str) -> Path:
    """Noise, so that no codec saves bytes on it, at 48 kHz stereo."""
    path = folder / f"a.{extension}"
    noise = np.random.default_rng(1).normal(0, 3000, int(SECONDS * 48_000)).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.repeat(noise, 2)[None], "s16", "stereo")
        frame.sample_rate = 48_000
        for packet in stream.encode(frame) if codec != "ac3" else _in_pieces(stream, noise):
            container.mux(packet)
        container.mux(stream.encode(None))
    return path


def _in_pieces(stream: "av.AudioStream", noise: "np.ndarray") -> list[object]:
    packets: list[object] = []
    for start in range(0, len(noise) - 1536, 1536):
        piece = np.repeat(noise[start : start + 1536], 2)[None]
        frame = av.AudioFrame.from_ndarray(piece, "s16", "stereo")
        frame.sample_rate = 48_000
        packets += stream.encode(frame)
    return packets


@pytest.mark.parametrize("extension", [*WITH_A_CLAIM, *WITHOUT])
def test_a_whole_recording_is_decoded_whole(tmp_path: Path, extension: str) -> None:
    path = encoded(tmp_path, extension, {**WITH_A_CLAIM, **WITHOUT}[extension])
    samples = content(path)
    assert samples.dtype == np.float32
    assert len(samples) == 1
    assert 0.1 < np.abs(samples).max() <= 1.0
    duration_s = heard(path).duration_s
    assert duration_s == samples.shape[1] / SAMPLE_RATE_HZ
    assert duration_s == pytest.approx(SECONDS, abs=0.2)
    probe = probe_file(path)
    assert probe.may_be_estimated or not is_cut_off(duration_s, probe.duration_s or 0.0)


def test_a_guess_at_a_duration_is_no_claim(tmp_path: Path) -> None:
    assert probe_file(encoded(tmp_path, "aac", "aac")).may_be_estimated


@pytest.mark.parametrize(
    ("decoded_s", "claimed_s", "cut"),
    [(10.0, 10.9, False), (10.0, 11.5, True), (3550.0, 3600.0, False), (3500.0, 3600.0, True)],
)
def test_what_counts_as_cut_off(decoded_s: float, claimed_s: float, cut: bool) -> None:
    assert MIN_MISSING_S == 1.0
    assert is_cut_off(decoded_s, claimed_s) == cut


def test_damage_in_the_middle_costs_little(tmp_path: Path) -> None:
    path = encoded(tmp_path, "mkv", "aac")
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 3000] = bytes(3000)
    path.write_bytes(damaged)
    sound = heard(path)
    assert sound.duration_s > 0.7 * SECONDS
    assert sound.num_errors > 0


@pytest.mark.parametrize("content", [b"ID3 and nothing", bytes(5000)])
def test_what_has_no_sound_is_an_outcome(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    assert refusal(Sound(path)).status == "corrupt"


def test_a_header_with_nothing_after_it_is_an_outcome(tmp_path: Path) -> None:
    assert refusal(Sound(wav(tmp_path / "empty.wav", seconds=0.0))).status == "corrupt"


def refusal(sound: Sound) -> MediaError:
    """The outcome of a file that cannot be heard: one sentence."""
    with pytest.raises(MediaError) as caught:
        list(sound.windows())
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_name_that_is_not_utf8_can_be_decoded(tmp_path: Path) -> None:
    path = wav(tmp_path / "caf\udce9 \n.wav", seconds=1.0)
    assert heard(path).duration_s == pytest.approx(1.0, abs=0.01)


def test_a_file_that_is_not_there_is_no_outcome(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        heard(tmp_path / "gone.wav")


class Failing:
    """A container in which reading fails once, after so many packets."""

    def __init__(self, container: Any, after: int, error: Exception) -> None:
        self._container = container
        self._left = after
        self._error = error
        self.streams = container.streams
        self.start_time = container.start_time
        self.duration = container.duration
        self.format = container.format

    def demux(self, stream: Any) -> Iterator[Any]:
        for packet in self._container.demux(stream):
            if self._left == 0:
                self._left -= 1
                raise self._error
            self._left -= 1
            yield packet


def failing(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[Path], Sound]:
    """Sounds in whose middle FFmpeg reports an error of the system."""
    with pytest.raises(av.FFmpegError) as caught:
        av.error.err_check(-number, "a")
    error = caught.value
    usual = decoding.open_media

    @contextmanager
    def open_media(*facts: Any) -> Iterator[Any]:
        with usual(*facts) as container:
            yield Failing(container, 100, error)

    monkeypatch.setattr(decoding, "open_media", open_media)
    return Sound


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN])
def test_a_disk_that_fails_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """An outcome ``corrupt`` would be final; this is to be tried again."""
    path = encoded(tmp_path, "mkv", "aac")
    sound = failing(monkeypatch, number)(path)
    with pytest.raises(OSError) as caught:  # noqa: PT011  (by number)
        list(sound.windows())
    assert caught.value.errno == number


def test_what_comes_after_an_error_in_the_container_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encoded(tmp_path, "mkv", "aac")
    sound = failing(monkeypatch, errno.EINVAL)(path)
    list(sound.windows())
    assert sound.num_errors == 1
    assert sound.duration_s > 0.9 * SECONDS


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Noise of 10 s in one audio stream, a tone of 20 s in the next."""
    path = tmp_path / "film.mkv"
    noise = np.random.default_rng(1).normal(0, 3000, 10 * 16_000).astype(np.int16)
    tone = (9000 * np.sin(np.arange(20 * 16_000) / 6)).astype(np.int16)
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        for stream, samples in zip(streams, (noise, tone), strict=True):
            for at in range(0, len(samples), 1600):
                frame = av.AudioFrame.from_ndarray(samples[None, at : at + 1600], "s16", "mono")
                frame.sample_rate = 16_000
                frame.pts = at
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def test_the_stream_that_is_asked_for_is_heard(film: Path) -> None:
    assert content(film, "0").shape == (1, 10 * SAMPLE_RATE_HZ)
    assert content(film, "1").shape == (1, 20 * SAMPLE_RATE_HZ)
    assert content(film).shape in ((1, 10 * SAMPLE_RATE_HZ), (1, 20 * SAMPLE_RATE_HZ))
    sound = Sound(film, "1")
    assert list(sound.windows()) == []  # nobody speaks
    assert (sound.duration_s, sound.num_errors) == (20.0, 0)


def test_a_stream_that_is_not_there_is_said(film: Path) -> None:
    error = refusal(Sound(film, "2"))
    assert error.status == "unsupported"
    assert "AUDIO_STREAM=2" in str(error)
    assert "0 to 1" in str(error)


def test_a_film_without_sound_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "silent.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    assert refusal(Sound(path)).status == "unsupported"


def tones(path: Path, rate_hz: int, layout: str) -> bytes:
    """An MP3 of 5 s in this format."""
    num_channels = 1 if layout == "mono" else 2
    tone = (9000 * np.sin(2 * np.pi * 440 / rate_hz * np.arange(5 * rate_hz))).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, num_channels)[None], "s16", layout)
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("formats", [("mono", "stereo"), ("stereo", "mono")])
@pytest.mark.parametrize("rates_hz", [(16_000, 44_100), (48_000, 22_050)])
def test_a_format_that_changes_midway_changes_no_time(
    tmp_path: Path, split: bool, formats: tuple[str, str], rates_hz: tuple[int, int]
) -> None:
    """As in recordings that were joined with ``cat``."""
    parts = [
        tones(tmp_path / f"{rate_hz}.mp3", rate_hz, layout)
        for rate_hz, layout in zip(rates_hz, formats, strict=True)
    ]
    path = tmp_path / "joined.mp3"
    path.write_bytes(b"".join(parts))
    samples = content(path, split=split)
    assert len(samples) == (2 if split and formats[0] == "stereo" else 1)
    assert samples.shape[1] / SAMPLE_RATE_HZ == pytest.approx(10.0, abs=0.3)
    # The tone is the same before and after.
    for at in (2, 8):
        second = samples[0, at * SAMPLE_RATE_HZ : (at + 1) * SAMPLE_RATE_HZ]
        assert np.abs(np.fft.rfft(second)).argmax() == pytest.approx(440, abs=2)


def with_gaps(path: Path, starts_s: Sequence[float]) -> Path:
    """An MKV with a second of a tone at each of these times, and nothing between."""
    tone = (9000 * np.sin(np.arange(16_000) / 6)).astype(np.int16)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=1)
        picture.width = picture.height = 32
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for second in range(int(max(starts_s)) + 1):
            container.mux(
                picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8)))
            )
            if second in starts_s:
                frame = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
                frame.sample_rate = 16_000
                frame.pts = second * 16_000
                container.mux(stream.encode(frame))
        container.mux(picture.encode(None))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("starts_s", [(0, 1, 2), (5, 6), (0, 20), (3, 10, 80)])
@pytest.mark.parametrize("split", [False, True])
def test_sound_is_where_players_play_it(
    tmp_path: Path, starts_s: tuple[int, ...], split: bool
) -> None:
    """Packets may be missing, or the sound may begin after the picture."""
    samples = content(with_gaps(tmp_path / "a.mkv", starts_s), split=split)[0]
    assert len(samples) / SAMPLE_RATE_HZ == pytest.approx(starts_s[-1] + 1, abs=0.05)
    loud = [
        second
        for second in range(starts_s[-1] + 1)
        if np.abs(samples[second * SAMPLE_RATE_HZ :][1600 : SAMPLE_RATE_HZ - 1600]).mean() > 0.05
    ]
    assert tuple(loud) == starts_s


def test_a_frame_that_claims_what_cannot_be_costs_itself_alone(
    spoken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from av.audio.resampler import AudioResampler

    whole = content(spoken)
    frames = itertools.count()

    class Refusing:
        def __init__(self, *facts: Any) -> None:
            self._resampler = AudioResampler(*facts)

        def resample(self, frame: Any) -> list[Any]:
            if frame and next(frames) == 20:
                raise av.ArgumentError(22, "Invalid argument")
            return self._resampler.resample(frame)

    monkeypatch.setattr("av.audio.resampler.AudioResampler", Refusing)
    sound = Sound(spoken)
    samples = np.concatenate(list(sound.blocks()), axis=1)
    assert sound.num_errors == 1
    # What comes after it is in its place.
    assert abs(samples.shape[1] - whole.shape[1]) < 0.2 * SAMPLE_RATE_HZ
    assert np.abs(samples[0, -SAMPLE_RATE_HZ:] - whole[0, -SAMPLE_RATE_HZ:]).max() < 0.2
