"""Whether a voice is one that is known: thresholds, and what they get wrong; pure.

Only voices of one embedding model compare. A telephone takes away much of what tells voices apart,
so each band has a threshold of its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opentr_pipeline.speakers.people import People, Person

if TYPE_CHECKING:
    from opentr_pipeline.speakers.heard_voices import HeardVoice

WIDE, TELEPHONE = "wide", "telephone"
TELEPHONE_RATE_HZ = 8000
# Codecs that carry nothing above 4 kHz, whatever rate they are stored at.
TELEPHONE_CODECS = frozenset(
    "pcm_mulaw pcm_alaw gsm gsm_ms amr_nb amrnb g723_1 g729 adpcm_g726 ilbc".split()
)
# Cosine similarity, by the bands of the two. Source: ``benchmarks/voices.py``, CAM++, stretches of
# 3 s; the guide has the figures, and what they are worth.
MIN_SIMILARITY = {
    (WIDE, WIDE): 0.58,
    (TELEPHONE, TELEPHONE): 0.72,
    (TELEPHONE, WIDE): 0.50,
}
# A voice of which less is heard sounds like many.
MIN_SPEECH_S = 3.0


class Suggestion(NamedTuple):
    """Whose a voice may be.

    Attributes:
        similarity: -1 to 1.
        bar: from which on it is suggested.
    """

    person: Person
    similarity: float
    bar: float


def band_of(sample_rate_hz: int | None, codec: str | None) -> str:
    """What a recording lets through of a voice, by what its container says of the sound."""
    is_low = sample_rate_hz is not None and sample_rate_hz <= TELEPHONE_RATE_HZ
    return TELEPHONE if is_low or codec in TELEPHONE_CODECS else WIDE


def threshold(band: str, other: str) -> float:
    """From which similarity on two voices may be one."""
    return MIN_SIMILARITY[min(band, other), max(band, other)]


def suggestions(voices: Sequence["HeardVoice"], people: People) -> list[Suggestion | None]:
    """Whose each of some voices may be; None where it is like nobody's that is confirmed."""
    known = _known(people)
    return [_suggestion(voice, known) if _is_enough(voice) else None for voice in voices]


def _is_enough(voice: "HeardVoice") -> bool:
    return bool(voice.embedding) and voice.speech_s >= MIN_SPEECH_S


class _Known(NamedTuple):
    """The confirmed voices of one band and model: a row for each person."""

    band: str
    persons: list[Person]
    rows: list[list[float]]


def _known(people: People) -> dict[str, list[_Known]]:
    """By embedding model."""
    grouped: dict[tuple[str, str], dict[str, list[Sequence[float]]]] = defaultdict(dict)
    persons = {person.person_id: person for person in people.persons}
    for person, voice in people.voices():
        if voice.embedding:
            group = grouped[voice.embedding_model, voice.band]
            group.setdefault(person.person_id, []).append(voice.embedding)
    known: dict[str, list[_Known]] = defaultdict(list)
    for (model, band), group in grouped.items():
        rows = [mean_voice(embeddings) for embeddings in group.values()]
        known[model].append(_Known(band, [persons[one] for one in group], rows))
    return known


def mean_voice(embeddings: Iterable[Sequence[float]]) -> list[float]:
    """What several vectors of one voice have in common, of unit length."""
    import numpy as np

    total = np.sum(np.asarray(list(embeddings), "float64"), axis=0)
    mean: list[float] = (total / max(float(np.linalg.norm(total)), 1e-9)).tolist()
    return mean


def _suggestion(voice: "HeardVoice", known: dict[str, list[_Known]]) -> Suggestion | None:
    import numpy as np

    # Nothing of the same band outdoes what is in another: that is heard through the same ear.
    groups = sorted(known.get(voice.embedding_model, ()), key=lambda one: one.band != voice.band)
    for group in groups:
        likeness = np.asarray(group.rows) @ np.asarray(voice.embedding)
        best = int(np.argmax(likeness))
        bar = threshold(voice.band, group.band)
        if likeness[best] >= bar:
            return Suggestion(group.persons[best], round(float(likeness[best]), 3), bar)
    return None
