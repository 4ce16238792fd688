"""Posters of films beside the pages, looked for once the pages are there.

A film may take as long as ``audio.posters`` lets it, so nobody waits for it: pages are written with
the posters that are there, and note which films want one. Each content is looked at once, for all
its copies. What was tried in vain is noted by content, and is left alone until somebody asks for it
or another release looks for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from opentr_pipeline import __version__
from opentr_pipeline.audio.posters import MEMORY_BYTES, TIMEOUT_S, poster_of
from opentr_pipeline.pages.lists import poster_name
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.transcripts.derived_files import NUM_NAMED, Note, WrittenTree
from opentr_pipeline.wording import number_text, path_of

# How often a film is tried that takes too long: the machine may have had too much to do.
NUM_TRIES = 3
# In place of their number: it shows nothing, or makes no sense.
NOTHING = -1
# Contents that are looked at before what was found is written; a picture is 256 kB at most.
NUM_AT_ONCE = 20
NONE: dict[str, Any] = {"maker": __version__, "tries": {}, "shown": {}, "wanted": []}


class Film(NamedTuple):
    """A film whose poster is to be looked for."""

    content: str
    recording_id: str
    path: str


@dataclass
class Looked:
    """What became of posters that were looked for.

    Attributes:
        unwritten: a word about each whose place somebody has taken.
        given_up: the path of each film that is tried no more, for it took too long.
    """

    unwritten: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    @property
    def given_up_sentence(self) -> str:
        """What is to be said where films were given up; else empty."""
        if not self.given_up:
            return ""
        named = ", ".join(self.given_up[:NUM_NAMED]) + ", ..." * (len(self.given_up) > NUM_NAMED)
        return (
            f"{number_text(len(self.given_up), 'film')} had no poster after {NUM_TRIES} tries that "
            f"took over {TIMEOUT_S:.0f} s or {MEMORY_BYTES >> 30} GB: {named}; run `opentr pages` "
            "when this machine has less to do, which tries once more."
        )


def shown_posters(
    tree: WrittenTree,
    rows: Iterable[dict[str, Any]],
    archive: Place,
    noted: Note,
    unwritten: list[str],
) -> dict[str, Any]:
    """Put the name of each film's poster that is there into its row, as ``poster``.

    Args:
        tree: of the pages.
        rows: what is published of recordings.
        archive: of a folder films are opened; of a bucket none is, for it has no links to media
            either.
        noted: of their partition.
        unwritten: gets a word about each poster whose place somebody has taken.

    Returns:
        What is to be noted of the partition's posters: how often each content that has none was
        tried in vain, of which content each recording's poster is, and the films that want one.
    """
    before, films = _known(noted), []
    for row in rows:
        if row["has_video"] and isinstance(archive, Path):
            films.append((row, Film(row["media_fingerprint"], row["recording_id"], row["path"])))
    shown = {
        film.recording_id: film.content
        for _, film in films
        if before["shown"].get(film.recording_id) == film.content
        and (tree.root / poster_name(film.recording_id)).is_file()
    }
    first = {content: poster_name(recording_id) for recording_id, content in shown.items()}
    tries, wanted = {}, []
    for row, film in films:
        content, name = film.content, poster_name(film.recording_id)
        if content in first and film.recording_id not in shown:
            picture = (tree.root / first[content]).read_bytes()
            if tree.put(name, picture, unwritten) is not None:
                shown[film.recording_id] = content
        num_tries = 0 if content in first else before["tries"].get(content, 0)
        if num_tries:
            tries[content] = num_tries
        if film.recording_id not in shown and num_tries != NOTHING:
            wanted.append(film)
        # What was there stays, until it is known that there is none.
        row["poster"] = name * (tree.is_there(name) and num_tries not in (NOTHING, NUM_TRIES))
    return {"maker": __version__, "tries": tries, "shown": shown, "wanted": wanted}


def make_posters(
    tree: WrittenTree, key: str, archive: Place, looked: Looked, *, again: bool = False
) -> bool:
    """Look for the posters that a partition wants; whether its pages are to be written again.

    Args:
        tree: of the pages.
        key: of the partition.
        archive: where the films are.
        looked: gets what became of them.
        again: try those once more that were given up.

    Raises:
        StoreError: the disk is full, or the tree cannot be written.
    """
    if not isinstance(archive, Path):
        return False
    known, has_news = _known(tree.noted(key)), False
    copies: dict[str, list[Film]] = {}
    for film in (Film(*one) for one in known["wanted"]):
        if again or known["tries"].get(film.content) != NUM_TRIES:
            copies.setdefault(film.content, []).append(film)
    all_copies = list(copies.values())
    for at in range(0, len(all_copies), NUM_AT_ONCE):
        found = dict(_found(all_copies[at : at + NUM_AT_ONCE], archive))
        with tree.writing(key):
            has_news |= _keep(tree, key, found, looked)
    return has_news


def _known(noted: Note) -> dict[str, Any]:
    posters = noted.facts.get("posters", {})
    return {**NONE, **posters} if posters.get("maker") == __version__ else NONE


def _found(
    all_copies: Iterable[Sequence[Film]], archive: Path
) -> Iterator[tuple[str, bytes | None]]:
    """Contents of which a copy can be opened, with what was found in it."""
    for films in all_copies:
        for film in films:
            try:
                found = poster_of(archive / path_of(film.path), archive)
            except OSError:  # not mounted, perhaps; it was not tried
                continue
            yield film.content, found
            break


def _keep(tree: WrittenTree, key: str, found: Mapping[str, bytes | None], looked: Looked) -> bool:
    noted = tree.noted(key)
    known, names, has_news = _known(noted), set(noted.names), False
    # Others are gone, or have another content by now.
    wanted = [Film(*one) for one in known["wanted"]]
    paths = {film.content: film.path for film in reversed(wanted) if film.content in found}
    shown, tries = dict(known["shown"]), dict(known["tries"])
    for content in set(paths).difference(shown.values()):
        tries[content] = _tried(tries.get(content, 0), found[content])
        if tries[content] == NUM_TRIES:
            looked.given_up.append(paths[content])
    left = []
    for film in wanted:
        name, picture = poster_name(film.recording_id), found.get(film.content)
        is_written = bool(picture) and tree.put(name, picture or b"", looked.unwritten) is not None
        if is_written:
            names.add(name)
            shown[film.recording_id] = film.content
        elif tries.get(film.content) != NOTHING:
            left.append(film)
        is_settled = is_written or tries.get(film.content) in (NOTHING, NUM_TRIES)
        has_news |= film.content in found and is_settled and tree.is_there(name)
    posters = {"maker": __version__, "tries": tries, "shown": shown, "wanted": left}
    made_from = "" if has_news else noted.made_from
    facts = {**noted.facts, "posters": posters}
    tree.keep(key, replace(noted, made_from=made_from, names=sorted(names), facts=facts))
    return has_news


def _tried(before: int, picture: bytes | None) -> int:
    if picture is None:
        return min(before + 1, NUM_TRIES)
    return 0 if picture else NOTHING
