"""What to hear first: phrases that are in doubt, and that nobody has corrected or checked.

What visitors look for counts: a phrase in which they find their words is one that they read.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.corrections.importing import recordings
from opentr_pipeline.corrections.sought import Sought, Worth
from opentr_pipeline.transcripts.store import TranscriptStore

# Of a phrase that is flagged, beside those that the model merely gives a low probability.
FLAGGED = 1.0


@dataclass(frozen=True)
class Doubt:
    """A phrase that is in doubt.

    Attributes:
        doubt: the share of certainty that its words lack, by the model itself; more where it is
            flagged, and where visitors look for its words.
        sought: the words that they look for.
    """

    path: str
    start_s: float
    end_s: float
    doubt: float
    flags: tuple[str, ...]
    sought: tuple[str, ...]
    text: str


def doubts(store: TranscriptStore, limit: int) -> list[Doubt]:
    """The phrases that are most in doubt, at most so many.

    Args:
        store: of the archive; one partition after another is read.
        limit: of phrases.
    """
    paths = {one.recording_id: one.path for one in recordings(store)}
    worth = Worth(Sought(store).counts())
    keys = sorted(store.partition_keys())
    found = (one for key in keys for one in _of_partition(store, key, paths, worth))
    return heapq.nsmallest(limit, found, key=lambda one: (-one.doubt, one.path, one.start_s))


def _of_partition(
    store: TranscriptStore, key: str, paths: dict[str, str], worth: Worth
) -> Iterator[Doubt]:
    taken = _taken(store, key)
    columns = ["recording_id", "start_s", "end_s", "avg_logprob", "flags", "text"]
    for row in store.read_partition("segments", key).select(columns).to_pylist():
        path, spans = paths.get(row["recording_id"]), taken.get(row["recording_id"], ())
        is_taken = any(
            row["start_s"] < end_s and start_s < row["end_s"] for start_s, end_s in spans
        )
        if path is not None and row["text"] and not is_taken:
            doubt = 1.0 - math.exp(min(0.0, row["avg_logprob"] or 0.0))
            flags = tuple(row["flags"] or ())
            share, sought = worth.of(row["text"])
            whole = round(doubt + FLAGGED * bool(flags) + share, 3)
            yield Doubt(path, row["start_s"], row["end_s"], whole, flags, sought, row["text"])


def _taken(store: TranscriptStore, key: str) -> dict[str, list[tuple[float, float]]]:
    """Where somebody has been already, by recording."""
    columns = ["recording_id", "state", "start_s", "end_s"]
    rows: list[dict[str, Any]] = (
        store.read_partition("corrections", key).select(columns).to_pylist()
    )
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["state"] not in ("undone", "conflict"):
            found.setdefault(row["recording_id"], []).append((row["start_s"], row["end_s"]))
    return found
