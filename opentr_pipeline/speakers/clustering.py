"""Vectors of voices -> which of them are the same person's; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Distances are 1 minus the cosine. Two voices of one window are two people: by them a recording
# says itself how far apart its people are. Source: chosen on made ones (docs/measurements.md).
CALIBRATION, QUANTILE = 0.75, 0.25
USUAL_THRESHOLD, LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.45, 0.2, 0.9
MIN_PAIRS = 5
# At a telephone voices are parted at pauses (``parts``): two of a window may be one person's, so
# that these distances say nothing. Source: the same.
PARTS_THRESHOLD = 0.48


class Rules(NamedTuple):
    """Who counts as somebody; seconds are those of windows, which overlap.

    Attributes:
        founding_s: vectors of less speech join people, but make none.
        person_s: a few that are like no others are nobody, with less speech than this,
        person_share: unless they are much of a short recording.
    """

    founding_s: float
    person_s: float
    person_share: float


WHOLE, PARTED = Rules(1.0, 3.0, 0.015), Rules(2.0, 8.0, 0.04)
# Distances are quadratic: of more vectors, parts are clustered by themselves, and then what these
# gave. Some two hours.
MAX_AT_ONCE = 2000
# Of the threshold: within parts only what is surely one person becomes one.
PART_SHARE = 0.6


@dataclass(frozen=True)
class People:
    """The people of a recording.

    Attributes:
        centres: of their vectors, of unit length: shape (num_people, size).
        of_vectors: for each vector the number of its person.
    """

    centres: "Array"
    of_vectors: list[int]


def people_of(vectors: "Array", seconds: Sequence[float], windows: Sequence[int] | None) -> People:
    """Tell people apart by their voices.

    Args:
        vectors: of unit length, shape (n, size), in order; at least one.
        seconds: of speech in each.
        windows: in which window each was heard; None where voices are parted at pauses.
    """
    import numpy as np

    weights, rules = np.asarray(seconds, float), PARTED if windows is None else WHOLE
    founding = weights >= rules.founding_s
    if not founding.any():
        founding[:] = True
    threshold = PARTS_THRESHOLD
    if windows is not None:
        threshold = threshold_of(vectors[founding], np.asarray(windows)[founding])
    centres, spoken = _clustered(vectors[founding], weights[founding], threshold)
    least_s = min(rules.person_s, rules.person_share * spoken.sum(), spoken.max())
    centres = centres[spoken >= least_s]
    return People(centres, [int(one) for one in (vectors @ centres.T).argmax(axis=1)])


def threshold_of(vectors: "Array", windows: "Array") -> float:
    """How far apart two people of this recording are at least."""
    import numpy as np

    apart = [
        1 - float(vectors[at] @ vectors[other])
        for at in range(len(vectors))
        for other in (at + 1, at + 2)  # a window has three voices at most
        if other < len(vectors) and windows[at] == windows[other]
    ]
    if len(apart) < MIN_PAIRS:
        return USUAL_THRESHOLD
    threshold = CALIBRATION * float(np.quantile(apart, QUANTILE))
    return min(max(threshold, LOWEST_THRESHOLD), HIGHEST_THRESHOLD)


def _clustered(vectors: "Array", weights: "Array", threshold: float) -> tuple["Array", "Array"]:
    """Centres of what belongs together, and how much speech each stands for."""
    import numpy as np

    while len(vectors) > MAX_AT_ONCE:
        halves = range(0, len(vectors), MAX_AT_ONCE // 2)
        parts = [slice(start, start + MAX_AT_ONCE // 2) for start in halves]
        made = [_joined(vectors[one], weights[one], PART_SHARE * threshold) for one in parts]
        num_before = len(vectors)
        vectors, weights = (np.concatenate(column) for column in zip(*made, strict=True))
        if len(vectors) > 0.9 * num_before:  # as many people as vectors: nothing to be won
            threshold *= 1.5
    return _joined(vectors, weights, threshold)


def _joined(vectors: "Array", weights: "Array", threshold: float) -> tuple["Array", "Array"]:
    """The centres of clusters whose vectors are nearer to each other, on average."""
    import numpy as np
    from scipy.cluster import hierarchy

    if len(vectors) < 2:
        return vectors, weights
    tree = hierarchy.linkage(vectors, "average", metric="cosine")
    labels = hierarchy.fcluster(tree, threshold, "distance") - 1
    centres = np.zeros((labels.max() + 1, vectors.shape[1]))
    np.add.at(centres, labels, vectors * weights[:, None])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    return centres, np.bincount(labels, weights)
