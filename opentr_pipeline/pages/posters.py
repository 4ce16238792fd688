"""Posters of films beside the pages: made once for each content, kept as long as its page."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from opentr_pipeline.audio.posters import poster_of
from opentr_pipeline.pages.lists import poster_name
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.transcripts.derived_files import WrittenTree
from opentr_pipeline.wording import path_of

# Whether a content has a poster.
Posters = dict[str, bool]


def write_posters(
    tree: WrittenTree,
    rows: Iterable[dict[str, Any]],
    archive: Place,
    noted: Posters,
    unwritten: list[str],
) -> tuple[Posters, bool]:
    """Write the posters of films, and put the name of each into its row, as ``poster``.

    Args:
        tree: of the pages.
        rows: what is published of recordings.
        archive: of a folder films are opened that are new; of a bucket none is, for it has no links
            to media either.
        noted: what was known of their contents before.
        unwritten: gets a word about each whose place somebody has taken.

    Returns:
        What is known of their contents now, and whether that is all there is to know.
    """
    known, is_whole = {}, True
    for row in rows:
        if not row["has_video"] or not isinstance(archive, Path):
            continue
        content, name = row["media_fingerprint"], poster_name(row["recording_id"])
        if noted.get(content) is False or (noted.get(content) and tree.is_there(name)):
            known[content] = is_shown = noted[content]
        else:
            picture = poster_of(archive / path_of(row["path"]), archive)
            if picture is None:  # what was there stays, until it can be looked for
                is_whole, is_shown = False, tree.is_there(name)
            else:
                known[content] = bool(picture)
                is_shown = bool(picture) and tree.put(name, picture, unwritten) is not None
        row["poster"] = name * is_shown
    return known, is_whole
