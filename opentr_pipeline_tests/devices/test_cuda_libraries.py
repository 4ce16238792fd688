"""The CUDA libraries of a card: which there are, and that a missing one is a refusal.

What stands for them is a library that every system has; their packages are not installed here.
"""

import ctypes
import ctypes.util
import re
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

from opentr_pipeline.devices import cuda_libraries
from opentr_pipeline.errors import ModelError

SYSTEM = ctypes.util.find_library("z") or "libc.so.6"


def test_the_names_are_those_that_ctranslate2_opens() -> None:
    """Another release may want another CUDA, or cuDNN again."""
    files = metadata.files("ctranslate2") or []
    (library,) = [file.locate() for file in files if file.name.startswith("libctranslate2")]
    found = re.findall(
        rb"lib(?:cublas|cublasLt|cudnn\w*)\.so\.\d+", Path(str(library)).read_bytes()
    )
    assert {name.decode() for name in found} == {"libcublas.so.12"}
    assert "libcublas.so.12" in cuda_libraries.LIBRARIES


def test_a_missing_library_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_libraries, "LIBRARIES", {"libnothing.so.12": "no-such-package"})
    with pytest.raises(ModelError) as caught:
        cuda_libraries.load()
    said = str(caught.value)
    assert said.startswith("The CUDA library libnothing.so.12 cannot be loaded (")
    assert "pip install -e '.[gpu]'" in said
    assert "\n" not in said


def test_what_the_system_has_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_libraries, "LIBRARIES", {SYSTEM: "no-such-package"})
    assert cuda_libraries.load() == {SYSTEM: SYSTEM}


def test_the_package_goes_before_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the package's own list of files, and known by its name from then on."""
    loaded: list[tuple[str, int]] = []

    class Installed(PurePosixPath):
        def locate(self) -> Path:
            return tmp_path / self

    def load(path: str, mode: int) -> None:
        loaded.append((path, mode))

    files = [Installed("nvidia/cublas/include/cublas.h"), Installed(f"nvidia/lib/{SYSTEM}")]
    monkeypatch.setattr(metadata, "files", lambda package: files)
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(cuda_libraries, "LIBRARIES", {SYSTEM: "package"})
    path = str(tmp_path / "nvidia" / "lib" / SYSTEM)
    assert cuda_libraries.load() == {SYSTEM: path}
    assert loaded == [(path, ctypes.RTLD_GLOBAL)]
