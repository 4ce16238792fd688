r"""Edits on the disk: ``edits/FINGERPRINT.jsonl`` below OUTPUT_DIR, a line for each.

The files are the truth, and what people have said: they depend on no model and no table, and are
only ever added to, so that git keeps them, and puts together what two people have added. The one
exception is ``rename_speaker``: who is forgotten is not to stay in them. The folder may be a link
to one elsewhere. Where the tables are in a bucket they are objects beside these, each replaced as a
whole, and the folder is a copy that follows; what git or an editor changes in it goes there when it
is next put into tables. Who takes an edit back adds a line that says so::

    {"id": "9b1d…", "kind": "words", "start_s": 12.3, "old": " ferara", "new": " Ferrara", …}
    {"id": "77c0…", "kind": "undo", "of": "9b1d…", "who": "anna", "made_at": "2026-11-27T…"}
"""

import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentr_pipeline.corrections.applying import Kept
from opentr_pipeline.corrections.edit_lines import encoded, kept_in, line_of, lines_in
from opentr_pipeline.corrections.edit_writing import State, append, replace_unchanged, state_of
from opentr_pipeline.corrections.making import new_id
from opentr_pipeline.errors import StoreError
from opentr_pipeline.locks import locked
from opentr_pipeline.speakers.people import Span, tidy
from opentr_pipeline.transcripts.edits import Edit
from opentr_pipeline.transcripts.elsewhere import Nowhere
from opentr_pipeline.transcripts.layout import EDITS, StoreLayout, disk_sentences
from opentr_pipeline.wording import now

ENDING = ".jsonl"
# Lines that two people have added are both kept; the order between them does not matter.
ATTRIBUTES = "*.jsonl text merge=union\n"


