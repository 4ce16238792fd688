"""Edits as lines of text, each a JSON object; pure.

People and programs change such files: whatever is in them is refused with the number of its line,
or is what a table can hold.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentr_pipeline.corrections.applying import Kept
from opentr_pipeline.errors import StoreError
from opentr_pipeline.transcripts.edits import KINDS, Edit

_TEXTS = {field.name for field in fields(Edit) if field.type is str or field.type == "str"}
_DAMAGES = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
_DEFAULTS = {field.name: field.default for field in fields(Edit) if field.default is not MISSING}


def lines_in(raw: bytes, path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file.

    Args:
        raw: all of it.
        path: that people know it by.

    Raises:
        StoreError: a line is damaged.
    """
    # Not at other signs that part lines: what people write holds them.
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line.decode("utf-8-sig"))
            if found["kind"] != "undo":
                _edit(found)
            elif not (found["of"] and found["id"]):
                raise ValueError("no edit is named")
        except (*_DAMAGES, RecursionError) as error:
            raise StoreError(
                f"Line {number} of {path} is no correction ({error}); mend it, or take it out: "
                "each line is kept for itself."
            ) from None
        yield found


def encoded(lines: Iterable[dict[str, Any]]) -> bytes:
    """Lines as a file has them.

    Raises:
        StoreError: one holds what no file can.
    """
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"A correction holds half of a character, {text[error.start]!a}, which no file keeps; "
            "write it without."
        ) from None


def kept_in(lines: Sequence[dict[str, Any]]) -> list[Kept]:
    """Edits, with what says that they are undone; a line that is there twice counts once."""
    undone: dict[str, str] = {}
    for line in reversed(lines):
        if line["kind"] == "undo" and str(line["id"]) not in undone:
            who = line.get("who") or "somebody"
            undone.setdefault(str(line["of"]), f"Undone by {who} at {line.get('made_at', '')}.")
    edits = {str(line["id"]): _edit(line) for line in reversed(lines) if line["kind"] != "undo"}
    return [Kept(edit, undone.get(edit.edit_id, "")) for edit in reversed(edits.values())]


def line_of(edit: Edit) -> dict[str, Any]:
    """An edit without what goes without saying."""
    said = {name: value for name, value in vars(edit).items() if value != _DEFAULTS.get(name)}
    return {"id": said.pop("edit_id"), **said}


def _edit(line: dict[str, Any]) -> Edit:
    names = {field.name for field in fields(Edit)} - {"edit_id"}
    facts = {name: value for name, value in line.items() if name in names}
    if line["kind"] not in KINDS:
        raise ValueError(f"kind {line['kind']!r}")
    for name in _TEXTS & facts.keys():
        facts[name].encode()  # else it is no text, or half of a character, which no table keeps
    facts["voice"] = tuple(
        (float(start_s), float(end_s)) for start_s, end_s in line.get("voice", ())
    )
    facts["start_s"], facts["end_s"] = float(line["start_s"]), float(line["end_s"])
    if not math.isfinite(facts["start_s"] + facts["end_s"]):
        raise ValueError("no such time")
    if facts.get("channel") is not None:
        facts["channel"] = int(facts["channel"])
    facts["made_at"] = _time(line.get("made_at", "1970-01-01"))
    return Edit(edit_id=str(line["id"]), **facts)


def _time(text: str) -> str:
    """As the tables have it."""
    time = datetime.fromisoformat(text)
    time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return time.isoformat(timespec="milliseconds")
