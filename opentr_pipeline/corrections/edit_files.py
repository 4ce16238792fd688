r"""Edits on the disk: ``edits/FINGERPRINT.jsonl`` below OUTPUT_DIR, a line for each.

The files are the truth, and what people have said: they depend on no model and no table, and are
only ever added to, so that git keeps them, and puts together what two people have added. The one
exception is ``rename_speaker``: who is forgotten is not to stay in them. The folder may be a link
to one elsewhere. Who takes an edit back adds a line that says so::

    {"id": "9b1d…", "kind": "words", "start_s": 12.3, "old": " ferara", "new": " Ferrara", …}
    {"id": "77c0…", "kind": "undo", "of": "9b1d…", "who": "anna", "made_at": "2026-11-27T…"}
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from opentr_pipeline.corrections.applying import Kept
from opentr_pipeline.corrections.making import new_id
from opentr_pipeline.errors import StoreError
from opentr_pipeline.locks import locked
from opentr_pipeline.speakers.people import Span, tidy
from opentr_pipeline.transcripts.edits import KINDS, Edit
from opentr_pipeline.transcripts.elsewhere import Nowhere
from opentr_pipeline.transcripts.layout import EDITS, StoreLayout, disk_sentences
from opentr_pipeline.whole_files import write_whole
from opentr_pipeline.wording import now

ENDING = ".jsonl"
# Lines that two people have added are both kept; the order between them does not matter.
ATTRIBUTES = "*.jsonl text merge=union\n"
_DEFAULTS = {field.name: field.default for field in fields(Edit) if field.default is not MISSING}


class EditFiles:
    """The edits of one archive."""

    def __init__(self, layout: StoreLayout) -> None:
        """Name the folder; nothing is made until something is corrected."""
        self._layout = layout
        self.folder = layout.root / EDITS

    def media(self) -> set[str]:
        """The fingerprints of the media that somebody has corrected something in."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return set()
        return {name.removesuffix(ENDING) for name in names if name.endswith(ENDING)}

    def path(self, media_fingerprint: str) -> Path:
        """The file of some media, there or not."""
        return self.folder / f"{media_fingerprint}{ENDING}"

    def fingerprint(self, media_fingerprint: str) -> str:
        """A digest of what is kept for some media; empty where nothing is."""
        raw = self._bytes(media_fingerprint)
        return hashlib.sha256(raw).hexdigest() if raw else ""

    def load(self, media_fingerprint: str) -> tuple[list[Kept], str]:
        """The edits of some media in the order in which they were made, and the digest of these.

        Raises:
            StoreError: a line is damaged.
        """
        raw = self._bytes(media_fingerprint)
        lines = list(self._lines(raw, self.path(media_fingerprint)))
        return _kept(lines), hashlib.sha256(raw).hexdigest() if raw else ""

    def add(self, media_fingerprint: str, path: str, edits: Sequence[Edit]) -> None:
        """Keep edits.

        Args:
            media_fingerprint: of the recording that they are of.
            path: of it, for people who look at the file.
            edits: in the order in which they were made.

        Raises:
            StoreError: the disk is full.
        """
        self._append(media_fingerprint, [{**_line(edit), "recording": path} for edit in edits])

    def undo(self, media_fingerprint: str, edit_ids: Iterable[str], who: str, why: str) -> None:
        """Keep that somebody has taken edits back, or has taken that back.

        Raises:
            StoreError: the disk is full.
        """
        said = {"who": who, "made_at": now(), **({"why": why} if why else {})}
        self._append(
            media_fingerprint,
            [{"id": new_id(), "kind": "undo", "of": one, **said} for one in edit_ids],
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from correcting in this archive, from what is seen to what is published.

        Raises:
            StoreError: the disk is full.
        """
        with disk_sentences(self._layout.root), locked(self._lock("correcting")):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep others from changing files of edits.

        Raises:
            StoreError: the disk is full.
        """
        with disk_sentences(self._layout.root), locked(self._lock("edits")):
            yield

    def lines(self, media_fingerprint: str) -> list[dict[str, Any]]:
        """What is kept for some media, as it is kept.

        Raises:
            StoreError: a line is damaged.
        """
        return list(self._lines(self._bytes(media_fingerprint), self.path(media_fingerprint)))

    def _lock(self, name: str) -> Path:
        locks = self._layout.inner / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return locks / name

    def _bytes(self, media_fingerprint: str) -> bytes:
        try:
            return self.path(media_fingerprint).read_bytes()
        except FileNotFoundError:
            return b""

    def _append(self, media_fingerprint: str, lines: Sequence[dict[str, Any]]) -> None:
        if not isinstance(self._layout.elsewhere, Nowhere):
            raise StoreError(
                "Corrections are kept in a folder that all hosts see, and OUTPUT_DIR is a bucket; "
                "set a folder."
            )
        raw = _encoded(_text(lines))
        with disk_sentences(self._layout.root):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (attributes := self.folder / ".gitattributes").exists():
                attributes.write_text(ATTRIBUTES, encoding="utf-8")
            with self.writing(), self.path(media_fingerprint).open("ab+") as stream:
                if stream.seek(0, os.SEEK_END):
                    stream.seek(-1, os.SEEK_END)
                    raw = b"\n" * (stream.read(1) != b"\n") + raw  # an editor has cut the last one
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())

    def _lines(self, raw: bytes, path: Path) -> Iterator[dict[str, Any]]:
        # Not at other signs that part lines: what people write holds them.
        for number, line in enumerate(raw.decode(errors="replace").split("\n"), 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
                if found["kind"] != "undo":
                    _edit(found)
                elif not found["of"]:
                    raise ValueError("no edit is named")
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise StoreError(
                    f"Line {number} of {path} is no correction ({error}); mend it, or take it out: "
                    "each line is kept for itself."
                ) from None
            yield found


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"A correction holds half of a character, {text[error.start]!a}, which no file keeps; "
            "write it without."
        ) from None


