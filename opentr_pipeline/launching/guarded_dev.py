"""``dagster dev`` with our guard before its page; the same arguments.

    python -m opentr_pipeline.launching.guarded_dev ARGUMENTS ...

It starts the webserver as a process of its own, by the name of its module: here by ours.
"""

import os
import subprocess
from collections.abc import Sequence
from typing import Any

from dagster._cli import dev
from dagster_shared.ipc import open_ipc_subprocess

DAGSTERS_OWN = "dagster_webserver"
OURS = "opentr_pipeline.launching.guarded_page"


def _open_guarded(parts: Sequence[str], **named: Any) -> "subprocess.Popen[bytes]":
    return open_ipc_subprocess([OURS if part == DAGSTERS_OWN else part for part in parts], **named)


def main() -> None:
    """Run it until it is interrupted."""
    # Its code server listens on a socket in the system's temporary folder, and does what it is told
    # by whoever may write to that.
    os.umask(os.umask(0) | 0o002)
    dev.open_ipc_subprocess = _open_guarded  # type: ignore[attr-defined]
    dev.dev_command()


if __name__ == "__main__":
    main()
