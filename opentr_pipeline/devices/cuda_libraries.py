"""The CUDA libraries that CTranslate2 loads on a card, found where the extra ``gpu`` puts them.

CTranslate2 opens them by name in the middle of the first batch. Those that are loaded already are
taken, wherever they are; so nobody needs to set ``LD_LIBRARY_PATH``, and what is missing is known
before any recording is begun.
"""

import ctypes
from collections.abc import Iterator
from importlib import metadata

from opentr_pipeline.errors import ModelError
from opentr_pipeline.settings.installation import installing

# Each library after those that it needs, and the package that has it.
# Source: the names in CTranslate2 4.8.5 (a test reads them), which has no cuDNN any more; nvrtc is
# what cuBLAS 12.9 opens and its package requires.
LIBRARIES = {
    "libnvrtc.so.12": "nvidia-cuda-nvrtc-cu12",
    "libcublasLt.so.12": "nvidia-cublas-cu12",
    "libcublas.so.12": "nvidia-cublas-cu12",
}


def load() -> dict[str, str]:
    """Load all of them into this process.

    Returns:
        Where each came from: a path, or the bare name where the system has it.

    Raises:
        ModelError: one cannot be loaded, with what installs it.
    """
    return {name: _load(name, package) for name, package in LIBRARIES.items()}


def _load(name: str, package: str) -> str:
    reason = ""
    for path in (*_installed(name, package), name):
        try:
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            reason = reason or str(error)
        else:
            return path
    raise ModelError(
        f"The CUDA library {name} cannot be loaded ({reason}); {installing('gpu')} brings it, or "
        "set GPU_DEVICE_ID=cpu."
    )


def _installed(name: str, package: str) -> Iterator[str]:
    """The file of a package, where it is installed."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return
    yield from (str(file.locate()) for file in files if file.name == name)
