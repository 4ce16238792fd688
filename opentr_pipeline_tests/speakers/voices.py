"""Made voices and conversations: vectors of random directions, words without a sound."""

import dataclasses
import math
import random
from collections.abc import Mapping
from pathlib import Path

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.speakers.models import EMBEDDING_MODEL
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice
from opentr_pipeline_tests.making import recording, transcript, wav

SENTENCE_S = 4.0


def vector(person: str, likeness: float = 1.0, occasion: str = "") -> tuple[float, ...]:
    """How a person sounds: of unit length, and so like the usual as is asked for."""
    usual, other = _direction(person), _direction(f"{person} {occasion}")
    across = [b - a * sum(x * y for x, y in zip(usual, other, strict=True))
              for a, b in zip(usual, other, strict=True)]  # fmt: skip
    length = math.sqrt(sum(value * value for value in across)) or 1.0
    rest = math.sqrt(1 - likeness * likeness) / length
    return tuple(likeness * a + rest * b for a, b in zip(usual, across, strict=True))


def _direction(name: str) -> list[float]:
    dice = random.Random(name)
    values = [dice.gauss(0, 1) for _ in range(192)]
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def conversation(
    content: str,
    speakers: str,
    voices: Mapping[int, tuple[float, ...]],
    model: str = EMBEDDING_MODEL,
) -> Transcript:
    """A sentence of four words a second each for every digit, which says whose it is."""
    text = ". ".join(f"{content} says number {n}" for n in range(len(speakers)))
    turns = [
        Turn(int(who), number * SENTENCE_S, (number + 1) * SENTENCE_S)
        for number, who in enumerate(speakers)
    ]
    heard = tuple(
        Voice(number, speakers.count(str(number)) * SENTENCE_S, voice, embedding_model=model)
        for number, voice in sorted(voices.items())
    )
    plain = transcript(content, text)
    spoken = Spoken(plain.media_fingerprint, f"told by {model}", tuple(turns), heard)
    return attributed(plain, spoken)


def publish(
    store: TranscriptStore, archive: Path, key: str, made: Mapping[str, Transcript], rate_hz: int
) -> list[Recording]:
    """Publish conversations as recordings of an archive, with their media files."""
    rows = []
    for path, one in made.items():
        wav(archive / path, 0.2)
        probe = Probe(sample_rate_hz=rate_hz, duration_s=one.duration_s)
        row = dataclasses.replace(recording(path, path, key), probe=probe)
        rows.append(dataclasses.replace(row, media_fingerprint=one.media_fingerprint))
    store.write_recordings(key, rows)
    entries = [
        Entry(row.recording_id, row.media_file.path, one)
        for row, one in zip(rows, made.values(), strict=True)
    ]
    store.publish(key, entries)
    return rows
