"""``opentr pages``: an archive to read and to hear in a browser."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, settings_of
from opentr_pipeline.errors import StoreError, nothing_transcribed
from opentr_pipeline.settings.addresses import Place

if TYPE_CHECKING:
    from opentr_pipeline.pages.pages import Pages

PORT = 3080


@click.command()
@archive_argument
@click.option("--serve", "is_served", is_flag=True, help="Then serve them, on this machine alone.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
    help="Of --serve; 0: any that is free.",
)  # fmt: skip
@click.option(
    "--with-media", "folder", type=click.Path(path_type=Path, file_okay=False),
    help="Then copy them with their media into this folder, to be handed on.",
)  # fmt: skip
def pages(archive: Place | None, is_served: bool, port: int, folder: Path | None) -> None:
    """Write a page for each recording of ARCHIVE, with its player, and a home page with them all.

    They work from the disk and behind any web server. Writes only what has changed, and removes
    pages of recordings that are gone.
    """
    from opentr_pipeline.pages.pages import Pages

    settings = settings_of(archive)
    made = Pages(settings)
    keys = made.partition_keys()
    sentences = _write(made, keys)
    if folder or not is_served:
        sentences += _posters(made, keys)
    if folder:
        sentences += _copy(made, folder)
    for sentence in sentences:
        terminal.complain(sentence)
    if is_served:
        from opentr_pipeline.site.standing import serve

        threading.Thread(target=_make_posters, args=(made, keys), daemon=True).start()
        serve(settings, port)
    sys.exit(1 if sentences else 0)


def _write(made: "Pages", keys: list[str]) -> list[str]:
    """Write them all; a sentence about each that could not be."""
    from opentr_pipeline.pages.pages import Written
    from opentr_pipeline.search.site_index import SiteIndex
    from opentr_pipeline.transcripts.derived_files import unwritten_sentence

    if not keys:
        raise nothing_transcribed(made.archive_root)
    done, index = Written(), SiteIndex(made.tree.store, made.root)
    sentences = []
    for key in keys:
        try:
            done.add(made.write(key))
            index.write(key)
        except StoreError as error:  # of one partition, which costs the others nothing
            sentences.append(str(error))
    if done.unwritten:
        sentences.append(unwritten_sentence(done.unwritten, made.root))
    index.write_volumes()
    home = made.write_home()
    made.send()
    terminal.say(
        f"{done.num_recordings} recordings: {done.num_written} pages written, "
        f"{done.num_unchanged} unchanged, {done.num_removed} removed."
    )
    terminal.say(f"Open {home.as_uri()}")
    return sentences


def _posters(made: "Pages", keys: list[str]) -> list[str]:
    """Look for posters of films, also where they were given up; what cannot be written."""
    from opentr_pipeline.transcripts.derived_files import unwritten_sentence

    try:
        looked = made.write_posters(keys, again=True)
    except StoreError as error:
        return [str(error)]
    if said := looked.given_up_sentence:  # costs nothing but them
        terminal.say(said)
    return [unwritten_sentence(looked.unwritten, made.root)] if looked.unwritten else []


def _make_posters(made: "Pages", keys: list[str]) -> None:
    """The same while pages are served, which nobody is to wait for."""
    for sentence in _posters(made, keys):
        terminal.complain(sentence)


def _copy(made: "Pages", folder: Path) -> list[str]:
    """Copy them to be handed on; a sentence about what could not be."""
    from opentr_pipeline.pages.copies import copy_with_media
    from opentr_pipeline.pages.lists import HOME_PAGE

    copied = copy_with_media(made.root, made.archive_root, folder)
    terminal.say(f"{copied.sentence} Open {(folder.resolve() / HOME_PAGE).as_uri()}")
    return copied.sentences
