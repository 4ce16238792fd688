"""What torch saves, read without it."""

import collections
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from opentr_pipeline.errors import ModelError
from opentr_pipeline.speakers.torch_weights import arrays_in


class Storage:
    """Pickled as torch's numbers are: by a name that is kept elsewhere."""


class Rebuilt:
    """Pickled as a tensor is: a function's name and its arguments."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _rebuild_tensor_v2, self.arguments


def _rebuild_tensor_v2(*arguments: object) -> None:
    raise AssertionError("nothing in the file is run")


class FloatStorage:
    """Its name alone is used."""


class Saver(pickle._Pickler):  # type: ignore[name-defined,misc]
    def persistent_id(self, value: object) -> object:
        return ("storage", FloatStorage, "0", "cpu", 6) if isinstance(value, Storage) else None


def saved(path: Path, table: object) -> Path:
    stream = io.BytesIO()
    Saver(stream, 2).dump(table)
    module = f"c{__name__}\n".encode()
    program = stream.getvalue()
    program = program.replace(module + b"_rebuild", b"ctorch._utils\n_rebuild")
    program = program.replace(module + b"FloatStorage", b"ctorch\nFloatStorage")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", np.arange(6, dtype="<f4").tobytes())
    return path


def test_tensors_are_found_with_shape_and_order(tmp_path: Path) -> None:
    storage = Storage()
    table = collections.OrderedDict(
        whole=Rebuilt(storage, 0, (2, 3), (3, 1), False, collections.OrderedDict()),
        turned=Rebuilt(storage, 1, (2, 2), (1, 2), False, collections.OrderedDict()),
        one=Rebuilt(storage, 5, (), (), False, collections.OrderedDict()),
    )
    path = saved(tmp_path / "w.pt", {"state": table, "epoch": 3, "more": [1.5, None, True, (1, 2)]})
    arrays = arrays_in(path)
    assert arrays.keys() == {"whole", "turned", "one"}
    assert arrays["whole"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["turned"].tolist() == [[1, 3], [2, 4]]
    assert arrays["one"] == 5


def test_what_is_no_such_file_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    no_zip, strange = tmp_path / "a.pt", tmp_path / "b.pt"
    no_zip.write_bytes(b"text")
    with zipfile.ZipFile(strange, "w") as archive:
        touch = f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR."
        archive.writestr("archive/data.pkl", touch)
    for path in (no_zip, strange):
        with pytest.raises(ModelError, match="holds no weights"):
            arrays_in(path)
    assert not (tmp_path / "ran").exists()
