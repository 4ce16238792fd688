"""Sound decoded from real containers, whole and damaged, and windows."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio import (
    MIN_MISSING_S,
    SAMPLE_RATE_HZ,
    WINDOW_S,
    Audio,
    Window,
    decode,
    is_cut_off,
    joined,
    speech_windows,
)
from opentr_pipeline.errors import MediaError
from opentr_pipeline.probe import probe_file
from opentr_pipeline_tests.making import PROPERTY, wav

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
    audio = decode(path)
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert np.abs(audio.samples).max() <= 1.0
    assert audio.duration_s == pytest.approx(SECONDS, abs=0.2)
    probe = probe_file(path)
    assert probe.may_be_estimated or not is_cut_off(audio, probe.duration_s or 0.0)


@pytest.mark.parametrize("extension", WITH_A_CLAIM)
def test_a_cut_recording_is_noticed(tmp_path: Path, extension: str) -> None:
    path = encoded(tmp_path, extension, WITH_A_CLAIM[extension])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    probe = probe_file(path)
    assert probe.duration_s == pytest.approx(SECONDS, abs=0.2)
    assert not probe.may_be_estimated
    audio = decode(path)
    assert 0.5 * SECONDS < audio.duration_s < 0.7 * SECONDS
    assert is_cut_off(audio, probe.duration_s or 0.0)


def test_a_guess_at_a_duration_is_no_claim(tmp_path: Path) -> None:
    assert probe_file(encoded(tmp_path, "aac", "aac")).may_be_estimated


@pytest.mark.parametrize(
    ("decoded_s", "claimed_s", "cut"),
    [(10.0, 10.9, False), (10.0, 11.5, True), (3550.0, 3600.0, False), (3500.0, 3600.0, True)],
)
def test_what_counts_as_cut_off(decoded_s: float, claimed_s: float, cut: bool) -> None:
    audio = Audio(np.zeros(int(decoded_s * SAMPLE_RATE_HZ), np.float32))
    assert MIN_MISSING_S == 1.0
    assert is_cut_off(audio, claimed_s) == cut


def test_damage_in_the_middle_costs_little(tmp_path: Path) -> None:
    path = encoded(tmp_path, "mkv", "aac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    assert decode(path).duration_s > 0.7 * SECONDS


@pytest.mark.parametrize("content", [b"ID3 and nothing", bytes(5000)])
def test_what_has_no_sound_is_an_outcome(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        decode(path)
    assert caught.value.status == "corrupt"
    assert str(caught.value).endswith(".")


def test_a_name_that_is_not_utf8_can_be_decoded(tmp_path: Path) -> None:
    path = wav(tmp_path / "caf\udce9 \n.wav", seconds=1.0)
    assert decode(path).duration_s == pytest.approx(1.0, abs=0.01)


def test_a_tone_and_silence_are_no_speech(tmp_path: Path) -> None:
    for path in (wav(tmp_path / "tone.wav", seconds=5.0), wav(tmp_path / "0.wav", 5.0, 0.0)):
        assert speech_windows(decode(path)) == ([], 0)


SPANS = st.lists(st.tuples(st.floats(0, 40), st.floats(0.05, WINDOW_S)), min_size=0, max_size=40)


@PROPERTY
@given(SPANS)
def test_windows_hold_all_speech_in_order_and_fit(
    gaps_and_lengths: list[tuple[float, float]],
) -> None:
    spans, at_s = [], 0.0
    for gap_s, length_s in gaps_and_lengths:
        spans.append(Window(at_s + gap_s, at_s + gap_s + length_s))
        at_s = spans[-1].end_s
    windows = joined(spans)
    assert all(window.duration_s <= WINDOW_S + 1e-6 for window in windows)
    assert all(a.end_s <= b.start_s for a, b in pairwise(windows))
    for span in spans:
        assert any(w.start_s <= span.start_s and span.end_s <= w.end_s for w in windows)
