"""Vectors of voices -> which of them are the same person's; pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Vectors = np.ndarray[Any, Any]

# Distances are 1 minus the cosine. Two voices of one window are two people: a recording says by
# itself how far apart its people are.
USUAL_THRESHOLD = 0.45
CALIBRATION = 0.75
MIN_PAIRS = 5


def clusters_of(vectors: "Vectors", windows: Sequence[int]) -> list[int]:
    """Number the people among vectors of unit length.

    Args:
        vectors: shape (n, size).
        windows: of which window each is.
    """
    from scipy.cluster import hierarchy

    if len(vectors) < 2:
        return [0] * len(vectors)
    threshold = threshold_of(vectors, windows)
    tree = hierarchy.linkage(vectors, "average", metric="cosine")
    return [int(one) - 1 for one in hierarchy.fcluster(tree, threshold, "distance")]


def threshold_of(vectors: "Vectors", windows: Sequence[int]) -> float:
    """How far apart two vectors of one person may be, in this recording."""
    import numpy as np

    apart = [
        1 - float(vectors[one] @ vectors[other])
        for one in range(len(vectors))
        for other in range(one + 1, min(one + 3, len(vectors)))
        if windows[one] == windows[other]
    ]
    if len(apart) < MIN_PAIRS:
        return USUAL_THRESHOLD
    return CALIBRATION * float(np.quantile(apart, 0.25))
