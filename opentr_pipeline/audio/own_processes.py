"""How processes of ours are started that open media."""

import os
import sys


def command_of(module: str) -> list[str]:
    """What runs a module; ``-P``, for a file beside the archive is no module of ours."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """One thread each: libraries that start one for every core fight over them, and fill memory."""
    return {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")}
