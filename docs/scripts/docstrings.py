"""Docstrings as Markdown: what introduces a block with two colons gets one."""

from typing import Any

import griffe


class OneColon(griffe.Extension):
    """Two colons before a block are of another markup."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of each thing."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("::\n\n", ":\n\n")
