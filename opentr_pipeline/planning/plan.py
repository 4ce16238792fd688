"""The plan of one run, made once and kept where all of its steps find it."""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.errors import StoreError
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.run_ranges import RunRange
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.transcripts.kept_files import KeptFiles, kept_files
from opentr_pipeline.transcripts.published_rows import PublishedRow
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Content

Selection = Literal["pending", "failed"]
SELECTIONS: tuple[Selection, ...] = ("pending", "failed")
ENDING = ".json"


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
        partitions: the recordings of each partition key of the run, but for those that are done and
            have left nothing behind: a partition of thousands may have one upload.
        elsewhere: contents that other partitions had published before.
        shards: what is to be transcribed.
        taking: what the run takes on.
        answers_for: contents that the run fails for where they are not done in the end.
        fingerprints: of the options that the recordings of each partition want, sorted.
    """

    options: ArchiveOptions
    partitions: dict[str, list[Recording]]
    elsewhere: dict[Content, PublishedRow]
    shards: list[list[ShardItem]]
    taking: Taking = Taking()
    answers_for: frozenset[Content] = frozenset()
    fingerprints: Mapping[str, list[str]] = field(default_factory=dict)

    def contents_to_do(self, partition_key: str) -> set[Content]:
        """What some shard transcribes for a partition."""
        return {
            item.content
            for shard in self.shards
            for item in shard
            if partition_key in item.partition_keys
        }

    def data_version(self, partition_key: str) -> str:
        """The fingerprints of a partition in one word: 32 hexadecimal digits."""
        text = " ".join(self.fingerprints[partition_key])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def save(self, plans: KeptFiles, run_id: str) -> None:
        """Keep the plan where the run's steps find it, and remove those of long ago.

        It stays after the run, for a re-execution from failure.

        Args:
            plans: from ``plans_of``.
            run_id: Dagster's name of the run.
        """
        plans.sweep("")
        kept = {**vars(self), "elsewhere": list(self.elsewhere.values())}
        plans.write(f"{run_id}{ENDING}", json.dumps(kept, default=_for_json).encode())


def plans_of(store: TranscriptStore) -> KeptFiles:
    """Where the plans of an archive's runs are kept."""
    return kept_files(store.inner / "plans", store.database)


def load_plan(plans: KeptFiles, run_id: str) -> Plan:
    """The plan of a run, which ``save`` kept.

    Raises:
        StoreError: it is not there any more, or another release made it.
    """
    try:
        return _from_json(json.loads(plans.read(f"{run_id}{ENDING}")))
    except FileNotFoundError:
        raise StoreError("The plan of this run is gone; start a new run.") from None
    except (ValueError, KeyError, TypeError):  # no JSON, or of other fields
        raise StoreError(
            f"The plan of the run {run_id} was made by another release; start a new run."
        ) from None


def _for_json(value: Any) -> Any:
    """What JSON does not know, as something that it knows."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _from_json(kept: dict[str, Any]) -> Plan:
    """The inverse of what ``save`` writes."""
    elsewhere = [
        PublishedRow(**{**row, "transcribed_at": datetime.fromisoformat(row["transcribed_at"])})
        for row in kept["elsewhere"]
    ]
    by_folder = kept["options"]["by_folder"].items()
    return Plan(
        ArchiveOptions(
            TranscriptionOptions(**kept["options"]["default"]),
            {folder: TranscriptionOptions(**options) for folder, options in by_folder},
        ),
        {key: list(map(_recording, found)) for key, found in kept["partitions"].items()},
        {row.content: row for row in elsewhere},
        [list(map(_item, items)) for items in kept["shards"]],
        Taking(**{**kept["taking"], "recordings": frozenset(kept["taking"]["recordings"])}),
        frozenset((media, settings) for media, settings in kept["answers_for"]),
        kept["fingerprints"],
    )


def _recording(kept: dict[str, Any]) -> Recording:
    parts = {"media_file": MediaFile(**kept["media_file"]), "probe": Probe(**kept["probe"])}
    return Recording(**{**kept, **parts})


def _item(kept: dict[str, Any]) -> ShardItem:
    parts = {
        "media_file": MediaFile(**kept["media_file"]),
        "options": TranscriptionOptions(**kept["options"]),
        "partition_keys": tuple(kept["partition_keys"]),
    }
    return ShardItem(**{**kept, **parts})