def _kept(lines: Sequence[dict[str, Any]]) -> list[Kept]:
    """Edits, with what says that they are undone; a line that is there twice counts once."""
    undone: dict[str, str] = {}
    for line in reversed(lines):
        if line["kind"] == "undo" and line["id"] not in undone:
            who = line.get("who") or "somebody"
            undone.setdefault(line["of"], f"Undone by {who} at {line.get('made_at', '')}.")
    edits = {line["id"]: _edit(line) for line in reversed(lines) if line["kind"] != "undo"}
    return [Kept(edit, undone.get(edit.edit_id, "")) for edit in reversed(edits.values())]


def _line(edit: Edit) -> dict[str, Any]:
    """An edit without what goes without saying."""
    said = {name: value for name, value in vars(edit).items() if value != _DEFAULTS.get(name)}
    return {"id": said.pop("edit_id"), **said}


def _edit(line: dict[str, Any]) -> Edit:
    names = {field.name for field in fields(Edit)} - {"edit_id"}
    facts = {name: value for name, value in line.items() if name in names}
    if line["kind"] not in KINDS:
        raise ValueError(f"kind {line['kind']!r}")
    facts["voice"] = tuple((start_s, end_s) for start_s, end_s in line.get("voice", ()))
    facts["start_s"], facts["end_s"] = float(line["start_s"]), float(line["end_s"])
    facts.setdefault("made_at", "1970-01-01T00:00:00.000+00:00")
    return Edit(edit_id=str(line["id"]), **facts)


def _text(lines: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def says_speaker(files: EditFiles, name: str) -> bool:
    """Whether a correction says that words are somebody's, by their name.

    Raises:
        StoreError: a line is damaged.
    """
    return any(_is_of(line, name) for media in files.media() for line in files.lines(media))


def rename_speaker(
    files: EditFiles, name: str, meant: Callable[[str], tuple[str, tuple[Span, ...]]]
) -> None:
    """Have corrections say another name, or the label of a voice, in the place of a name.

    Args:
        files: of the archive; what is in git's history or another copy stays there.
        name: however it is written.
        meant: gives for the fingerprint of media who speaks instead, and where a voice is heard
            that is meant by a label; where nobody does, the corrections go.

    Raises:
        StoreError: a line is damaged, or the disk is full.
    """
    with files.writing():
        for media in sorted(files.media()):
            lines = files.lines(media)
            if not any(_is_of(line, name) for line in lines):
                continue
            speaker, voice = meant(media)
            instead = {"speaker": speaker, "voice": voice}
            new = [{**line, **instead} if _is_of(line, name) else line for line in lines]
            kept = [line for line in new if line["kind"] != "speaker" or line.get("speaker")]
            write_whole(files.path(media).resolve(), _encoded(_text(kept)), is_durable=True)


def _is_of(line: dict[str, Any], name: str) -> bool:
    said = tidy(str(line.get("speaker", ""))).casefold()
    return line["kind"] == "speaker" and said == tidy(name).casefold()
