"""Who is at which recording, so that several people do not check the same one."""

import json
from dataclasses import dataclass

from opentr_pipeline.locks import locked
from opentr_pipeline.transcripts.layout import StoreLayout, disk_sentences
from opentr_pipeline.whole_files import write_whole

KEPT_S = 3600.0


@dataclass(frozen=True)
class Taken:
    """A recording that somebody is at.

    Attributes:
        until: Unix time; then it is anybody's again.
    """

    who: str
    until: float


class TakenRecordings:
    """The recordings of one archive that people have taken, for an hour each."""

    def __init__(self, layout: StoreLayout) -> None:
        """Name the file; nothing is read yet."""
        self._layout, self._path = layout, layout.inner / "taken.json"

    def all(self, now_s: float) -> dict[str, Taken]:
        """Those that are taken now, by their paths."""
        try:
            kept = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):  # none yet, or cut short by a power cut
            return {}
        return {path: Taken(*one) for path, one in kept.items() if one[1] > now_s}

    def take(self, path: str, who: str, now_s: float) -> Taken:
        """Take a recording, unless somebody else has; who has it now.

        Raises:
            StoreError: the disk is full.
        """
        return self._change(path, who, now_s, now_s + KEPT_S)

    def leave(self, path: str, who: str, now_s: float) -> None:
        """Give back a recording that one has taken.

        Raises:
            StoreError: the disk is full.
        """
        self._change(path, who, now_s, now_s)

    def _change(self, path: str, who: str, now_s: float, until: float) -> Taken:
        locks = self._layout.inner / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with disk_sentences(self._layout.root), locked(locks / "taken"):
            kept = self.all(now_s)
            before = kept.get(path)
            if before and before.who != who:
                return before
            kept[path] = Taken(who, until)
            told = {name: [one.who, one.until] for name, one in kept.items()}
            write_whole(self._path, json.dumps(told, ensure_ascii=False).encode())
            return kept[path]
