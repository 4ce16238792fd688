"""Sound -> turns and voices.

A stream: of a recording only what its windows were found to be is kept, some 3 MB an hour.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.speakers import models
from opentr_pipeline.speakers.clustering import people_of
from opentr_pipeline.speakers.embeddings import FEATURE_SAMPLES, FEATURES_PER_S, Band, Voices
from opentr_pipeline.speakers.parts import parts_of
from opentr_pipeline.speakers.segmentation import (
    FIRST_MIDDLE_SAMPLES,
    FRAME_SAMPLES,
    MAX_LOCAL,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
    Segmentation,
)
from opentr_pipeline.speakers.turn_building import (
    LIKELY_UNIT,
    STEP_SAMPLES,
    HeardWindow,
    stretches_of,
)
from opentr_pipeline.transcripts.turns import Turn, Voice

if TYPE_CHECKING:
    import numpy as np

    from opentr_pipeline.audio.windows import Samples

    Array = np.ndarray[Any, Any]

# A voice is known by what it says alone: by at least so much of a window, and no more is looked at,
# for that is what takes the time.
MIN_VOICE_S, MAX_VOICE_S = 0.2, 5.0
# A voice speaks where that is likelier than not. In a recording in which nobody ever does, as where
# some words are said far away, whoever is this likely to.
LIKELY, FAINTLY = 0.5, 0.35
# Heard alone for less, a voice is not to be known again.
MIN_KNOWN_S = 1.0


def load(models_dir: Path, cpu_threads: int) -> "Diarizer":
    """Load the networks.

    Args:
        models_dir: where fetched models are kept.
        cpu_threads: cores that they may use.

    Raises:
        ModelError: they are not there, or what they need is not installed; with the remedy.
    """
    models.check_installed()
    networks = models.find(models_dir)
    return Diarizer(
        Segmentation(networks.segmentation, cpu_threads), Voices(networks.voices, cpu_threads)
    )


class _Vector(NamedTuple):
    """A voice of a window, and how much of it was heard alone."""

    vector: "Array"
    seconds: float


@dataclass(frozen=True)
class _Found:
    """A window: how likely each of its voices speaks when, and what these sound like.

    Attributes:
        is_faint: nobody is likely to speak in it; its vectors are of whoever may.
    """

    activity: "Array"
    vectors: dict[int, _Vector] = field(default_factory=dict)
    is_faint: bool = False


class Diarizer:
    """Hears who speaks when."""

    def __init__(self, segmentation: Segmentation, voices: Voices) -> None:
        """Use these networks."""
        self._segmentation, self._voices = segmentation, voices

    def hear(self, sound: Sound) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
        """Who speaks when in a recording; where it is split into channels, each is one speaker.

        Returns:
            Turns by start, voices by number.

        Raises:
            MediaError: the sound cannot be decoded.
            OSError: the file cannot be read, through no fault of its own.
        """
        channels: list[_Channel] = []
        for block in sound.blocks():
            channels = channels or [_Channel(self._found) for _ in block]
            for channel, samples in zip(channels, block, strict=True):
                channel.feed(samples)
        heard = [channel.rest() for channel in channels]
        if len(heard) == 1:
            return _people(heard[0], channels[0].band)
        return _one_each(heard, [channel.band for channel in channels])

    def _found(self, window: "Samples", band: Band) -> _Found:
        """What is in a window of full length.

        Args:
            window: its samples.
            band: of the channel so far; hears this window as well.
        """
        import numpy as np

        if not window.any():  # hours of it cost next to nothing
            return _Found(np.zeros((WINDOW_FRAMES, MAX_LOCAL), np.uint8))
        likely = self._segmentation.activity(window[None])[0]
        is_faint = not (likely > LIKELY).any()
        speaks = likely > (FAINTLY if is_faint else LIKELY)
        activity = np.round(likely * LIKELY_UNIT).astype(np.uint8)
        alone = speaks & (speaks.sum(axis=1) == 1)[:, None]
        if not alone.any():
            return _Found(activity, is_faint=is_faint)
        features = self._voices.features(window)
        frames = _frames_of(len(features))
        band.hear(features[alone.any(axis=1)[frames]])
        if band.is_narrow:
            parts = parts_of(speaks, alone)
            activity, alone = (one[:, parts.voices] * parts.masks for one in (activity, alone))
        found = _Found(activity, is_faint=is_faint)
        for voice in range(alone.shape[1]):
            mine = np.flatnonzero(alone[frames, voice])
            seconds = len(mine) / FEATURES_PER_S
            if seconds >= MIN_VOICE_S:
                spare = max(0, len(mine) - int(MAX_VOICE_S * FEATURES_PER_S))
                middle = mine[spare // 2 : len(mine) - (spare - spare // 2)]
                vector = self._voices.vector(features[middle], is_narrow=band.is_narrow)
                found.vectors[voice] = _Vector(vector, seconds)
        return found


def _frames_of(num_features: int) -> "Array":
    """In which frame of a window each of its features is."""
    import numpy as np

    middles = (np.arange(num_features) + 0.5) * FEATURE_SAMPLES
    frames = ((middles - FIRST_MIDDLE_SAMPLES) / FRAME_SAMPLES).round().astype(int)
    return np.asarray(frames.clip(0, WINDOW_FRAMES - 1))


class _Channel:
    """The windows of one channel, and what is held back of it until the next is full."""

    def __init__(self, find: Callable[["Samples", Band], _Found]) -> None:
        self.band = Band()
        self._find = find
        self._held: Samples | None = None
        self._found: list[_Found] = []

    def feed(self, samples: "Samples") -> None:
        """Hear what is full."""
        import numpy as np

        held = samples if self._held is None else np.concatenate([self._held, samples])
        while len(held) >= WINDOW_SAMPLES:
            self._found.append(self._find(held[:WINDOW_SAMPLES], self.band))
            held = held[STEP_SAMPLES:]
        self._held = held.copy()

    def rest(self) -> list[_Found]:
        """All windows, the last one with silence after it."""
        import numpy as np

        if self._held is not None and len(self._held):
            window = np.pad(self._held, (0, WINDOW_SAMPLES - len(self._held)))
            self._found.append(self._find(window, self.band))
        return _settled(self._found)


def _settled(heard: list[_Found]) -> list[_Found]:
    """The same, faint voices left out; where there are no others, as likely as others are."""
    import numpy as np

    if any(one.vectors and not one.is_faint for one in heard):
        return [dataclasses.replace(one, vectors={}) if one.is_faint else one for one in heard]
    raised = [one.activity * (LIKELY / FAINTLY) for one in heard]
    return [
        dataclasses.replace(one, activity=np.minimum(activity, LIKELY_UNIT).astype(np.uint8))
        for one, activity in zip(heard, raised, strict=True)
    ]


def _people(heard: Sequence[_Found], band: Band) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
    """The people of a mix, numbered by first appearance."""
    import numpy as np

    places = [(at, local) for at, one in enumerate(heard) for local in one.vectors]
    if not places:
        return (), ()
    vectors = [heard[at].vectors[local] for at, local in places]
    seconds = [one.seconds for one in vectors]
    all_vectors = np.stack([one.vector for one in vectors])
    people = people_of(all_vectors, seconds, None if band.is_narrow else [at for at, _ in places])
    of_place = dict(zip(places, people.of_vectors, strict=True))
    windows = [
        HeardWindow(one.activity, {local: of_place[at, local] for local in one.vectors})
        for at, one in enumerate(heard)
    ]
    stretches = stretches_of(windows, len(people.centres))
    numbers = {person: at for at, person in enumerate(dict.fromkeys(one[0] for one in stretches))}
    turns = tuple(Turn(numbers[person], start_s, end_s) for person, start_s, end_s in stretches)
    alone_s = np.bincount(people.of_vectors, seconds, len(people.centres))
    voices = tuple(
        _voice(number, turns, _known(people.centres[person], float(alone_s[person])), None, band)
        for person, number in numbers.items()
    )
    return turns, voices


def _one_each(
    channels: Sequence[Sequence[_Found]], bands: Sequence[Band]
) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
    """Channels that are a speaker each; those in which nobody speaks are none."""
    import numpy as np

    turns: list[Turn] = []
    voices: list[Voice] = []
    for channel, (heard, band) in enumerate(zip(channels, bands, strict=True)):
        windows = [HeardWindow(one.activity, dict.fromkeys(one.vectors, 0)) for one in heard]
        number = len(voices)
        mine = [
            Turn(number, start_s, end_s, channel) for _, start_s, end_s in stretches_of(windows, 1)
        ]
        if mine:
            vectors = [vector for one in heard for vector in one.vectors.values()]
            alone_s = sum(one.seconds for one in vectors)
            centre = np.sum([one.vector * one.seconds for one in vectors], axis=0)
            centre /= max(float(np.linalg.norm(centre)), 1e-9)
            voices.append(_voice(number, mine, _known(centre, alone_s), channel, band))
            turns += mine
    return tuple(sorted(turns, key=lambda turn: (turn.start_s, turn.end_s))), tuple(voices)


def _known(centre: "Array", alone_s: float) -> tuple[float, ...]:
    """The numbers that a voice is known again by; none where too little of it was heard."""
    return tuple(map(float, centre)) if alone_s >= MIN_KNOWN_S else ()


def _voice(
    number: int, turns: Sequence[Turn], known: tuple[float, ...], channel: int | None, band: Band
) -> Voice:
    speech_s = sum(turn.end_s - turn.start_s for turn in turns if turn.speaker == number)
    model = models.TELEPHONE_MODEL if band.is_narrow else models.EMBEDDING_MODEL
    return Voice(number, speech_s, known, channel, model)
