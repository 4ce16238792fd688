"""Sound files that tests write, and what is heard of files."""

import wave
from pathlib import Path
from typing import Any

import numpy as np

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ


def heard(path: Path) -> Sound:
    """The sound of a file, heard to the end."""
    sound = Sound(path)
    for _ in sound.windows():
        pass
    return sound


def content(path: Path, audio_stream: str = "auto", *, split: bool = False) -> Any:
    """All samples of a file, shape (num_channels, n)."""
    return np.concatenate(list(Sound(path, audio_stream, split=split).blocks()), axis=1)


def saved(path: Path, channels: Any) -> Path:
    """A WAV file of samples, shape (num_channels, n)."""
    with wave.open(str(path), "wb") as stream:
        stream.setparams((len(channels), 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        stream.writeframes((channels.T * 32767).astype(np.int16).tobytes())
    return path


def silence(seconds: float) -> Any:
    return np.zeros((1, int(seconds * SAMPLE_RATE_HZ)), np.float32)
