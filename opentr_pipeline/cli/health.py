"""``opentr health`` and ``opentr doctor``: whether everything is as it should be."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    archive_argument,
    json_option,
    print_json,
    settings_of,
    settings_to_look,
)
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.wording import visible

if TYPE_CHECKING:
    from rich.text import Text

    from opentr_pipeline.monitoring.doctor import Finding


@click.command()
@archive_argument
@json_option
def health(archive: Place | None, as_json: bool) -> None:
    """Check everything, one line each; exit code 1 where something is wrong."""
    from opentr_pipeline.monitoring.health import check_all

    show_checks(check_all(lambda: settings_to_look(archive)), as_json=as_json)


@click.command()
@archive_argument
@json_option
def doctor(archive: Place | None, as_json: bool) -> None:
    """Check the machine, its cards and what fits; exit code 1 where something is wrong."""
    from opentr_pipeline.monitoring.doctor import examine

    show_checks(examine(lambda: settings_of(archive)), as_json=as_json)


def show_checks(checks: "Iterable[Finding]", *, as_json: bool) -> None:
    """Print checks as they are made and exit, with 1 where one does not hold."""
    console = terminal.console()
    made = []
    for check in checks:
        made.append(check)
        if not as_json:
            console.print(of_check(check), soft_wrap=True)
    is_ok = all(check.is_ok for check in made)
    if as_json:
        print_json({"is_ok": is_ok, "checks": made})
    sys.exit(0 if is_ok else 1)


def of_check(check: "Finding") -> "Text":
    """A line of ``health`` or ``doctor``."""
    from rich.text import Text

    mark = Text("ok     ", "green") if check.is_ok else Text("WRONG  ", "bold red")
    return Text.assemble(mark, f"{check.name:14}", visible(check.said))
