"""The rooms of the package and who imports whom, read from the syntax trees."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "opentr_pipeline"
ROOT = Path(__file__).resolve().parents[2]
# Modules that stand in no room are the ground, but for what Dagster loads.
GROUND = "ground"
OUTSIDE = {"definitions": "defs"}


@dataclass
class Room:
    """A sub-package; or the ground, which is the modules that stand in none.

    Attributes:
        modules: dotted names, and the first line of the docstring of each.
        imports: how many modules of each other room are imported, once for each importing module.
    """

    name: str
    docstring: str = ""
    modules: dict[str, str] = field(default_factory=dict)
    imports: Counter[str] = field(default_factory=Counter)


def rooms() -> dict[str, Room]:
    """All rooms, those that import others before those that are imported."""
    folder = ROOT / PACKAGE
    trees = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }
    found: dict[str, Room] = {}
    for name, tree in trees.items():
        room = found.setdefault(room_of(name), Room(room_of(name)))
        said = ast.get_docstring(tree) or ""
        if name.endswith(".__init__"):
            if name.count(".") == 2:
                room.docstring = said
        else:
            room.modules[name] = said.splitlines()[0] if said else ""
        imported = set(_imported(tree))
        for used in {name if name in trees else name.rpartition(".")[0] for name in imported}:
            if used in trees and room_of(used) != room.name:
                room.imports[room_of(used)] += 1
    layers = layers_of(imports_of(found))
    order = [name for layer in reversed(layers) for name in sorted(layer)]
    return {name: found[name] for name in order}


def imports_of(rooms: dict[str, Room]) -> dict[str, set[str]]:
    """Who imports whom."""
    return {name: set(room.imports) for name, room in rooms.items()}


def room_of(module: str) -> str:
    """The room of a module, by its dotted name."""
    parts = module.split(".")
    if len(parts) > 2:
        return parts[1]
    return OUTSIDE.get(parts[-1], GROUND)


def layers_of(imports: dict[str, set[str]]) -> list[set[str]]:
    """Rooms by how much they stand on: the first layer imports nothing, the next only that.

    Raises:
        ValueError: rooms import each other in a circle.
    """
    left = {name: set(used) for name, used in imports.items()}
    layers: list[set[str]] = []
    while left:
        layer = {name for name, used in left.items() if not used & left.keys()}
        if not layer:
            raise ValueError(f"Rooms import each other in a circle, among {sorted(left)}.")
        layers.append(layer)
        for name in layer:
            del left[name]
    return layers


def shortest(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same without what follows: no arrow from a to c where a reaches c through b."""
    below: dict[str, set[str]] = {}
    for layer in layers_of(imports):
        for name in layer:
            below[name] = imports[name].union(*(below[used] for used in imports[name]))
    return {
        name: {
            one for one in used if not any(one in below[other] for other in used if other != one)
        }
        for name, used in imports.items()
    }


def _imported(node: ast.AST) -> Iterator[str]:
    """Dotted names that are imported anywhere, but for those that only types need."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)
