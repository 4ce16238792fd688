"""Windows of many recordings that wait to be decoded together; pure."""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
# A kind that was passed over so often goes next, full batch or not: its recordings wait for it.
MAX_PASSED_OVER = 8


@dataclass
class Batches(Generic[Item]):
    """Items that wait, by kind; only those of one kind can share a batch.

    Attributes:
        batch_size: most of the largest items in a batch.
        num_workers: that take batches at the same time.
        share_of: how large an item of a kind is beside the largest, at most 1: of smaller ones more
            fit into a batch.
    """

    batch_size: int
    num_workers: int
    share_of: Callable[[Any], float] = lambda _: 1.0
    _waiting: dict[Hashable, list[Item]] = field(default_factory=dict)
    _passed_over: dict[Hashable, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many items wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def has_full_batch(self) -> bool:
        """Whether some kind fills a batch."""
        return any(self._fullness(kind) >= 1 for kind in self._waiting)

    def add(self, kind: Hashable, item: Item) -> None:
        """Let an item wait."""
        self._waiting.setdefault(kind, []).append(item)
        self._passed_over.setdefault(kind, 0)

    def take(self, *, more_to_come: bool) -> list[Item]:
        """A batch of one kind, the items that have waited longest; empty where none wait.

        Args:
            more_to_come: otherwise what is left is shared by all workers, so that none idles while
                another decodes the last full batch.
        """
        if not self._waiting:
            return []
        kind = max(self._waiting, key=self._urgency)
        size = self._size(kind)
        if not more_to_come:
            size = min(size, math.ceil(len(self) / self.num_workers))
        items = self._waiting[kind]
        batch, rest = items[:size], items[size:]
        for other in self._passed_over:
            self._passed_over[other] += 1
        if rest:
            self._waiting[kind] = rest
            self._passed_over[kind] = 0
        else:
            del self._waiting[kind], self._passed_over[kind]
        return batch

    def _size(self, kind: Hashable) -> int:
        """How many items of a kind fit into a batch."""
        return int(self.batch_size / self.share_of(kind))

    def _fullness(self, kind: Hashable) -> float:
        return min(1.0, len(self._waiting[kind]) / self._size(kind))

    def _urgency(self, kind: Hashable) -> tuple[bool, float, int]:
        passed_over = self._passed_over[kind]
        if passed_over > MAX_PASSED_OVER:  # who has waited longest goes first, however few they are
            return True, passed_over, 0
        return False, self._fullness(kind), passed_over
