"""The plan of one run, made once and kept where all of its steps find it."""

import contextlib
import dataclasses
import hashlib
import math
import pickle
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.errors import StoreError
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.run_ranges import RunRange
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.transcripts.store import PublishedRow
from opentr_pipeline.transcripts.transcript import Content

Selection = Literal["pending", "failed"]
KEPT_DAYS = 30


@dataclass(frozen=True)
class Taking:
    """What a run takes on.

    Attributes:
        selection: ``pending`` for all that is missing, stale or failed and has attempts left,
            ``failed`` for failed recordings alone, however often they failed.
        recordings: ids of recordings; none means any.
        audio_budget_s: seconds of audio at most, or None; the first recording is taken always.
        deadline: no recording is begun after it, seconds since 1970, or None.
    """

    selection: Selection = "pending"
    recordings: frozenset[str] = frozenset()
    audio_budget_s: float | None = None
    deadline: float | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing that is not done is left to other runs."""
        return self == Taking()

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.time() >= self.deadline

    def share(self, run_range: RunRange, audio_s: Mapping[str, float]) -> "Taking":
        """What one of several runs takes on.

        Args:
            run_range: the partitions of that run.
            audio_s: seconds of audio that were chosen in each partition.
        """
        if self.audio_budget_s is None:
            return self
        mine_s = sum(audio_s.get(key, 0.0) for key in run_range.keys)
        return dataclasses.replace(self, audio_budget_s=math.floor(mine_s) + 1)


@dataclass(frozen=True)
class Plan:
    """What one run does.

    Attributes:
        options: that transcripts are wanted for.
        partitions: the recordings of each partition key of the run, done ones included.
        elsewhere: contents that other partitions had published before.
        shards: what is to be transcribed.
        taking: what the run takes on.
        answers_for: contents that the run fails for where they are not done in the end.
    """

    options: ArchiveOptions
    partitions: dict[str, list[Recording]]
    elsewhere: dict[Content, PublishedRow]
    shards: list[list[ShardItem]]
    taking: Taking = Taking()
    answers_for: frozenset[Content] = frozenset()

    def contents_to_do(self, partition_key: str) -> set[Content]:
        """What some shard transcribes for a partition."""
        return {
            item.content
            for shard in self.shards
            for item in shard
            if partition_key in item.partition_keys
        }

    def settings_fingerprints(self, partition_key: str) -> list[str]:
        """Those of the options that the recordings of a partition want, sorted."""
        recordings = self.partitions[partition_key]
        return sorted({settings for _, settings in map(self.options.content, recordings)})

    def data_version(self, partition_key: str) -> str:
        """The same in one word: 32 hexadecimal digits."""
        text = " ".join(self.settings_fingerprints(partition_key))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def save(self, path: Path) -> None:
        """Keep the plan where the run's steps find it, and remove those of long ago.

        It stays after the run, for a re-execution from failure.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        path.write_bytes(pickle.dumps(self))


def sweep(folder: Path) -> None:
    """Remove what runs of long ago have left in a folder, each in a file or folder of its own."""
    too_old = time.time() - KEPT_DAYS * 86_400
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another run sweeps as well
            if path.stat().st_mtime >= too_old:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def load_plan(path: Path) -> Plan:
    """A plan that ``save`` kept; the file is ours.

    Raises:
        StoreError: it is not there any more.
    """
    try:
        plan: Plan = pickle.loads(path.read_bytes())
    except FileNotFoundError:
        raise StoreError("The plan of this run is gone; start a new run.") from None
    return plan
