"""What became of the recordings of a shard, and the log's line for each."""

import logging
from collections import Counter
from dataclasses import dataclass, field

from opentr_pipeline.audio.decoding import Sound, is_cut_off
from opentr_pipeline.audio.streams import MAX_ERRORS
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.recognition.worker_times import WorkerTimes
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.wording import number_text, readable

_log = logging.getLogger(__name__)


@dataclass
class ShardOutcome:
    """What became of a shard.

    Attributes:
        num_by_status: recordings that this step transcribed, by status.
        num_found_done: contents that another run had finished meanwhile.
        audio_s: seconds of sound that this step transcribed.
        wall_s: from the lease to the end, model load included.
        load_s: of it, to load the model.
        batch_size: most windows decoded together.
        worker_times: how much the model waited.
        failures: sentences with path and reason.
    """

    num_by_status: Counter[str] = field(default_factory=Counter)
    num_found_done: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    load_s: float = 0.0
    batch_size: int = 0
    worker_times: WorkerTimes = field(default_factory=WorkerTimes)
    failures: list[str] = field(default_factory=list)

    @property
    def speed_x(self) -> float:
        """Seconds of sound in a second."""
        return self.audio_s / self.wall_s if self.wall_s else 0.0

    def add(self, path: str, transcript: Transcript) -> None:
        """Count the outcome of one recording, and log it.

        Args:
            path: in the archive.
            transcript: its outcome.
        """
        name = readable(path)
        self.num_by_status[transcript.status] += 1
        self.audio_s += transcript.duration_s
        if transcript.status == "failed":
            self.failures.append(f"{name}: {transcript.reason}")
        said = f"'{name}': {transcript.status}, {transcript.duration_s:.1f} s of audio"
        if transcript.wall_s:
            said += f" in {transcript.wall_s:.1f} s"
            said += f" ({transcript.duration_s / transcript.wall_s:.1f}x)"
        level = logging.WARNING if transcript.status == "failed" else logging.INFO
        _log.log(level, "%s. %s", said, transcript.reason)

    def summary(self) -> str:
        """The totals in one sentence."""
        counts = [f"{count} {status}" for status, count in sorted(self.num_by_status.items())]
        if self.num_found_done:
            counts.append(f"{self.num_found_done} found done")
        said = ", ".join(counts) or "nothing to do"
        return f"{said}; {self.audio_s:.1f} s of audio in {self.wall_s:.1f} s ({self.speed_x:.1f}x)"


def status_and_reason(transcript: Transcript, sound: Sound, item: ShardItem) -> tuple[str, str]:
    """Status and reason once the damage to the file is weighed."""
    if sound.allowance.status:
        return sound.allowance.status, sound.allowance.reason
    if missing := _missing(sound, None if item.may_be_estimated else item.duration_s):
        return "truncated", missing
    if damage := _damage(sound):
        return "suspect", f"{damage} {transcript.reason}".strip()
    if transcript.status == "no_speech" and sound.num_other:
        others = f"Its {sound.num_other} other audio streams were not heard; see AUDIO_STREAM."
        return "no_speech", f"{transcript.reason} {others}"
    return transcript.status, transcript.reason


def _missing(sound: Sound, claimed_s: float | None) -> str:
    """A sentence where the end of the sound is not there."""
    # Where only the whole file says how long it is, a picture may go on after the sound.
    heard_s = sound.duration_s + sound.allowance.left_out_s  # by the clock
    whole_s = max(heard_s, sound.reached_s)
    if claimed_s is not None and sound.is_claimed and is_cut_off(whole_s, claimed_s):
        return f"Only {sound.duration_s:.1f} s of {claimed_s:.1f} s can be decoded."
    # A stream that ended before the file was cut has lost nothing.
    if sound.is_cut and not is_cut_off(heard_s, whole_s):
        return f"Only {sound.duration_s:.1f} s can be decoded; then the file ends within its sound."
    if sound.num_errors > MAX_ERRORS:
        return f"After {sound.duration_s:.1f} s too much of the file is damaged."
    return ""


def _damage(sound: Sound) -> str:
    """A sentence for what went wrong within the sound."""
    if sound.num_left:
        return f"{sound.num_left} bytes after the end that the header says were not heard."
    if sound.has_late_stream:
        return "A stream that begins in the middle of the file was not heard."
    if sound.num_errors:
        return f"{number_text(sound.num_errors, 'packet')} of the file cannot be decoded."
    return sound.allowance.doubt
