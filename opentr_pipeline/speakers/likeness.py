"""Whether a voice is one that is known: thresholds, and what they get wrong; pure.

Only voices of one embedding model compare. A telephone takes away much of what tells voices apart:
what it leaves makes vectors of their own, which have a threshold of their own.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opentr_pipeline.speakers import models
from opentr_pipeline.speakers.people import People, Person

if TYPE_CHECKING:
    from opentr_pipeline.speakers.heard_voices import HeardVoice

# Cosine similarity, by what made the two. Source: ``benchmarks/voices.py``, stretches of 3 s; the
# guide has the figures, and what they are worth.
MIN_SIMILARITY = {models.EMBEDDING_MODEL: 0.58, models.TELEPHONE_MODEL: 0.64}
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


def suggestions(
    voices: Sequence["HeardVoice"],
    people: People,
    refused: Callable[["HeardVoice"], Container[str]] = lambda _: (),
) -> list[Suggestion | None]:
    """Whose each of some voices may be; None where it is like nobody's that is confirmed.

    Args:
        voices: without a name.
        people: all who are known.
        refused: the persons of whom somebody has said that a voice is not theirs.
    """
    known = _known(people)
    return [
        _suggestion(voice, known, refused(voice)) if _is_enough(voice) else None for voice in voices
    ]


def _is_enough(voice: "HeardVoice") -> bool:
    return bool(voice.embedding) and voice.speech_s >= MIN_SPEECH_S


class _Known(NamedTuple):
    """The confirmed voices of one embedding model: a row for each person."""

    persons: list[Person]
    rows: list[list[float]]


def _known(people: People) -> dict[str, _Known]:
    """By embedding model."""
    grouped: dict[str, dict[str, list[Sequence[float]]]] = defaultdict(lambda: defaultdict(list))
    persons = {person.person_id: person for person in people.persons}
    for person, voice in people.voices():
        if voice.embedding:
            grouped[voice.embedding_model][person.person_id].append(voice.embedding)
    return {
        model: _Known([persons[one] for one in group], [*map(mean_voice, group.values())])
        for model, group in grouped.items()
    }


def mean_voice(embeddings: Iterable[Sequence[float]]) -> list[float]:
    """What several vectors of one voice have in common, of unit length."""
    import numpy as np

    total = np.sum(np.asarray(list(embeddings), "float64"), axis=0)
    mean: list[float] = (total / max(float(np.linalg.norm(total)), 1e-9)).tolist()
    return mean


def _suggestion(
    voice: "HeardVoice", known: Mapping[str, _Known], refused: Container[str]
) -> Suggestion | None:
    import numpy as np

    group, bar = known.get(voice.embedding_model), MIN_SIMILARITY.get(voice.embedding_model)
    if group is None or bar is None:
        return None
    likeness = np.asarray(group.rows) @ np.asarray(voice.embedding)
    likeness[[person.person_id in refused for person in group.persons]] = -1
    best = int(np.argmax(likeness))
    if likeness[best] < bar:
        return None
    return Suggestion(group.persons[best], round(float(likeness[best]), 3), bar)
