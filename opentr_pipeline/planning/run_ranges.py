"""Partitions with work -> runs that cover neighbouring ones; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_RUN_KEYS = 200
# Dagster's names for the partitions of a run.
SINGLE_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
# Partitions with nothing to do between two that have work: cheaper to visit than a run more.
MAX_IDLE_KEYS = 20


@dataclass(frozen=True)
class RunRange:
    """Partitions that one run covers, neighbours in Dagster's order."""

    keys: tuple[str, ...]

    @property
    def tags(self) -> dict[str, str]:
        """How Dagster is told."""
        if len(self.keys) == 1:
            return {SINGLE_TAG: self.keys[0]}
        return {RANGE_START_TAG: self.keys[0], RANGE_END_TAG: self.keys[-1]}


def grouped(
    order: Sequence[str], audio_s: Mapping[str, float], max_audio_s: float
) -> list[RunRange]:
    """Few runs of bounded size that cover all partitions with work and few others.

    Args:
        order: of all keys, as Dagster lists them.
        audio_s: seconds of audio to transcribe, for each partition that has any work.
        max_audio_s: in one run; a partition with more is a run of its own.
    """
    groups: list[list[str]] = []
    idle: list[str] = []
    sum_s = 0.0
    for key in order:
        if key not in audio_s:
            idle.append(key)
            continue
        fits = groups and len(idle) <= MAX_IDLE_KEYS and sum_s + audio_s[key] <= max_audio_s
        if fits and len(groups[-1]) + len(idle) < MAX_RUN_KEYS:
            groups[-1] += [*idle, key]
            sum_s += audio_s[key]
        else:
            groups.append([key])
            sum_s = audio_s[key]
        idle = []
    return [RunRange(tuple(keys)) for keys in groups]
