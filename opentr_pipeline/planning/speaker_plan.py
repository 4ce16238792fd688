"""What one run hears to tell speakers apart, kept where all of its steps find it."""

import dataclasses
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.recordings import ASSUMED_BYTES_PER_S, Recording
from opentr_pipeline.errors import StoreError
from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.shards import spread_over_shards
from opentr_pipeline.planning.speaker_options import (
    ArchiveSpeakers,
    SpeakerOptions,
    archive_speakers,
)
from opentr_pipeline.planning.speaker_work import SpeakerWork, judge_speakers
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.transcripts.kept_files import KeptFiles
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import read_table
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline.transcripts.turns import Spoken

ENDING = ".speakers.json"


@dataclass(frozen=True)
class HearingItem:
    """One content to hear; its first path stands for all that hold the same bytes.

    Attributes:
        content: its bytes, and what decides who is heard when.
        duration_s: as the container claims it, or None.
        partition_keys: of all recordings with these bytes and options.
    """

    media_file: MediaFile
    content: Content
    options: SpeakerOptions
    duration_s: float | None
    partition_keys: tuple[str, ...]

    @property
    def weight_s(self) -> float:
        """Seconds of audio that are heard, estimated from the size where nobody says."""
        said_s = self.duration_s
        whole_s = self.media_file.size_bytes / ASSUMED_BYTES_PER_S if said_s is None else said_s
        return min(whole_s, self.options.max_duration_s)


@dataclass(frozen=True)
class SpeakerPlan:
    """What one run does about speakers.

    Attributes:
        partitions: for each partition key of the run what is wanted for its recordings, by their
            ids; done ones included.
        shards: what is to be heard.
        deadline: no recording is begun after it, seconds since 1970, or None.
    """

    partitions: Mapping[str, Mapping[str, Content]]
    shards: Sequence[Sequence[HearingItem]]
    deadline: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.time() >= self.deadline

    def contents_to_do(self, partition_key: str) -> set[Content]:
        """What some shard hears for a partition."""
        items = (item for shard in self.shards for item in shard)
        return {item.content for item in items if partition_key in item.partition_keys}

    def save(self, plans: KeptFiles, run_id: str) -> None:
        """Keep the plan where the run's steps find it, and remove those of long ago.

        Args:
            plans: from ``plans_of``.
            run_id: Dagster's name of the run.
        """
        plans.sweep("")
        plans.write(f"{run_id}{ENDING}", json.dumps(dataclasses.asdict(self)).encode())


def load_speaker_plan(plans: KeptFiles, run_id: str) -> SpeakerPlan:
    """The plan of a run, which ``save`` kept.

    Raises:
        StoreError: it is not there any more, or another release made it.
    """
    try:
        kept = json.loads(plans.read(f"{run_id}{ENDING}"))
        partitions = {
            key: {recording_id: (media, speakers) for recording_id, (media, speakers) in of.items()}
            for key, of in kept["partitions"].items()
        }
        shards = [list(map(_item, items)) for items in kept["shards"]]
        return SpeakerPlan(partitions, shards, kept["deadline"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise StoreError(
            f"The plan of the run {run_id} is gone, or was made by another release; start a new "
            "run."
        ) from None


def _item(kept: dict[str, Any]) -> HearingItem:
    media, speakers = kept["content"]
    parts = {
        "media_file": MediaFile(**kept["media_file"]),
        "content": (media, speakers),
        "options": SpeakerOptions(**kept["options"]),
        "partition_keys": tuple(kept["partition_keys"]),
    }
    return HearingItem(**{**kept, **parts})


def make_speaker_plan(
    setup: Setup, partitions: Mapping[str, Sequence[Recording]], num_slots: int, taking: Taking
) -> SpeakerPlan:
    """Decide what a run hears; who is known from the same bytes elsewhere is kept at once.

    Args:
        setup: for the tables and the size of shards.
        partitions: from ``backlog.recordings_of``.
        num_slots: worker slots that wait for shards.
        taking: what the run takes on; a budget is for transcripts alone.

    Raises:
        SettingsError: the folder file is not there or makes no sense.
    """
    speakers, kept = (
        archive_speakers(setup.settings),
        KeptSpoken(setup.store.inner, setup.store.database),
    )
    kept.sweep()
    recordings = [recording for group in partitions.values() for recording in group]
    all_work = judge_speakers(recordings, setup.store.index(partitions), speakers)
    chosen = [one for one in all_work if one.is_selected(taking.selection)]
    done = kept.listed("json") if taking.selection == "pending" else set()
    wanted: dict[Content, list[SpeakerWork]] = {}
    for one in chosen:
        if one.state != "unwanted" and one.content not in done:
            wanted.setdefault(one.content, []).append(one)
    for spoken in _told_elsewhere(setup.store, wanted.keys()):
        kept.save(spoken)
        del wanted[spoken.media_fingerprint, spoken.speakers_fingerprint]
    if taking.selection == "failed":
        for content in wanted:
            kept.drop(content)
    items = [_item_of(group, speakers) for group in wanted.values()]
    places: dict[str, dict[str, Content]] = {key: {} for key in partitions}
    for one in all_work:
        places[one.recording.partition_key][one.recording.recording_id] = one.content
    shards = spread_over_shards(items, setup.settings.shard_audio_s, num_slots)
    return SpeakerPlan(places, shards, taking.deadline)


def _item_of(group: Sequence[SpeakerWork], speakers: ArchiveSpeakers) -> HearingItem:
    first = group[0].recording
    return HearingItem(
        first.media_file,
        group[0].content,
        speakers.of(first),
        first.probe.duration_s,
        tuple(sorted({one.recording.partition_key for one in group})),
    )


def _told_elsewhere(store: TranscriptStore, contents: Iterable[Content]) -> list[Spoken]:
    """Who speaks in some contents, as far as it is published, in whatever partition."""
    wanted = set(contents)
    if not wanted:
        return []
    columns = "recording_id media_fingerprint speakers_fingerprint speakers_reason"
    found: dict[Content, tuple[str, str]] = {}
    for key in store.partitions_with({media_fingerprint for media_fingerprint, _ in wanted}):
        rows = read_table(store.path("transcripts", key), "transcripts", columns.split())
        for row in rows.to_pylist():
            content = row["media_fingerprint"], row["speakers_fingerprint"]
            if content in wanted and not row["speakers_reason"]:
                found[content] = key, row["recording_id"]
    published = []
    for key, recording_id in found.values():
        tables = store.read_together(key)
        if recording_id in tables["transcripts"]["recording_id"].to_pylist():
            spoken = transcript_of(tables, recording_id).spoken
            if spoken and (spoken.media_fingerprint, spoken.speakers_fingerprint) in wanted:
                published.append(spoken)
    return published
