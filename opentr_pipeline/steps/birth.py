"""What a step's process is born with, and whose fork it is; without Dagster, which takes long."""

import multiprocessing
import os
import sys
from multiprocessing import forkserver

PRELOAD_MODULES = ["opentr_pipeline.launching.preload"]
SERVER_IS_GONE = (
    "Process {} ends, for the server that it was forked from is gone and Dagster takes it for dead;"
    " its run is tried again.\n"
)


def start_server() -> None:
    """Let the server that processes are forked from import what they need, meanwhile."""
    multiprocessing.set_forkserver_preload(PRELOAD_MODULES)
    forkserver.ensure_running()


def fork_grandchildren_too() -> None:
    """Have what is forked from this server start its own processes as forks of it as well.

    A run is such a fork, and its steps are to be. Python would start another server for each run,
    which imports all of it again. When the server is gone, whoever had a fork started takes it for
    dead, and Dagster tries the run again; so a fork that would start a process then ends.
    A fork runs nothing of ``atexit`` when it ends.
    """
    server, process = forkserver._forkserver, os.getpid()
    start_another = server.ensure_running

    def ensure_running() -> None:
        if forkserver.get_inherited_fds() is None:  # not a fork
            start_another()
        elif os.getppid() != process:
            sys.stderr.write(SERVER_IS_GONE.format(os.getpid()))
            sys.stderr.flush()
            os._exit(1)

    server.ensure_running = ensure_running  # type: ignore[method-assign]
