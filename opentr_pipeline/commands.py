"""How people call the commands of ours here; every message that names one asks this."""

import os


def program() -> str:
    """What stands before the arguments: ``./opentr.sh``, or ``opentr`` where it is installed.

    ``opentr.sh`` says how it was called itself; whatever it starts inherits that.
    """
    return os.environ.get("OPENTR_COMMAND") or "opentr"


def command(arguments: str) -> str:
    """A command as it can be typed: ``./opentr.sh stop``, ``opentr stop``."""
    return f"{program()} {arguments}"
