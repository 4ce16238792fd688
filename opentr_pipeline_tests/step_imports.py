"""What a step still imports after its birth; run inside a forkserver's child."""

import sys
from typing import Any


def report(queue: Any) -> None:
    """Do what every step does before and in its op, and put (number of new modules, heavy ones)."""
    born = set(sys.modules)
    import pyarrow
    from dagster import DagsterInstance, reconstructable

    from opentr_pipeline import definitions

    reconstructable(definitions.transcribe_archive_job).get_definition()
    DagsterInstance.get()
    pyarrow.array([0])
    heavy = {"faster_whisper", "ctranslate2", "av", "onnxruntime", "torch"} & set(sys.modules)
    queue.put((len(set(sys.modules) - born), sorted(heavy)))
