"""Weights that torch has saved -> arrays, without torch and without running what is in the file.

Such a file is a ZIP of raw numbers and a program for pickle's machine, which puts them together. To
run one runs whatever its author wants; here its instructions are read, and the few that tables of
arrays consist of are followed.
"""

import copy
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opentr_pipeline.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

TENSOR = "torch._utils _rebuild_tensor_v2"
NUMBERS = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
CONSTANTS: dict[str, Any] = {
    "EMPTY_DICT": {},
    "EMPTY_LIST": [],
    "EMPTY_TUPLE": (),
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
_MARK = object()


class _Call(NamedTuple):
    """What a function would have made of its arguments; only that of a tensor means something."""

    function: Any
    arguments: Any


def arrays_in(path: Path) -> dict[str, "Array"]:
    """The arrays of a saved network, by name.

    Raises:
        ModelError: it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            program = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            folder = program.removesuffix("data.pkl") + "data/"
            tensors = dict(_tensors(_value(archive.read(program))))
            return {name: _array(archive, folder, tensor) for name, tensor in tensors.items()}
    except (zipfile.BadZipFile, StopIteration, LookupError, ValueError, TypeError) as error:
        raise ModelError(f"{path.name} holds no weights that torch has saved ({error}).") from None


def _tensors(value: Any) -> Iterator[tuple[str, _Call]]:
    """Named tensors, however deep in tables they are."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, _Call) and inner.function == TENSOR:
                yield name, inner
            else:
                yield from _tensors(inner)


def _array(archive: zipfile.ZipFile, folder: str, tensor: _Call) -> "Array":
    import numpy as np

    storage, offset, shape, strides = tensor.arguments[:4]
    _, kind, key, *_ = storage
    numbers = np.frombuffer(archive.read(folder + key), NUMBERS[kind])[offset:]
    if not shape:
        return np.array(numbers[0])
    in_bytes = [stride * numbers.itemsize for stride in strides]
    return np.array(np.lib.stride_tricks.as_strided(numbers, shape, in_bytes))


def _value(program: bytes) -> Any:
    """What the program leaves on its stack, nothing of it run."""
    stack: list[Any] = []
    memory: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(program):
        match opcode.name:
            case "PROTO" | "STOP":
                pass
            case "MARK":
                stack.append(_MARK)
            case "BINPUT" | "LONG_BINPUT":
                memory[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memory[argument])
            case name if name in CONSTANTS:
                stack.append(copy.copy(CONSTANTS[name]))
            case "GLOBAL" | "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case _:
                _combine(opcode.name, stack)
    return stack.pop()


def _combine(name: str, stack: list[Any]) -> None:
    """Follow an instruction that makes one of what lies on the stack."""
    match name:
        case "TUPLE":
            stack.append(tuple(_above_mark(stack)))
        case "TUPLE1" | "TUPLE2" | "TUPLE3":
            size = int(name[-1])
            stack[-size:] = [tuple(stack[-size:])]
        case "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        case "APPENDS":
            items = _above_mark(stack)
            stack[-1].extend(items)
        case "SETITEM":
            key, item = stack.pop(-2), stack.pop()
            _set(stack[-1], [key, item])
        case "SETITEMS":
            items = _above_mark(stack)
            _set(stack[-1], items)
        case "REDUCE" | "NEWOBJ":
            function, arguments = stack.pop(-2), stack.pop()
            is_table = function == "collections OrderedDict"
            stack.append({} if is_table else _Call(function, arguments))
        case "BUILD":  # what a table or an object has beside its content
            stack.pop()
        case "BINPERSID":  # the numbers of a tensor, by where they lie
            pass
        case _:
            raise ValueError(f"the instruction {name}")


def _set(table: Any, items: list[Any]) -> None:
    if isinstance(table, dict):
        table.update(zip(items[::2], items[1::2], strict=True))


def _above_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[at + 1 :]
    del stack[at:]
    return items
