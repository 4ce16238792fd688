"""What a step still imports after its birth; run inside a forkserver's child."""

import multiprocessing
import os
import sys
from typing import Any


def report(queue: Any) -> None:
    """Do what every step does before and in its op, and say what that took.

    Puts (number of new modules, heavy ones, whether its own children are forks of the same server).
    """
    born = set(sys.modules)
    import pyarrow
    from dagster import DagsterInstance, reconstructable

    from opentr_pipeline import definitions

    reconstructable(definitions.transcribe_archive_job).get_definition()
    DagsterInstance.get()
    pyarrow.array([0])
    heavy = {"faster_whisper", "ctranslate2", "av", "onnxruntime", "torch"} & set(sys.modules)
    num_imported = len(set(sys.modules) - born)
    parents = multiprocessing.get_context("forkserver").Queue()
    child = multiprocessing.get_context("forkserver").Process(target=say_parent, args=(parents,))
    child.start()
    queue.put((num_imported, sorted(heavy), parents.get(timeout=30) == os.getppid()))
    child.join()


def say_parent(queue: Any) -> None:
    """Put the number of the process that this one is a child of."""
    queue.put(os.getppid())
