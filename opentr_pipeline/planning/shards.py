"""Recordings -> shards: what one step transcribes with one model load; pure."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.recordings import ASSUMED_BYTES_PER_S
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.transcripts.transcript import Content

# Below this a step of its own costs more in start-up (some 3 s) than it gains.
MIN_SHARD_AUDIO_S = 30.0
# On a cluster a step is told in a variable of its process how the run stands. Linux takes 128 KiB
# there; with so many shards, each tried twice, it is half of that.
MAX_SHARDS = 4_000


@dataclass(frozen=True)
class ShardItem:
    """One content to transcribe; its first path stands for all that hold the same bytes.

    Attributes:
        options: that the transcript is wanted for.
        duration_s: as the container claims it, or None.
        may_be_estimated: that claim may be a guess (see ``recordings.Probe``).
        partition_keys: of all recordings with these bytes and options.
        num_attempts: made by earlier runs.
    """

    media_file: MediaFile
    media_fingerprint: str
    options: TranscriptionOptions
    duration_s: float | None
    may_be_estimated: bool
    partition_keys: tuple[str, ...]
    num_attempts: int = 0

    @property
    def content(self) -> Content:
        """What its transcript belongs to."""
        return self.media_fingerprint, self.options.settings_fingerprint

    @property
    def weight_s(self) -> float:
        """Seconds of audio that are heard, estimated from the size where nobody says."""
        said_s = self.duration_s
        whole_s = self.media_file.size_bytes / ASSUMED_BYTES_PER_S if said_s is None else said_s
        return min(whole_s, self.options.max_duration_s)


class Weighed(Protocol):
    """Work on one content: a part of a shard."""

    @property
    def partition_keys(self) -> tuple[str, ...]:
        """Of all recordings with these bytes and options."""

    @property
    def content(self) -> Content:
        """What its outcome belongs to."""

    @property
    def weight_s(self) -> float:
        """Seconds of audio that are heard."""


Item = TypeVar("Item", bound=Weighed)


def spread_over_shards(
    items: Sequence[Item], shard_audio_s: float, num_slots: int
) -> list[list[Item]]:
    """Spread recordings over shards of like weight, the heaviest shard first.

    There are as many shards as the audio fills, and one for each slot where there is enough for
    that. Within a shard recordings of one partition stay together, so that partitions are
    finished one after another.

    Args:
        items: to transcribe, any order.
        shard_audio_s: seconds of audio that a shard should hold; one long recording is more.
        num_slots: worker slots that wait for shards.
    """
    total_s = sum(item.weight_s for item in items)
    wanted = max(
        math.ceil(total_s / shard_audio_s),
        min(num_slots, math.ceil(total_s / MIN_SHARD_AUDIO_S)),
    )
    count = min(len(items), max(1, wanted), MAX_SHARDS)
    # Longest first into the lightest shard: at most 4/3 of the best possible makespan.
    # Source: R. L. Graham, Bounds on Multiprocessing Timing Anomalies, 1969.
    heaviest_first = sorted(items, key=lambda item: (-item.weight_s, item.content))
    shards: list[list[Item]] = [[] for _ in range(count)]
    # The number of items breaks ties, so that headers that claim no sound leave no shard empty.
    lightest = [(0.0, 0, number) for number in range(count)]
    for item in heaviest_first:
        weight_s, num_items, number = heapq.heappop(lightest)
        shards[number].append(item)
        heapq.heappush(lightest, (weight_s + item.weight_s, num_items + 1, number))
    shards.sort(key=lambda shard: -sum(item.weight_s for item in shard))
    return [sorted(shard, key=_by_partition) for shard in shards]


def _by_partition(item: Weighed) -> tuple[tuple[str, ...], Content]:
    return item.partition_keys, item.content
