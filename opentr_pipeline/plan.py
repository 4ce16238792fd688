"""The plan of one run, made once and kept where all of its steps find it."""

import contextlib
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opentr_pipeline.errors import StoreError
from opentr_pipeline.recordings import Recording
from opentr_pipeline.shards import ShardItem
from opentr_pipeline.transcript_store import PublishedRow

Selection = Literal["pending", "failed"]
PLAN_DAYS = 30


@dataclass(frozen=True)
class Plan:
    """What one run does.

    Attributes:
        partitions: the recordings of each partition key of the run, done ones included.
        elsewhere: contents that other partitions had published before, by media fingerprint.
        shards: what is to be transcribed.
        selection: what the run takes on.
    """

    settings_fingerprint: str
    partitions: dict[str, list[Recording]]
    elsewhere: dict[str, PublishedRow]
    shards: list[list[ShardItem]]
    selection: Selection = "pending"

    def contents_to_do(self, partition_key: str) -> set[str]:
        """Media fingerprints that some shard transcribes for a partition."""
        return {
            item.media_fingerprint
            for shard in self.shards
            for item in shard
            if partition_key in item.partition_keys
        }

    def save(self, path: Path) -> None:
        """Keep the plan where the run's steps find it, and remove those of long ago.

        It stays after the run, for a re-execution from failure.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        for other in path.parent.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another run sweeps as well
                if other.stat().st_mtime < time.time() - PLAN_DAYS * 86_400:
                    other.unlink()
        path.write_bytes(pickle.dumps(self))


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
