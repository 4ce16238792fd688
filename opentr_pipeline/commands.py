"""How people call the commands of ours here; every message that names one asks this."""

import os


def command(arguments: str) -> str:
    """A command as it can be typed: ``./opentr.sh stop``, or ``opentr stop`` where it is installed.

    ``opentr.sh`` says how it was called itself; whatever it starts inherits that.
    """
    return f"{os.environ.get('OPENTR_COMMAND') or 'opentr'} {arguments}"
