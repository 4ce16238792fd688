"""How long it still takes, looked at again and again while audio is done in lumps; pure.

Worker slots finish whole batches, and tell of a long recording twice a minute. Judged by all that
was done so far, and by the clock, the time left would grow between two lumps and fall at each.
"""

from collections import deque

# What the last minutes say counts; before that the archive may have been another one's business.
LAST_S = 300.0
# Less is no measure: the slots begin together, and what is short or silent is done first.
MIN_LUMPS = 3
MIN_MEASURED_S = 20.0
# A time left that is that much longer is said: the work has become slower, not only less regular.
CLEARLY_LONGER = 1.5
CLEARLY_LONGER_S = 20.0


class Countdown:
    """Audio done by all worker slots, by the clock, and what follows for the end.

    The time left that it says grows only where the speed has clearly fallen; where it was a bit too
    hopeful, it stands still until that is made up for.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lumps: deque[tuple[float, float]] = deque()
        self._longest_pause_s = 0.0
        self._done_s: float | None = None
        self._said_s: float | None = None

    def speed_x(self, now_s: float) -> float | None:
        """Seconds of audio in a second of the last minutes; None where too little was done.

        Between lumps it is that of the last one, unless that is far longer ago than it ever was.
        """
        if len(self._lumps) < MIN_LUMPS:
            return None
        (began_s, before_s), (ended_s, done_s) = self._lumps[0], self._lumps[-1]
        if now_s - ended_s > 2 * self._longest_pause_s:
            ended_s = now_s
        if ended_s - began_s < MIN_MEASURED_S:
            return None
        return (done_s - before_s) / (ended_s - began_s)

    def left_s(self, now_s: float, done_s: float, total_s: float) -> float | None:
        """Seconds of the clock until all is done; None where nobody can tell yet.

        Args:
            now_s: by a clock that never goes back.
            done_s: of audio, so far.
            total_s: of audio, in the end.
        """
        self._note(now_s, done_s)
        speed_x = self.speed_x(now_s)
        if not speed_x:
            return None
        left_s = max(0.0, total_s - done_s) / speed_x
        since_lump_s = now_s - self._lumps[-1][0]
        left_s = max(0.0, left_s - min(since_lump_s, self._longest_pause_s))
        said_s = self._said_s
        if said_s is not None and said_s < left_s < said_s * CLEARLY_LONGER + CLEARLY_LONGER_S:
            left_s = said_s
        self._said_s = left_s
        return left_s

    def _note(self, now_s: float, done_s: float) -> None:
        """Keep a lump. The first begins the measure: before it models were loaded."""
        if self._done_s is None or done_s <= self._done_s:
            self._done_s = done_s if self._done_s is None else self._done_s
            return
        if self._lumps:
            self._longest_pause_s = max(self._longest_pause_s, now_s - self._lumps[-1][0])
        self._done_s = done_s
        self._lumps.append((now_s, done_s))
        while len(self._lumps) > MIN_LUMPS and self._lumps[1][0] < now_s - LAST_S:
            self._lumps.popleft()
