"""Conversations made of readings, with exact references of who speaks when.

Readers take turns with what they read: whole sentences, some of them parts, now and then only a
second of it; with pauses, and with some of it said at once. One seed, one conversation.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sound

RATE_HZ = sound.RATE_HZ
FRAME_SAMPLES = RATE_HZ // 100
# What is louder is said: by the loudest frames, and by what is always there. Shorter pauses belong
# to the speech, and so does a little to either side.
BELOW_LOUDEST_DB, SHARE_OF_RANGE, EDGE_FRAMES = 35.0, 0.35, 3
MIN_PAUSE_S = 0.3
SHORT_TURN_SHARE, SHORT_TURN_S = 0.2, (0.6, 1.5)
OVERLAP_SHARE, OVERLAP_S, PAUSE_S = 0.25, (0.2, 1.2), (0.1, 1.5)
GAIN_DB, NOISE_DB = 5.0, (30.0, 45.0)

Samples = np.ndarray[Any, Any]
# Who, from when to when.
Said = tuple[str, float, float]


@dataclass(frozen=True)
class Conversation:
    """A recording and who speaks when in it."""

    path: Path
    said: tuple[Said, ...]
    duration_s: float


def readers(folder: Path) -> dict[str, list[Path]]:
    """The sound files of each reader; a reader is a folder."""
    return {
        one.name: sorted(one.glob("*.flac")) for one in sorted(folder.iterdir()) if one.is_dir()
    }


def make(
    path: Path,
    sources: Mapping[str, Sequence[Path]],
    num_speakers: int,
    seed: str,
    *,
    telephone: bool = False,
) -> Conversation:
    """Make a conversation.

    Args:
        path: of a new WAV file.
        sources: the readings of each reader.
        num_speakers: of the readers, chosen by the seed.
        seed: decides over all else.
        telephone: leave what a telephone leaves.
    """
    random_ = random.Random(seed)
    people = random_.sample(sorted(sources), num_speakers)
    waiting = {person: _turns(sources[person], random_) for person in people}
    gains = {person: 10 ** (random_.uniform(-GAIN_DB, GAIN_DB) / 20) for person in people}
    mix: Samples = np.zeros(0, np.float32)
    said: list[Said] = []
    person, end = "", RATE_HZ
    while any(waiting.values()):
        others = [one for one in people if waiting[one] and one != person]
        person = random_.choice(others) if others else person
        turn = waiting[person].pop() * gains[person]
        overlaps = others and said and random_.random() < OVERLAP_SHARE
        gap_s = -random_.uniform(*OVERLAP_S) if overlaps else random_.uniform(*PAUSE_S)
        start = max(0, end + int(max(gap_s, -0.7 * len(turn) / RATE_HZ) * RATE_HZ))
        mix = np.pad(mix, (0, max(0, start + len(turn) - len(mix))))
        mix[start : start + len(turn)] += turn
        said += [
            (person, (start + first) / RATE_HZ, (start + last) / RATE_HZ)
            for first, last in _speech(turn)
        ]
        end = max(end, start + len(turn))
    mix = np.pad(mix, (0, RATE_HZ))
    rng = np.random.default_rng(random_.getrandbits(32))
    level = np.sqrt((mix**2).mean()) / 10 ** (random_.uniform(*NOISE_DB) / 20)
    mix = mix + rng.normal(0, level, len(mix))
    if telephone:
        mix = sound.telephone(mix)
    mix *= 0.7 * 32767 / np.abs(mix).max()
    seconds = sound.write(path, [mix.astype(np.int16)])
    return Conversation(path, tuple(sorted(said, key=lambda one: one[1])), seconds)


def _turns(paths: Sequence[Path], random_: random.Random) -> list[Samples]:
    """What a reader says, in pieces, in any order."""
    pieces: list[Samples] = []
    for path in paths:
        reading = sound.read(path).astype(np.float32) / 32768
        spans = _speech(reading)
        cuts = [spans[0][0], *(start for start, _ in spans[1:] if random_.random() < 0.5)]
        for start, stop in itertools.pairwise([*cuts, spans[-1][1] + FRAME_SAMPLES]):
            piece = reading[start:stop]
            if random_.random() < SHORT_TURN_SHARE:
                piece = piece[: int(random_.uniform(*SHORT_TURN_S) * RATE_HZ)]
            pieces.append(piece)
    random_.shuffle(pieces)
    return pieces


def _speech(samples: Samples) -> list[tuple[int, int]]:
    """Where something is said, in samples, by energy."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    levels = 10 * np.log10((frames**2).mean(axis=1) + 1e-10)
    quiet, loudest = np.quantile(levels, [0.05, 0.98])
    least = max(loudest - BELOW_LOUDEST_DB, quiet + SHARE_OF_RANGE * (loudest - quiet))
    loud = np.flatnonzero(levels > least)
    spans: list[tuple[int, int]] = []
    for frame in loud.tolist():
        if spans and frame - spans[-1][1] < MIN_PAUSE_S * 100:
            spans[-1] = (spans[-1][0], frame + 1)
        else:
            spans.append((frame, frame + 1))
    return [
        (max(0, start - EDGE_FRAMES) * FRAME_SAMPLES, (end + EDGE_FRAMES) * FRAME_SAMPLES)
        for start, end in spans
        if end - start > EDGE_FRAMES
    ]
