"""The text of ``help.txt``, made by ``python -m opentr_pipeline.cli.help_text``.

In a checkout ``help`` prints the file, before there is an environment to import anything from.
"""

from opentr_pipeline.cli.app import main
from opentr_pipeline.commands import program
from opentr_pipeline.terminal import say_all

WIDTH = 80


def help_text() -> str:
    """What ``help`` shows, with ``{program}`` for what the program is called."""
    context = main.make_context(None, ["help"], terminal_width=WIDTH)
    return main.get_help(context).replace(program(), "{program}", 1) + "\n"


if __name__ == "__main__":
    say_all(help_text())
