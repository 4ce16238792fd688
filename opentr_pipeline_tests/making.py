"""Small things to test on: sound files, and the values that the modules hand each other."""

import dataclasses
import hashlib
import math
import os
import wave
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis

from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.audio.windows import Window
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.transcripts.transcript import Content, Segment, Transcript, Word

# A property is searched for a counterexample, never timed.
PROPERTY = hypothesis.settings(deadline=None)
# The same where each example writes to the disk.
PROPERTY_ON_DISK = hypothesis.settings(PROPERTY, max_examples=25)
OPTIONS = TranscriptionOptions("base", "0" * 64, "int8", "auto", "transcribe", 5)
OTHER_OPTIONS = dataclasses.replace(OPTIONS, language="es")
TRANSCRIBED_AT = "2024-05-17T10:20:30.123+00:00"


def settings_of(variables: Mapping[str, object] | None = None, **more: object) -> Settings:
    """Settings from these variables alone; no environment, no ``.env``."""
    merged = {**(variables or {}), **more}
    return load_settings({name: str(value) for name, value in merged.items()}, None)


def wav(path: Path, seconds: float = 0.2, pitch_hz: float = 440.0, rate_hz: int = 8000) -> Path:
    """A tone; another pitch gives other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    step = 2 * math.pi * pitch_hz / rate_hz
    samples = array("h", (int(9000 * math.sin(step * n)) for n in range(int(seconds * rate_hz))))
    with wave.open(os.fspath(path) if path.name.isascii() else path.open("wb"), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate_hz)
        stream.writeframes(samples.tobytes())
    return path


def window(start: int, samples: Any, channel: int | None = None) -> Window:
    """A window of one span of speech that begins at this sample of the recording."""
    return Window(((start, start + len(samples)),), samples, channel)


def media_file(path: str, **facts: int) -> MediaFile:
    """A media file that exists nowhere."""
    at_ns = 1_700_000_000_000_000_000
    place = {"device": 1, "inode": 1}
    values = {"size_bytes": 1000, "modified_ns": at_ns, **place, "changed_ns": at_ns}
    return MediaFile(path, **{**values, **facts})


def recording(path: str, content: str = "sound", partition_key: str = "key") -> Recording:
    """A recording that exists nowhere."""
    return Recording(media_file(path), partition_key, fingerprint(content), Probe(duration_s=2.0))


def fingerprint(content: str) -> str:
    """A media fingerprint for some content."""
    return hashlib.sha256(os.fsencode(content)).hexdigest()


def content(name: str, options: TranscriptionOptions = OPTIONS) -> Content:
    """What a transcript of some content belongs to."""
    return fingerprint(name), options.settings_fingerprint


def transcript(content: str = "sound", text: str = "good morning", **facts: object) -> Transcript:
    """A transcript with one segment per sentence; a word lasts a second."""
    segments = []
    start_s = 0.0
    for sentence in text.split(". ") if text else []:
        names = sentence.split()
        words = tuple(
            Word(f" {name}", start_s + number, start_s + number + 1.0, 0.5)
            for number, name in enumerate(names)
        )
        end_s = start_s + len(names)
        segments.append(Segment(start_s, end_s, sentence, -0.25, 0.125, 1.5, words))
        start_s = end_s
    whole = Transcript(
        media_fingerprint=fingerprint(content),
        settings_fingerprint=OPTIONS.settings_fingerprint,
        status="ok",
        language="en",
        language_probability=0.75,
        model="base",
        compute_type="int8",
        task="transcribe",
        duration_s=start_s,
        speech_s=start_s,
        wall_s=0.5,
        transcribed_at=TRANSCRIBED_AT,
        segments=tuple(segments),
    )
    return dataclasses.replace(whole, **facts)  # type: ignore[arg-type]
