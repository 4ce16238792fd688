"""Lets a code server start runs as forks of what has imported all that they need."""

import multiprocessing
import sys
from typing import Any

from opentr_pipeline.settings.environment import is_in_stack
from opentr_pipeline.steps.birth import PRELOAD_MODULES, start_server

CODE_SERVER = ["api", "grpc"]


def fork_runs() -> None:
    """Have them forked, where this process is a code server that starts them itself.

    Dagster starts a new Python for each run, and that a server for its steps, which takes some five
    seconds of a new upload; here both are forks of one server. It is started now, to be ready in
    time, and ends with the code server and its runs. In the stack runs are containers.

    The server of forks loads the code location as well, and may have been given the arguments of
    the code server (some Pythons do): it must not start another.
    """
    is_server_of_forks = not sys.modules.keys().isdisjoint(PRELOAD_MODULES)
    if sys.argv[1:3] != CODE_SERVER or is_server_of_forks or is_in_stack():
        return
    from dagster._grpc.server import DagsterApiServer

    forks = multiprocessing.get_context("forkserver")
    patched: Any = DagsterApiServer
    patched._mp_ctx = property(lambda _: forks, lambda *_: None)  # whatever a server says of itself
    start_server()
