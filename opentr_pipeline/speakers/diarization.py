"""Sound -> turns and voices.

A stream: of a recording only what its windows were found to be is kept, some 2 MB an hour.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.speakers import models
from opentr_pipeline.speakers.clustering import clusters_of
from opentr_pipeline.speakers.embeddings import FEATURE_SAMPLES, Voices
from opentr_pipeline.speakers.segmentation import (
    FIRST_MIDDLE_SAMPLES,
    FRAME_S,
    FRAME_SAMPLES,
    MAX_LOCAL,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
    Segmentation,
)
from opentr_pipeline.transcripts.turns import Turn, Voice

if TYPE_CHECKING:
    import numpy as np

    from opentr_pipeline.audio.windows import Samples

    Array = np.ndarray[Any, Any]

# A whole number of frames, so that windows have theirs in common.
STEP_FRAMES = 296
STEP_SAMPLES = STEP_FRAMES * FRAME_SAMPLES
MIN_VOICE_S = 0.5


def load(models_dir: Path, cpu_threads: int) -> "Diarizer":
    """Load the networks.

    Raises:
        ModelError: they are not there, or what they need is not installed; with the remedy.
    """
    networks = models.find(models_dir)
    return Diarizer(
        Segmentation(networks.segmentation, cpu_threads), Voices(networks.voices, cpu_threads)
    )


class Diarizer:
    """Hears who speaks when."""

    def __init__(self, segmentation: Segmentation, voices: Voices) -> None:
        """Use these networks."""
        self._segmentation, self._voices = segmentation, voices

    def hear(self, sound: Sound) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
        """Who speaks when in a recording; where its channels are split, a channel is a speaker.

        Raises:
            MediaError: the sound cannot be decoded.
            OSError: the file cannot be read, through no fault of its own.
        """
        channels: list[_Channel] = []
        for block in sound.blocks():
            channels = channels or [_Channel(self._segmentation, self._voices) for _ in block]
            for channel, samples in zip(channels, block, strict=True):
                channel.feed(samples)
        found = [channel.rest() for channel in channels]
        if len(found) == 1:
            return _numbered(found[0], None)
        turns: list[Turn] = []
        voices: list[Voice] = []
        for number, one in enumerate(found):
            more_turns, more_voices = _numbered(one, number)
            turns += more_turns
            voices += more_voices
        return tuple(turns), tuple(voices)


@dataclass
class _Heard:
    """A window: what was heard of whom."""

    activity: "Array"
    vectors: dict[int, "Array"] = field(default_factory=dict)


class _Channel:
    def __init__(self, segmentation: Segmentation, voices: Voices) -> None:
        self._segmentation, self._voices = segmentation, voices
        self._held: Samples | None = None
        self._heard: list[_Heard] = []

    def feed(self, samples: "Samples") -> None:
        import numpy as np

        held = samples if self._held is None else np.concatenate([self._held, samples])
        while len(held) >= WINDOW_SAMPLES:
            self._hear(held[:WINDOW_SAMPLES])
            held = held[STEP_SAMPLES:]
        self._held = held.copy()

    def rest(self) -> list[_Heard]:
        import numpy as np

        if self._held is not None and len(self._held):
            self._hear(np.pad(self._held, (0, WINDOW_SAMPLES - len(self._held))))
        return self._heard

    def _hear(self, window: "Samples") -> None:
        import numpy as np

        if not window.any():
            self._heard.append(_Heard(np.zeros((WINDOW_FRAMES, MAX_LOCAL), bool)))
            return
        activity = self._segmentation.activity(window[None])[0] > 0.5
        heard = _Heard(activity)
        if activity.any():
            features = self._voices.features(window)
            alone = activity.sum(axis=1) == 1
            middles = np.arange(len(features)) * FEATURE_SAMPLES
            frames = np.clip((middles - FIRST_MIDDLE_SAMPLES) // FRAME_SAMPLES, 0, len(alone) - 1)
            for local in range(MAX_LOCAL):
                mask = (activity[:, local] & alone)[frames]
                if mask.sum() >= MIN_VOICE_S * 100:
                    heard.vectors[local] = self._voices.vector(features[mask])
        self._heard.append(heard)


def _numbered(
    heard: list[_Heard], channel: int | None
) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
    import numpy as np

    places = [(at, local) for at, one in enumerate(heard) for local in one.vectors]
    if not places:
        return (), ()
    vectors = np.stack([heard[at].vectors[local] for at, local in places])
    people = (
        clusters_of(vectors, [at for at, _ in places])
        if channel is None
        else [channel] * len(places)
    )
    num_frames = STEP_FRAMES * (len(heard) - 1) + WINDOW_FRAMES
    size = max(people) + 1
    votes, covered = np.zeros((num_frames, size)), np.zeros((num_frames, 1))
    for at in range(len(heard)):
        covered[at * STEP_FRAMES :][:WINDOW_FRAMES] += 1
    for (at, local), person in zip(places, people, strict=True):
        votes[at * STEP_FRAMES :][:WINDOW_FRAMES, person] += heard[at].activity[:, local]
    speaking = votes / covered >= 0.5
    turns = []
    for person in range(size):
        edges = np.flatnonzero(np.diff(np.pad(speaking[:, person].astype(int), 1)))
        turns += [
            (start * FRAME_S + 0.0309, end * FRAME_S + 0.0309, person)
            for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        ]
    turns.sort()
    if channel is None:
        order = list(dict.fromkeys(person for _, _, person in turns))
    else:
        order = [channel] * (channel + 1)
    number = {person: at for at, person in enumerate(order)}
    said = tuple(Turn(number[person], start, end, channel) for start, end, person in turns)
    voices = []
    for person, at in sorted(number.items(), key=lambda pair: pair[1]):
        mine = [vector for vector, one in zip(vectors, people, strict=True) if one == person]
        mean = np.mean(mine, axis=0)
        mean /= np.linalg.norm(mean)
        speech_s = sum(turn.end_s - turn.start_s for turn in said if turn.speaker == at)
        voices.append(Voice(at, speech_s, tuple(map(float, mean)), channel))
    return said, tuple(voices)
