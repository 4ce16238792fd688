"""``model.bin``, the weights of a model in CTranslate2 format, read without CTranslate2.

Source: CTranslate2, specs/model_spec.py, version 6 of the format: a header, then each variable
(name, dimensions, number of its type, data), then names that stand for the same variable.
"""

import io
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    Weights = np.ndarray[Any, Any]

MODEL_FILE = "model.bin"
# Numbers of the types that NumPy has. Source: CTranslate2, DataType; 5 is bfloat16.
TYPES = {0: "float32", 1: "int8", 2: "int16", 3: "int32", 4: "float16"}
# Layers of the encoder but the first, without which CTranslate2 does not load a model.
OTHER_LAYERS = re.compile(r"encoder/layer_[1-9]")


@dataclass(frozen=True)
class Variable:
    """Where a variable is.

    Attributes:
        type_number: one of CTranslate2's.
        start: of its entry in the file.
        data_start: of its data, in bytes from the file's beginning.
    """

    dimensions: tuple[int, ...]
    type_number: int
    start: int
    data_start: int
    num_bytes: int


@dataclass(frozen=True)
class ModelFile:
    """What a file holds; none of the data is read.

    Attributes:
        header: what precedes the number of variables.
        variables: by name, in the file's order.
        aliases: names of variables that stand for others, by name.
    """

    path: Path
    header: bytes
    variables: Mapping[str, Variable]
    aliases: Mapping[str, str]

    def array(self, name: str) -> "Weights":
        """The data of a variable, or of that which its name stands for.

        Raises:
            KeyError: there is none of that name.
            ValueError: it is of a type that NumPy does not have.
        """
        import numpy as np

        found = self.variables[self.aliases.get(name, name)]
        if found.type_number not in TYPES:
            raise ValueError(f"{name} in {self.path} is of type {found.type_number}.")
        kind = np.dtype(TYPES[found.type_number])
        mapped = np.memmap(self.path, np.uint8, "r", found.data_start, (found.num_bytes,))
        return mapped.view(kind).reshape(found.dimensions)

    def has(self, name: str) -> bool:
        """Whether a variable has, or stands for, that name."""
        return name in self.aliases or name in self.variables

    def without_encoder(self) -> bytes:
        """The file with the first layer alone of those of its encoder."""
        wanted = {
            name: target for name, target in self.aliases.items() if not OTHER_LAYERS.match(name)
        }
        meant = set(wanted.values())
        kept = [
            variable
            for name, variable in self.variables.items()
            if name in meant or not OTHER_LAYERS.match(name)
        ]
        made = io.BytesIO()
        made.write(self.header + struct.pack("<I", len(kept)))
        with self.path.open("rb") as file:
            for one in kept:
                file.seek(one.start)
                made.write(file.read(one.data_start + one.num_bytes - one.start))
        made.write(struct.pack("<I", len(wanted)))
        for pair in wanted.items():
            made.write(b"".join(map(_written, pair)))
        return made.getvalue()


def read_model_file(path: Path) -> ModelFile:
    """What a ``model.bin`` holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    try:
        with path.open("rb") as file:
            file.seek(4)  # the version of the format
            _name(file)
            (_, count), header_end = _numbers(file, "II"), file.tell() - 4
            variables = dict(_variable(file) for _ in range(count))
            (num_aliases,) = _numbers(file, "I")
            aliases = {_name(file): _name(file) for _ in range(num_aliases)}
            file.seek(0)
            return ModelFile(path, file.read(header_end), variables, aliases)
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no model in CTranslate2 format: {error}.") from None


def files_without_encoder(folder: Path) -> dict[str, bytes]:
    """What CTranslate2 loads of a model that another library encodes for."""
    names = [path for path in folder.iterdir() if path.name.startswith(("config", "vocab"))]
    decoder = read_model_file(folder / MODEL_FILE).without_encoder()
    return {path.name: path.read_bytes() for path in names} | {MODEL_FILE: decoder}


def _variable(file: BinaryIO) -> tuple[str, Variable]:
    start = file.tell()
    name = _name(file)
    (rank,) = _numbers(file, "B")
    dimensions = _numbers(file, f"{rank}I")
    number, num_bytes = _numbers(file, "BI")
    data_start = file.tell()
    file.seek(num_bytes, 1)
    return name, Variable(dimensions, number, start, data_start, num_bytes)


def _name(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length).rstrip(b"\0").decode()


def _written(name: str) -> bytes:
    text = name.encode() + b"\0"
    return struct.pack("<H", len(text)) + text


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))
