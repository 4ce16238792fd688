"""What people are shown anything on, and how durations are written."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

QUIET_WIDTH = 120


def console() -> "Console":
    """Standard output, wide enough for tables where it is not a terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else QUIET_WIDTH, highlight=False)


def hours(seconds: float) -> str:
    """Hours with enough digits to see small ones move."""
    value = seconds / 3600
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def duration_text(seconds: float) -> str:
    """``0:07``, ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
