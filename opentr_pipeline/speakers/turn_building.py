"""What windows say of their voices -> turns of people; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentr_pipeline.speakers.segmentation import (
    FIRST_MIDDLE_SAMPLES,
    FRAME_S,
    FRAME_SAMPLES,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Windows begin so far apart: a whole number of frames, and never more than two have one in common.
STEP_FRAMES = 296
STEP_SAMPLES = STEP_FRAMES * FRAME_SAMPLES
# Where the frame begins whose middle is the first.
ORIGIN_S = FIRST_MIDDLE_SAMPLES / FRAME_SAMPLES * FRAME_S - FRAME_S / 2
# Shorter pauses of one person part no turn.
MIN_PAUSE_S = 0.3
# Who is less likely to speak does not, however many are said to.
MIN_LIKELY = 0.05
LIKELY_UNIT = 255


@dataclass(frozen=True)
class HeardWindow:
    """What was heard in a window.

    Attributes:
        activity: how likely each of its voices, or of their parts, is heard in each frame, 0 to
            ``LIKELY_UNIT``: uint8, shape (WINDOW_FRAMES, num_voices).
        people: the number of the person of each voice that could be told, by its place there.
    """

    activity: "Array"
    people: dict[int, int]


# Person, start and end in seconds.
Stretch = tuple[int, float, float]


def stretches_of(windows: Sequence[HeardWindow], num_people: int) -> list[Stretch]:
    """Who speaks when, by start.

    How many speak is what overlapping windows say on average; who, whoever is the likeliest then.
    """
    open_since: dict[int, list[int]] = {}
    found: list[tuple[int, int, int]] = []
    for person, start, end in _runs(windows, num_people):
        last = open_since.get(person)
        if last and (start - last[1]) * FRAME_S < MIN_PAUSE_S:
            last[1] = end
            continue
        if last:
            found.append((person, last[0], last[1]))
        open_since[person] = [start, end]
    found += [(person, start, end) for person, (start, end) in open_since.items()]
    timed = [
        (person, ORIGIN_S + start * FRAME_S, ORIGIN_S + end * FRAME_S)
        for person, start, end in found
    ]
    return sorted(timed, key=lambda stretch: stretch[1:])


def _runs(windows: Sequence[HeardWindow], num_people: int) -> Iterator[tuple[int, int, int]]:
    """Person, first and last frame of what is said, in order for each person; a step at a time."""
    import numpy as np

    for step in range(len(windows) + 1):
        scores, counts = np.zeros((STEP_FRAMES, num_people)), np.zeros(STEP_FRAMES)
        covered = np.zeros(STEP_FRAMES)
        for at, first in ((step, 0), (step - 1, STEP_FRAMES)):
            if 0 <= at < len(windows):
                part = windows[at].activity[first : first + STEP_FRAMES] / LIKELY_UNIT
                covered[: len(part)] += 1
                counts[: len(part)] += part.sum(axis=1)
                scores[: len(part)] += _by_person(part, windows[at].people, num_people)
        speaks = _likeliest(scores, counts, np.maximum(covered, 1))
        for person in np.flatnonzero(speaks.any(axis=0)).tolist():
            edges = np.flatnonzero(np.diff(np.pad(speaks[:, person].astype(np.int8), 1)))
            edges += step * STEP_FRAMES
            for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                yield person, start, end


def _by_person(activity: "Array", people: dict[int, int], num_people: int) -> "Array":
    import numpy as np

    scores = np.zeros((len(activity), num_people))
    for local, person in people.items():
        scores[:, person] = np.maximum(scores[:, person], activity[:, local])
    return scores


def _likeliest(scores: "Array", counts: "Array", covered: "Array") -> "Array":
    """Whether each person speaks in each frame."""
    import numpy as np

    num_speaking = np.floor(counts / covered + 0.5)
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    likely = scores / covered[:, None] > MIN_LIKELY
    return np.asarray((ranks < num_speaking[:, None]) & likely)
