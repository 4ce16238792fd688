"""Posters of films beside the pages, looked for once the pages are there.

A film may take as long as ``audio.posters`` lets it, so nobody waits for it: pages are written with
the posters that are there, and note which films want one. What was tried in vain is noted by
content, and is left alone until another release looks for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from opentr_pipeline import __version__
from opentr_pipeline.audio.posters import poster_of
from opentr_pipeline.pages.lists import poster_name
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.transcripts.derived_files import Note, WrittenTree
from opentr_pipeline.wording import path_of

# How often a film is tried that takes too long: the machine may have had too much to do.
NUM_TRIES = 3
# Films that are looked at before what was found is written; a picture is 256 kB at most.
NUM_AT_ONCE = 20
NONE: dict[str, Any] = {"maker": __version__, "tries": {}, "wanted": []}


class Film(NamedTuple):
    """A film whose poster is to be looked for."""

    content: str
    recording_id: str
    path: str


def shown_posters(
    tree: WrittenTree, rows: Iterable[dict[str, Any]], archive: Place, noted: Note
) -> dict[str, Any]:
    """Put the name of each film's poster that is there into its row, as ``poster``.

    Args:
        tree: of the pages.
        rows: what is published of recordings.
        archive: of a folder films are opened; of a bucket none is, for it has no links to media
            either.
        noted: of their partition.

    Returns:
        What is to be noted of the partition's posters: how often each content was tried in vain,
        none where it has a poster, and the films that want one.
    """
    before, tries, wanted = _known(noted)["tries"], {}, []
    for row in rows:
        if not row["has_video"] or not isinstance(archive, Path):
            continue
        film = Film(row["media_fingerprint"], row["recording_id"], row["path"])
        name, num_tries = poster_name(film.recording_id), before.get(film.content)
        is_there = tree.is_there(name)
        if num_tries is not None:
            tries[film.content] = num_tries
        if num_tries != NUM_TRIES and not (num_tries == 0 and is_there):
            wanted.append(film)
        # What was there stays, until it is known that there is none.
        row["poster"] = name * (is_there and num_tries != NUM_TRIES)
    return {"maker": __version__, "tries": tries, "wanted": wanted}


def make_posters(tree: WrittenTree, key: str, archive: Place, unwritten: list[str]) -> bool:
    """Look for the posters that a partition wants; whether its pages are to be written again.

    Args:
        tree: of the pages.
        key: of the partition.
        archive: where the films are.
        unwritten: gets a word about each poster whose place somebody has taken.

    Raises:
        StoreError: the disk is full, or the tree cannot be written.
    """
    wanted = [Film(*one) for one in _known(tree.noted(key))["wanted"]]
    has_news = False
    for at in range(0, len(wanted) * isinstance(archive, Path), NUM_AT_ONCE):
        found = list(_found(wanted[at : at + NUM_AT_ONCE], Path(str(archive))))
        with tree.writing(key):
            has_news |= _keep(tree, key, found, unwritten)
    return has_news


def _known(noted: Note) -> dict[str, Any]:
    posters = noted.facts.get("posters", {})
    return dict(posters) if posters.get("maker") == __version__ else NONE


def _found(films: Sequence[Film], archive: Path) -> Iterator[tuple[Film, bytes | None]]:
    """Films that can be opened, with what was found in each."""
    for film in films:
        try:
            yield film, poster_of(archive / path_of(film.path), archive)
        except OSError:  # not mounted, perhaps; it was not tried
            continue


def _keep(
    tree: WrittenTree,
    key: str,
    found: Iterable[tuple[Film, bytes | None]],
    unwritten: list[str],
) -> bool:
    noted = tree.noted(key)
    known, names, has_news = _known(noted), set(noted.names), False
    tries, wanted = dict(known["tries"]), [Film(*one) for one in known["wanted"]]
    for film, picture in found:
        if film not in wanted:  # gone, or another content by now
            continue
        name = poster_name(film.recording_id)
        tries[film.content] = 0 if picture else _tried(tries.get(film.content, 0), picture)
        is_written = bool(picture) and tree.put(name, picture or b"", unwritten) is not None
        is_settled = is_written or tries[film.content] == NUM_TRIES
        has_news |= is_settled and tree.is_there(name)
        if is_written:
            names.add(name)
        if is_settled:
            wanted.remove(film)
    posters = {"maker": __version__, "tries": tries, "wanted": wanted}
    made_from = "" if has_news else noted.made_from
    facts = {**noted.facts, "posters": posters}
    tree.keep(key, replace(noted, made_from=made_from, names=sorted(names), facts=facts))
    return has_news


def _tried(before: int, picture: bytes | None) -> int:
    return NUM_TRIES if picture is not None else before + 1
