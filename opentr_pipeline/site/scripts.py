"""Scripts of the pages with what is added to them where people may correct."""

import json
import re

from starlette.responses import Response

from opentr_pipeline.pages.html import static_file
from opentr_pipeline.pages.words import translator

# Texts of a script that are there in the other languages of the pages.
_SAID = re.compile(r'\bworded\("([^"]+)"')
# Stands before a script that says something.
_SAY = """const worded = (text, facts = {}) => Object.entries(facts)
  .reduce((said, [name, value]) => said.replaceAll(`{${name}}`, value), WORDED[text] ?? text);
"""


def texts_of(script: str) -> list[str]:
    """What a script says, in English."""
    return _SAID.findall(script)


def joined_scripts(names: tuple[str, ...], language: str) -> Response:
    """Scripts as one, with what they say in the language of the pages."""
    text, known = "\n".join(map(static_file, names)), translator(language)
    words = json.dumps({one: known(one) for one in texts_of(text)}, ensure_ascii=False)
    whole = f'"use strict";\nconst WORDED = {words};\n{_SAY}{text}'
    return Response(whole, media_type="text/javascript", headers={"Cache-Control": "no-cache"})
