"""What was computed from the tables of a partition, kept until they change."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opentr_pipeline.transcripts.layout import StoreLayout
from opentr_pipeline.whole_files import write_whole

# Another number forgets what earlier releases kept.
FACTS_VERSION = 1


class FactMemory:
    """The facts of one partition, as they were last computed."""

    def __init__(self, path: Path) -> None:
        """Read what is kept; what cannot be read is computed again."""
        self._path = path
        self._kept: dict[str, Any] = {}
        self._is_new = False
        with contextlib.suppress(OSError, ValueError):
            self._kept = json.loads(path.read_text(encoding="utf-8"))

    @classmethod
    def of(cls, store: StoreLayout, partition_key: str) -> "FactMemory":
        """What is remembered of a partition, for the checks and for the report."""
        return cls(store.inner / "facts" / f"{partition_key}.json")

    def recall(self, part: str, state: Sequence[str], make: Callable[[], Any]) -> Any:
        """The facts of a part, made again where the state they belong to is another.

        Args:
            part: its name.
            state: of all that the facts are computed from.
            make: gives the facts, fit for JSON.
        """
        text = json.dumps([FACTS_VERSION, *state])
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        kept = self._kept.get(part)
        if kept is None or kept["state"] != digest:
            kept = {"state": digest, "facts": make()}
            self._kept[part] = kept
            self._is_new = True
        return kept["facts"]

    def keep(self) -> None:
        """Write what was made; whole or not at all."""
        if not self._is_new:
            return
        # A full disk costs only that the facts are made again.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(self._kept).encode())
