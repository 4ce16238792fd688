"""What commands answer: to people, and to programs."""

import io
import json

from click.testing import CliRunner
from rich.console import Console

from opentr_pipeline.cli.app import main


def shown(renderable: object) -> str:
    """What a person sees."""
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def asked(*arguments: str, code: int = 0) -> object:
    """What a program is told."""
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.output)
