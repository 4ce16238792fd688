"""Reads and writes sound files piece by piece (PyAV's door in the benchmarks)."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

RATE_HZ = 16_000
TELEPHONE_RATE_HZ, TELEPHONE_HZ, MU = 8_000, (300.0, 3400.0), 255.0
CODECS = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "libmp3lame", ".opus": "libopus"}

Samples = np.ndarray[Any, np.dtype[np.int16]]


def duration_s(path: Path) -> float:
    """What the container claims."""
    with av.open(str(path)) as container:
        return float(container.duration or 0) / 1e6  # microseconds


def read(path: Path) -> Samples:
    """Decode a short file whole: int16, shape (num_samples,), 16 kHz mono."""
    resampler = AudioResampler("s16", "mono", RATE_HZ)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]  # None flushes the resampler
        parts = [out.to_ndarray()[0] for frame in frames for out in resampler.resample(frame)]
    return np.concatenate(parts)


def silence(seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(int(seconds * RATE_HZ), np.int16)


def write(path: Path, pieces: Iterable[Samples]) -> float:
    """Encode pieces one after another; never holds more than one of them.

    Args:
        path: a new file; its suffix, one of ``CODECS``, decides container and codec.
        pieces: int16, shape (num_samples,), 16 kHz mono.

    Returns:
        Seconds written.
    """
    num_samples = 0
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(CODECS[path.suffix], rate=RATE_HZ)
        stream.layout = "mono"
        for frame in _frames(pieces):
            frame.pts = num_samples
            num_samples += frame.samples
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return num_samples / RATE_HZ


def _frames(pieces: Iterable[Samples]) -> Iterator[Any]:
    for piece in pieces:
        frame = av.AudioFrame.from_ndarray(piece[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        yield frame


def telephone(samples: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """What a telephone leaves: its band and, at its rate, the steps of 8 bits (G.711's mu-law).

    Args:
        samples: of any level, 16 kHz.

    Returns:
        float32, -1 to 1, 16 kHz again.
    """
    length = len(samples) // 2
    spectrum = np.fft.rfft(samples[: 2 * length])[: length // 2 + 1]
    hertz = np.arange(len(spectrum)) * (RATE_HZ / (2 * length))
    spectrum[(hertz < TELEPHONE_HZ[0]) | (hertz > TELEPHONE_HZ[1])] = 0
    narrow = np.fft.irfft(spectrum, length)  # every second sample
    narrow /= max(float(np.abs(narrow).max()), 1e-9)
    pressed = np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU)
    coarse = np.round(pressed * 127) / 127
    heard = np.sign(coarse) * np.expm1(np.abs(coarse) * np.log1p(MU)) / MU
    both = np.pad(np.fft.rfft(heard), (0, length - length // 2))  # nothing above 4 kHz
    return (2 * np.fft.irfft(both, 2 * length)).astype(np.float32)


def retitled(source: Path, target: Path, title: str) -> None:
    """Copy a file with another title: other bytes, the same sound, nothing encoded again."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        new.metadata["title"] = title
        stream = old.streams.audio[0]
        copy = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.dts is not None:  # the last one is empty and only ends the stream
                packet.stream = copy
                new.mux(packet)
