"""HTML from the templates of the package (Jinja's door)."""

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opentr_pipeline import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parents[1] / "templates"


def render(template: str, language: str = "en", **facts: Any) -> str:
    """The text of a page; whatever comes from an archive is escaped.

    Args:
        template: the name of a file in ``templates``.
        language: of those who read it, as far as it is ours to choose words.
        facts: what it speaks about; one that it needs and is not given is an error.
    """
    return _environment(language).get_template(template).render(facts)


def static_file(name: str) -> str:
    """A style sheet or script as it is."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def templates_digest() -> str:
    """What changes when a template does."""
    contents = [path.read_bytes() for path in sorted(FOLDER.iterdir())]
    return hashlib.sha256(b"\n".join(contents)).hexdigest()


@cache
def _environment(language: str) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from opentr_pipeline.commands import command
    from opentr_pipeline.pages.words import find_texts, translator
    from opentr_pipeline.wording import duration_text, length_text

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = __version__
    environment.globals["command"] = command
    environment.globals["language"] = language
    environment.globals["_"] = translator(language)
    environment.globals["find_texts"] = lambda: find_texts(language)
    environment.filters["duration"] = duration_text
    environment.filters["amount"] = length_text
    environment.filters["href"] = quote
    return environment
