"""What a step's process is born with, and whose fork it is; without Dagster, which takes long."""

import multiprocessing
import os
from multiprocessing import forkserver

PRELOAD_MODULES = ["opentr_pipeline.launching.preload"]


def start_server() -> None:
    """Let the server that processes are forked from import what they need, meanwhile."""
    multiprocessing.set_forkserver_preload(PRELOAD_MODULES)
    forkserver.ensure_running()


def fork_grandchildren_too() -> None:
    """Have what is forked from this server start its own processes as forks of it as well.

    A run is such a fork, and its steps are to be. Python would start another server for each run,
    which imports all of it again.
    """
    server, process = forkserver._forkserver, os.getpid()
    start_another = server.ensure_running

    def ensure_running() -> None:
        if os.getppid() != process:  # it is gone
            start_another()

    server.ensure_running = ensure_running  # type: ignore[method-assign]
