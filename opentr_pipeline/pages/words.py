"""The words of the pages in the language of their readers: catalogues, English as it is written.

A catalogue is a file of the templates' folder, ``words.de.json``: what stands in the templates,
and what it is called. What is missing stays English.
"""

import json
from collections.abc import Callable
from functools import cache

from opentr_pipeline.settings.page import PAGES_LANGUAGES
from opentr_pipeline.transcripts.transcript import STATUSES

# What the search of the home page says while it works.
_FIND = {
    "searching": "Searching …",
    "looking": "Nothing yet; looked through {numLooked} of {numParts} parts with these words.",
    "soFar": "{places} so far; looked through {numLooked} of {numParts} parts with these words.",
    "place": "One place.",
    "places": "{places} places.",
    "nothing": "Nothing is found.",
    "tooMany": (
        "That is a text; ask for {most} words at most, or put some that follow each other in "
        "quotation marks."
    ),
    "broken": "The index could not be loaded; load the page again.",
}


@cache
def translator(language: str) -> Callable[[str], str]:
    """What gives a word or sentence of the templates in a language."""
    known = catalogue(language)
    return lambda text: known.get(text, text)


@cache
def catalogue(language: str) -> dict[str, str]:
    """All that is known in a language; nothing of English, which needs none."""
    from opentr_pipeline.pages.html import static_file

    if language == PAGES_LANGUAGES[0]:
        return {}
    return dict(json.loads(static_file(f"words.{language}.json")))


def find_texts(language: str) -> dict[str, object]:
    """What the script of the search says."""
    said = translator(language)
    statuses = {status: said(status.replace("_", " ")) for status in STATUSES}
    return {"statuses": statuses, **{name: said(text) for name, text in _FIND.items()}}