class EditFiles:
    """The edits of one archive."""

    def __init__(self, layout: StoreLayout) -> None:
        """Name the folder; nothing is made until something is corrected."""
        self._layout = layout
        self.folder = layout.root / EDITS

    def follow(self) -> None:
        """Have the folder hold what other hosts have kept, where they keep it elsewhere.

        Raises:
            StoreError: the bucket cannot be read.
        """
        if self._is_copy:
            with self.writing():
                self._layout.elsewhere.follow_files(EDITS)

    def media(self) -> set[str]:
        """The fingerprints of the media that somebody has corrected something in.

        Raises:
            StoreError: the folder cannot be read.
        """
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise _unreadable(self.folder, error) from None
        return {name.removesuffix(ENDING) for name in names if name.endswith(ENDING)}

    def path(self, media_fingerprint: str) -> Path:
        """The file of some media, there or not."""
        return self.folder / f"{media_fingerprint}{ENDING}"

    def fingerprint(self, media_fingerprint: str) -> str:
        """A digest of what is kept for some media; empty where nothing is."""
        return _digest(self._bytes(media_fingerprint))

    def load(self, media_fingerprint: str) -> tuple[list[Kept], str]:
        """The edits of some media in the order in which they were made, and the digest of these.

        What others have kept elsewhere comes first: whoever puts edits into tables that another
        host has published must not know fewer than that one. Nor more than the next one: what git
        or an editor has put into the file here goes there.

        Raises:
            StoreError: a line is damaged, or the bucket cannot be read.
        """
        if self._is_copy:
            with self.writing():
                self._replace(media_fingerprint, lambda old: old)
        raw = self._bytes(media_fingerprint)
        lines = list(lines_in(raw, self.path(media_fingerprint)))
        return kept_in(lines), _digest(raw)

    def exchange(self) -> None:
        """Have all hosts keep what any of them has, such as after git has brought corrections.

        Raises:
            StoreError: a line is damaged, or the bucket cannot be written.
        """
        self.follow()
        with self.writing():
            for media in sorted(self.media()):
                if self._layout.elsewhere.is_changed_here(self._name(media)):
                    self._replace(media, lambda old: old)

    def add(
        self, media_fingerprint: str, path: str, edits: Sequence[Edit], seen: str | None = None
    ) -> bool:
        """Keep edits.

        Args:
            media_fingerprint: of the recording that they are of.
            path: of it, for people who look at the file.
            edits: in the order in which they were made.
            seen: the digest of what was kept then; None: whatever that was.

        Returns:
            Whether they are kept: not where somebody else has kept anything since.

        Raises:
            StoreError: the disk is full, or the bucket cannot be written.
        """
        lines = [{**line_of(edit), "recording": path} for edit in edits]
        return self._append(media_fingerprint, lines, seen)

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

    def rewrite(
        self, media_fingerprint: str, make: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
    ) -> None:
        """Make the lines of some media others; asked by who is ``writing``.

        Raises:
            StoreError: a line is damaged, or the disk is full.
        """

        def made(raw: bytes) -> bytes:
            new = make(lines := list(lines_in(raw, self.path(media_fingerprint))))
            return raw if new == lines else encoded(new)

        self._replace(media_fingerprint, made)

    def lines(self, media_fingerprint: str) -> list[dict[str, Any]]:
        """What is kept for some media, as it is kept.

        Raises:
            StoreError: a line is damaged.
        """
        return list(lines_in(self._bytes(media_fingerprint), self.path(media_fingerprint)))

    def _lock(self, name: str) -> Path:
        locks = self._layout.inner / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return locks / name

    def _bytes(self, media_fingerprint: str) -> bytes:
        try:
            return self.path(media_fingerprint).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _unreadable(self.path(media_fingerprint), error) from None

    @property
    def _is_copy(self) -> bool:
        return not isinstance(self._layout.elsewhere, Nowhere)

    def _name(self, media_fingerprint: str) -> str:
        return f"{EDITS}/{media_fingerprint}{ENDING}"

    def _append(
        self, media_fingerprint: str, lines: Sequence[dict[str, Any]], seen: str | None = None
    ) -> bool:
        new = encoded(lines)
        with self.writing():
            return self._replace(media_fingerprint, lambda old: _whole_lines(old) + new, seen)

    def _replace(
        self, media_fingerprint: str, make: Callable[[bytes], bytes], seen: str | None = None
    ) -> bool:
        """Make a file another one, here and elsewhere; see ``add``."""
        elsewhere, name = self._layout.elsewhere, self._name(media_fingerprint)
        path = self.path(media_fingerprint)
        while True:
            elsewhere.follow_file(name)
            was, old = state_of(path), self._bytes(media_fingerprint)
            if seen not in (None, _digest(old)):
                return False
            new, is_changed_here = make(old), elsewhere.is_changed_here(name)
            if new == old and not is_changed_here:
                return True
            if is_changed_here:  # by what may have damaged it, and others would have that
                list(lines_in(new, path))
            if elsewhere.commit_file(name, new) and (
                self._is_copy or self._write(path, was, old, new)
            ):
                return True

    def _write(self, path: Path, was: State, old: bytes, new: bytes) -> bool:
        """Add to a file, or replace it where it is as it ``was``; whether that is done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (named := self.folder / ".gitattributes").exists():
            named.write_text(ATTRIBUTES, encoding="utf-8")
        if new.startswith(old):
            return append(path, new.removeprefix(old))
        return replace_unchanged(path, was, new)


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"Corrections in {path} cannot be read: {error.strerror}; let whoever runs this read them."
    )


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest() if raw else ""


def _whole_lines(raw: bytes) -> bytes:
    """A file to which lines can be added: an editor may have cut the sign that ends the last."""
    return raw + b"\n" * (raw[-1:] not in (b"", b"\n"))


def says_speaker(files: EditFiles, name: str) -> bool:
    """Whether a correction says that words are somebody's, by their name.

    Raises:
        StoreError: a line is damaged, or the bucket cannot be read.
    """
    files.follow()
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
    files.follow()
    with files.writing():
        for media in sorted(files.media()):
            of_media = functools.partial(meant, media)
            files.rewrite(media, functools.partial(_renamed, name=name, meant=of_media))


def _renamed(
    lines: list[dict[str, Any]], name: str, meant: Callable[[], tuple[str, tuple[Span, ...]]]
) -> list[dict[str, Any]]:
    if not any(_is_of(line, name) for line in lines):
        return lines
    speaker, voice = meant()
    instead = {"speaker": speaker, "voice": voice}
    new = [{**line, **instead} if _is_of(line, name) else line for line in lines]
    return [line for line in new if line["kind"] != "speaker" or line.get("speaker")]


def _is_of(line: dict[str, Any], name: str) -> bool:
    said = tidy(str(line.get("speaker", ""))).casefold()
    return line["kind"] == "speaker" and said == tidy(name).casefold()
