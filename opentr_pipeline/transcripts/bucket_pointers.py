"""Which objects of a partition count: a pointer to them, which is replaced on a condition."""

import json
from dataclasses import dataclass, field

from opentr_pipeline.archive.objects import plain_tag

POINTERS = ".store/pointers"


@dataclass(frozen=True)
class Pointer:
    """What counts of a partition.

    Attributes:
        version: what the server is told when it is to be replaced; None: there is none yet.
        files: the object of each table.
    """

    version: dict[str, str] | None = None
    files: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """As an object."""
        return json.dumps(self.files, indent=1, sort_keys=True).encode()


def pointer_path(key: str) -> str:
    """Where the pointer of a partition is."""
    return f"{POINTERS}/{key}.json"


def is_same(noted: Pointer, e_tag: str | None) -> bool:
    """Whether the copy follows the pointer that has this tag; listings tell no more of it."""
    return bool(e_tag) and plain_tag((noted.version or {}).get("e_tag")) == plain_tag(e_tag)


def version_text(pointer: Pointer) -> str:
    """What changes when a pointer is replaced."""
    return json.dumps(pointer.version, sort_keys=True)
