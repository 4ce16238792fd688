"""Stretches that somebody has heard and corrected, as references for what the model wrote there."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from opentr_pipeline.archive.references import comparable_words, num_errors
from opentr_pipeline.transcripts.layout import Generation
from opentr_pipeline.transcripts.table_files import read_columns
from opentr_pipeline.transcripts.transcript import HEARD_WHOLE


def checked_errors(generation: Generation) -> list[tuple[str, int, int]]:
    """Path, words and errors of each recording of which somebody has checked something.

    What counts is what the model wrote, not what was made of it: another model is held against the
    same stretches. A correction alone says only where there was an error, and counts for nothing.
    """
    rows = read_columns(generation, "corrections", _COLUMNS).to_pylist()
    checked: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "checked" and row["state"] == "applied" and comparable_words(row["new"]):
            checked.setdefault(row["recording_id"], []).append(row)
    if not checked:
        return []
    heard = read_columns(generation, "transcripts", "recording_id path status task provided")
    # Of a given text nobody knows what the model would have written.
    paths = {
        row["recording_id"]: row["path"]
        for row in heard.to_pylist()
        if row["status"] in HEARD_WHOLE and row["task"] != "translate" and not row["provided"]
    }
    words = _words(generation, checked.keys() & paths.keys())
    return [
        (paths[one], *_errors(list(_apart(checked[one])), words.get(one, [])))
        for one in sorted(checked.keys() & paths.keys())
    ]


_COLUMNS = "recording_id kind state start_s end_s new"


def _words(generation: Generation, wanted: Set[str]) -> dict[str, list[dict[str, Any]]]:
    columns = "recording_id start_s end_s text model_text"
    found: dict[str, list[dict[str, Any]]] = {}
    for row in read_columns(generation, "words", columns).to_pylist():
        if row["recording_id"] in wanted:
            found.setdefault(row["recording_id"], []).append(row)
    return found


def _apart(checked: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The stretches that were checked last; none counts twice."""
    taken: list[tuple[float, float]] = []
    for row in reversed(checked):
        span = row["start_s"], row["end_s"]
        if all(span[1] <= start_s or end_s <= span[0] for start_s, end_s in taken):
            taken.append(span)
            yield row


def _errors(
    checked: Sequence[Mapping[str, Any]], words: Sequence[Mapping[str, Any]]
) -> tuple[int, int]:
    num_words = errors = 0
    for row in checked:
        reference = comparable_words(row["new"])
        said = "".join(
            word["text"] if word["model_text"] is None else word["model_text"]
            for word in words
            if row["start_s"] <= (word["start_s"] + word["end_s"]) / 2 < row["end_s"]
        )
        num_words += len(reference)
        errors += num_errors(reference, comparable_words(said))
    return num_words, errors
