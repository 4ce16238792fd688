"""Which objects of a partition count: a pointer to them, which is replaced on a condition."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from opentr_pipeline.archive.objects import plain_tag
from opentr_pipeline.whole_files import write_whole

POINTERS = ".store/pointers"
# Says beside a copy which pointer it follows.
NOTE = "pointer.json"
# Objects that count no more, kept in mind until they are removed.
MAX_BEFORE = 100


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


def followed(home: Path) -> Pointer:
    """What the copy of a partition follows; nothing where a writer died before it noted that.

    Args:
        home: of the copy.
    """
    try:
        noted = json.loads((home / NOTE).read_bytes())
    except (FileNotFoundError, ValueError):
        return Pointer()
    return Pointer(noted["version"], noted["files"])


def before(home: Path) -> list[str]:
    """The objects that it followed before."""
    try:
        noted = json.loads((home / NOTE).read_bytes())
    except (FileNotFoundError, ValueError):
        return []
    return list(noted["before"])


def keep_followed(home: Path, pointer: Pointer) -> None:
    """Note what the copy follows now."""
    known = {*before(home), *followed(home).files.values()}
    gone = sorted(known - {*pointer.files.values()})[-MAX_BEFORE:]
    facts = {"version": pointer.version, "files": pointer.files, "before": gone}
    write_whole(home / NOTE, json.dumps(facts).encode())
