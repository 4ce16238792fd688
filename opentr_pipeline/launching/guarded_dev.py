"""``dagster dev`` with our guard before its page; the same arguments after the first two.

    python -m opentr_pipeline.launching.guarded_dev --listening DESCRIPTOR ARGUMENTS ...

It starts the webserver as a process of its own, by the name of its module: here by ours, which gets
the socket that whoever started us listens on.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from dagster._cli import dev
from dagster_shared.ipc import open_ipc_subprocess

DAGSTERS_OWN = "dagster_webserver"
OURS = "opentr_pipeline.launching.guarded_page"


def _open_guarded(
    listening: str, parts: Sequence[str], pass_fds: Sequence[int] = (), **named: Any
) -> "subprocess.Popen[bytes]":
    if DAGSTERS_OWN in parts:
        place = parts.index(DAGSTERS_OWN)
        parts = [*parts[:place], OURS, "--listening", listening, *parts[place + 1 :]]
        pass_fds = [*pass_fds, int(listening)]
    return open_ipc_subprocess(parts, pass_fds=pass_fds, **named)


def main() -> None:
    """Run it until it is interrupted."""
    # Its code server listens on a socket in the system's temporary folder, and does what it is told
    # by whoever may write to that.
    os.umask(os.umask(0) | 0o002)
    _, _, listening, *arguments = sys.argv
    dev.open_ipc_subprocess = partial(_open_guarded, listening)  # type: ignore[attr-defined]
    dev.dev_command(arguments)


if __name__ == "__main__":
    main()
