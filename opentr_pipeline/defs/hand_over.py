"""Steps on their way to Ray, which knows no priorities: handed over by a thread, as slots are free.

So a head that is away keeps no run from its other work, and uploads, whose steps are handed over at
once, find few of other runs before them in Ray's queue.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

HAND_OVER_S = 1.0
# A head that was restarted is back long before; a run that waits longer keeps others waiting.
HEAD_PATIENCE_S = 600.0
# What the head says of free slots is up to five seconds old. Source: measured, Ray 2.60.
REPORT_S = 6.0
_log = logging.getLogger("dagster")


class _Step(NamedTuple):
    submit: Callable[[], object]
    withdraw: Callable[[], object]


@dataclass
class HandOver:
    """The steps of one run that wait here.

    Attributes:
        address: of the head, for sentences.
        room: steps that Ray should be given now; raises where the head is away.
        look_again: is called now and then; hosts come and go.
        goes_first: whether the run is one for uploads.
    """

    address: str
    room: Callable[[], int]
    look_again: Callable[[], object]
    goes_first: bool = False
    _waiting: dict[str, _Step] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _gone_since: float | None = None
    _room_left: int = 0
    _asked_at: float = -REPORT_S

    def add(self, name: str, submit: Callable[[], object], withdraw: Callable[[], object]) -> None:
        """Hand a step over as soon as it may.

        Args:
            name: of the step.
            submit: hands it over, or raises.
            withdraw: ends it again, where it was dropped while it was being handed over.
        """
        with self._lock:
            self._waiting[name] = _Step(submit, withdraw)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="hand-over")
                self._thread.start()

    def drop(self, name: str) -> bool:
        """Forget a step; whether it was not handed over yet."""
        with self._lock:
            return self._waiting.pop(name, None) is not None

    def waits(self, name: str) -> bool:
        """Whether a step was not handed over yet."""
        return name in self._waiting

    def is_gone(self, error: Exception) -> None:
        """Note that the head does not answer."""
        if self._gone_since is None:
            self._gone_since = time.monotonic()
            _log.warning("The head of the cluster %s is away: %s", self.address, error)

    def is_there(self) -> None:
        """Note that it does."""
        self._gone_since = None

    @property
    def gone_s(self) -> float:
        """For how long the head has not answered."""
        return 0.0 if self._gone_since is None else time.monotonic() - self._gone_since

    def _work(self) -> None:
        while True:
            with self._lock:
                waiting = dict(self._waiting)
                if not waiting:
                    self._thread = None
                    return
            try:
                self._look_for_room(len(waiting))
                self._submit(waiting)
                self.is_there()
            except Exception as error:
                self.is_gone(error)
            time.sleep(HAND_OVER_S)

    def _look_for_room(self, num_waiting: int) -> None:
        if self.goes_first:
            self._room_left = num_waiting
        elif time.monotonic() - self._asked_at >= REPORT_S:
            self._asked_at = time.monotonic()
            self._room_left = self.room()

    def _submit(self, waiting: dict[str, _Step]) -> None:
        for name, step in waiting.items():
            if self._room_left <= 0:
                return
            if self.waits(name):
                step.submit()
                self._room_left -= 1
                if not self.drop(name):  # somebody ended the step meanwhile
                    step.withdraw()
