"""``opentr pages``: an archive to read and to hear in a browser."""

import sys

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, settings_of
from opentr_pipeline.errors import StoreError, nothing_transcribed
from opentr_pipeline.settings.addresses import Place


@click.command()
@archive_argument
def pages(archive: Place | None) -> None:
    """Write a page for each recording of ARCHIVE, with its player, and a home page with them all.

    They work from the disk and behind any web server. Writes only what has changed, and removes
    pages of recordings that are gone.
    """
    from opentr_pipeline.pages.pages import Pages, Written
    from opentr_pipeline.transcripts.derived_files import unwritten_sentence

    settings = settings_of(archive)
    made = Pages(settings)
    keys = made.partition_keys()
    if not keys:
        raise nothing_transcribed(settings.workspace.archive)
    done = Written()
    sentences = []
    for key in keys:
        try:
            done.add(made.write(key))
        except StoreError as error:  # of one partition, which costs the others nothing
            sentences.append(str(error))
    if done.unwritten:
        sentences.append(unwritten_sentence(done.unwritten, made.root))
    home = made.write_home()
    made.send()
    terminal.say(
        f"{done.num_recordings} recordings: {done.num_written} pages written, "
        f"{done.num_unchanged} unchanged, {done.num_removed} removed."
    )
    terminal.say(f"Open {home.as_uri()}")
    for sentence in sentences:
        terminal.complain(sentence)
    sys.exit(1 if sentences else 0)
