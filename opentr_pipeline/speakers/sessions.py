"""Networks in ONNX Runtime (its door)."""

import os
from pathlib import Path
from typing import Any

from opentr_pipeline.commands import command
from opentr_pipeline.errors import ModelError


def session(path: Path, cpu_threads: int) -> Any:
    """Load a network onto the processor.

    Raises:
        ModelError: the file is no network.
    """
    # As in ``audio.windows``: it tells its makers of this machine, unless it is told not to.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = cpu_threads, 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class
        raise ModelError(
            f"{path} cannot be loaded: {error}; remove {path.parent} and run "
            f"{command('models fetch speakers')}."
        ) from None
