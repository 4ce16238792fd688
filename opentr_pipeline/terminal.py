"""What people are shown anything on."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

QUIET_WIDTH = 120


def console() -> "Console":
    """Standard output, wide enough for tables where it is not a terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else QUIET_WIDTH, highlight=False)
