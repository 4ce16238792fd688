"""What people are shown of a run: how far it is, and what it made."""

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from opentr_pipeline.archive.media_files import Scan
from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.planning.backlog import RecordingWork, by_content, counted
from opentr_pipeline.planning.overview import audio_s
from opentr_pipeline.quality.countdown import Countdown
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline.wording import duration_text, hours, number_text, visible

MAX_TABLE_ROWS = 40
FIRST_WORDS_CELLS = 48
ID_COLUMNS = ["recording_id", "partition_key"]
TABLE_COLUMNS = ["path", "language", "duration_s", "status", "reason", "text", *ID_COLUMNS]


class Progress:
    """Counts what a run finishes and says how fast and how long still."""

    def __init__(self, store: TranscriptStore, pending: Sequence[RecordingWork]) -> None:
        """Start the clock; what an earlier run had finished is set apart."""
        self._store = store
        self._checkpoints = Checkpoints(self._store.inner, self._store.database)
        self.recordings = [work.recording for work in pending]
        self._waiting = by_content(pending)
        self._num_total, self._total_s = len(pending), audio_s(pending)
        self._num_done, self._done_s = 0, 0.0
        self._count(self._checkpointed())
        self._kept, self._done_before_s = self._num_done, self._reached_s()
        self._lock = threading.Lock()
        self._countdown = Countdown()
        self._countdown.left_s(time.monotonic(), self._done_before_s, self._total_s)

    def _checkpointed(self) -> list[Content]:
        return list(self._waiting.keys() & self._checkpoints.listed("json"))

    def _reached_s(self) -> float:
        """Seconds of audio that are done, as far as long recordings have come included."""
        under_way = self._waiting.keys() & self._checkpoints.listed("heard")
        return self._done_s + sum(map(self._checkpoints.reached_s, under_way))

    def _count(self, contents: Iterable[Content]) -> None:
        for content in contents:
            group = self._waiting.pop(content)
            self._num_done += len(group)
            self._done_s += audio_s(group)

    def to_do(self, num_recordings: int) -> str:
        """``11 of 17 recordings to transcribe (4 kept from before), 0.8 h of audio``."""
        text = f"{self._num_total - self._kept} of {num_recordings} recordings to transcribe"
        kept = f" ({self._kept} kept from before)" if self._kept else ""
        return f"{text}{kept}, {hours(self._total_s - self._done_before_s)} h of audio"

    def look_at_published(self) -> None:
        """Count what a run has published, whose checkpoints are gone."""
        with self._lock:
            keys = {w.recording.partition_key for group in self._waiting.values() for w in group}
            known = self._store.index(keys).by_content
            self._count(list(self._waiting.keys() & known.keys()))

    def sentence(self) -> str:
        """Look, and say: ``12 of 40 recordings, 0.4 of 1.2 h of audio, 9.8x, 5:00 to go``."""
        with self._lock:
            self._count(self._checkpointed())
            reached_s = self._reached_s()
        text = f"{self._num_done} of {self._num_total} recordings, {hours(reached_s)} of "
        text += f"{hours(self._total_s)} h of audio"
        now_s = time.monotonic()
        left_s = self._countdown.left_s(now_s, reached_s, self._total_s)
        if left_s is None:
            return text
        left = f"{duration_text(left_s)} to go" if left_s >= 1.0 else "nearly done"
        return f"{text}, {self._countdown.speed_x(now_s):.1f}x, {left}"

    def kept(self) -> str:
        """What there is of a run that was ended, and how to go on."""
        self.look_at_published()
        with self._lock:
            self._count(self._checkpointed())
            under_way = self._waiting.keys() & self._checkpoints.listed("heard")
        said = f"Ended: {self._num_done} of {number_text(self._num_total, 'recording')} "
        said += "is" if self._num_done == 1 else "are"
        said += " finished and kept"
        if under_way:
            said += f", {len(under_way)} more as far as heard"
        return f"{said}; the same command goes on from there."

    def summary(self, wall_s: float) -> str:
        """What was done in the end, and how fast, the wait for the model included."""
        done_s = self._done_s - self._done_before_s
        return (
            f"{self._num_done} of {self._num_total} recordings, {hours(self._done_s)} h of audio "
            f"in {duration_text(wall_s)} ({done_s / wall_s:.1f}x)."
        )


def show_table(console: Console, store: TranscriptStore, order: Sequence[Recording]) -> None:
    """Print transcripts.

    Args:
        console: where to.
        store: has the archive's tables.
        order: the recordings to show, as many as fit.
    """
    place = {(one.partition_key, one.recording_id): number for number, one in enumerate(order)}
    published: list[dict[str, Any]] = store.read("transcripts", TABLE_COLUMNS).to_pylist()
    placed = [(place.get((row["partition_key"], row["recording_id"])), row) for row in published]
    shown = [(number, row) for number, row in placed if number is not None]
    rows = [row for _, row in sorted(shown, key=lambda pair: pair[0])]
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("recording", overflow="fold", max_width=console.width // 3)
    table.add_column("language", no_wrap=True)
    table.add_column("duration", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("first words", no_wrap=True)
    for row in rows[:MAX_TABLE_ROWS]:
        # As Text: a name such as [bold] is a name, not markup.
        cells = (row["path"], row["language"], duration_text(row["duration_s"]), row["status"])
        words = Text(visible(row["text"] or row["reason"]))
        words.truncate(FIRST_WORDS_CELLS, overflow="ellipsis")
        table.add_row(*map(Text, cells), words)
    console.print(table)
    if len(rows) > MAX_TABLE_ROWS:
        console.print(f"... and {len(rows) - MAX_TABLE_ROWS} more.")


def show_tables(console: Console, store: TranscriptStore) -> None:
    """Print where the tables are."""
    named = [name for name in ("turns", "speakers") if (store.root / name).is_dir()]
    for name in ("recordings", "transcripts", "segments", "words", *named):
        place = store.elsewhere.place(store.root / name)
        console.print(f"{name:12}{place}", soft_wrap=True, highlight=False)


def counts_text(all_work: Sequence[RecordingWork]) -> str:
    """``14 done, 1 failed``; states that nothing is in are left out."""
    counts = counted(all_work)
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no media"


def left_alone_text(found: Scan) -> str:
    """What a scan did not take, most first."""
    return ", ".join(f"{count} {reason}" for reason, count in found.left_alone.most_common())
