"""What people are shown anything on: the one place that prints, and that formats logs.

Names and tags of media, and what programs say of them, may hold what drives a terminal. Whatever is
shown passes here, and shows it as what it is.
"""

import logging
import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

import click

from opentr_pipeline.wording import visible, visible_lines

if TYPE_CHECKING:
    from rich.console import Console

QUIET_WIDTH = 120


def say(line: str, *, err: bool = False) -> None:
    """Print a line; a line break in it is a name's."""
    click.echo(visible(line), err=err)


def say_all(text: str) -> None:
    """Print text of several lines that ends with its own line break."""
    click.echo(visible_lines(text), nl=False)


def complain(sentence: object) -> None:
    """Say what is wrong where errors are expected, and who says it."""
    say(f"opentr: {sentence}", err=True)


def console(stream: IO[str] | None = None) -> "Console":
    """Standard output or another stream, wide enough for tables where it is not a terminal."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Visible(Console):
        """Shows what it is given, but does not let that drive the terminal."""

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            """Its own control codes are segments of their own kind."""
            for segment in super().render(renderable, options):
                is_ours = segment.control is not None
                text = segment.text if is_ours else visible_lines(segment.text)
                yield Segment(text, segment.style, segment.control)

    out = stream or sys.stdout
    width = None if stream or out.isatty() else QUIET_WIDTH
    return Visible(file=stream, width=width, highlight=False)


class LineFormatter(logging.Formatter):
    """Of our logs: a message is a line, whatever names are in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, to which a traceback is added."""
        record.message = visible(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Both."""
        return visible_lines(super().format(record))
