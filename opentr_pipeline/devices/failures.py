"""What CTranslate2 says when a device fails -> errors of ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from opentr_pipeline.errors import DeviceError, OutOfMemoryError

# On a full card the same call fails with one or the other: "CUDA failed with error out of memory",
# "parallel_for failed: cudaErrorInvalidDevice: invalid device ordinal". ``bad_alloc`` is the CPU's.
# Source: measured in https://github.com/homelab-00/TranscriptionSuite/pull/268.
OUT_OF_MEMORY = (
    r"(?i:out of memory)|cudaErrorMemoryAllocation|cudaErrorInvalidDevice\b"
    r"|STATUS_ALLOC_FAILED|bad_alloc"
)
DEVICE_FAILURES = "CUDA|cuda[A-Z]|cuBLAS|cuDNN|Library lib"


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device had too little memory for what it was asked for."""
    return isinstance(error, MemoryError) or bool(re.search(OUT_OF_MEMORY, str(error)))


@contextmanager
def device_errors() -> Iterator[None]:
    """Tell what a device did from what a recording did, while batches are decoded.

    Raises:
        OutOfMemoryError: the device has too little memory for the batch.
        DeviceError: the card failed; this process cannot use it any more.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = str(error) or type(error).__name__
        if is_out_of_memory(error):
            raise OutOfMemoryError(said) from error
        if re.search(DEVICE_FAILURES, said):
            raise DeviceError(said) from error
        raise
