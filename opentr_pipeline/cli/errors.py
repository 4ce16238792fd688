"""``opentr errors``: which recordings are not as they should be."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    archive_argument,
    json_option,
    known,
    print_json,
    setup_to_look,
)
from opentr_pipeline.settings.addresses import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from opentr_pipeline.quality.problems import ErrorClass

NUM_FILES_SHOWN = 10


@click.command()
@archive_argument
@json_option
@click.option("--all", "every", is_flag=True, help="Name every recording.")
def errors(archive: Place | None, as_json: bool, every: bool) -> None:
    """Say which recordings are not as they should be, why, and what to do."""
    from opentr_pipeline.planning.speaker_work import speaker_work
    from opentr_pipeline.quality import problems

    setup = setup_to_look(archive)
    _, all_work = known(setup)
    most = None if every else NUM_FILES_SHOWN
    classes = problems.errors(all_work, setup.store, most)
    works = speaker_work(setup, (one.recording for one in all_work))
    classes += problems.speaker_errors(works, setup.store, most)
    if as_json:
        print_json(classes)
    else:
        terminal.console().print(of_errors(classes))


def of_errors(classes: "Sequence[ErrorClass]") -> "RenderableType":
    """A paragraph for each class: how many, what to do, which."""
    from rich.console import Group
    from rich.text import Text

    if not classes:
        return Text("Nothing: every recording that was looked at is as it should be.")
    lines = []
    for one in classes:
        lines.append(Text(f"{one.num_recordings} {one.status}: {one.kind}", style="bold"))
        lines.append(Text(f"  What to do: {one.remedy}."))
        for file in one.files:
            tries = f" ({file.num_attempts} attempts)" if file.num_attempts > 1 else ""
            lines.append(Text(f"  {file.path}{tries}"))
        if one.num_recordings > len(one.files):
            more = one.num_recordings - len(one.files)
            lines.append(Text(f"  ... and {more} more (--all names them)"))
    return Group(*lines)
