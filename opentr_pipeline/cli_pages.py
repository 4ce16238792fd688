"""``opentr pages``: an archive to read and to hear in a browser."""

from pathlib import Path

import click

from opentr_pipeline.commands import archive_argument, settings_of
from opentr_pipeline.errors import StoreError


@click.command()
@archive_argument
def pages(archive: Path | None) -> None:
    """Write a page for each recording of ARCHIVE, with its player, and a home page with them all.

    They work from the disk and behind any web server. Writes only what has changed, and removes
    pages of recordings that are gone.
    """
    from opentr_pipeline.pages import Pages, Written

    settings = settings_of(archive)
    made = Pages(settings)
    done = Written()
    for key in made.partition_keys():
        done.add(made.write(key))
    if not done.num_recordings + done.num_removed:
        raise StoreError(
            f"Nothing of {settings.archive_root} is transcribed yet; ./opentr.sh run does it."
        )
    home = made.write_home()
    click.echo(
        f"{done.num_recordings} recordings: {done.num_written} pages written, "
        f"{done.num_unchanged} unchanged, {done.num_removed} removed.\n"
        f"Open {home.as_uri()}"
    )
