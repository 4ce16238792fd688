"""Work to do: what the archive has less what the store has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from opentr_pipeline.archive import MediaFile, scan
from opentr_pipeline.checkpoints import Checkpoints
from opentr_pipeline.options import ArchiveOptions
from opentr_pipeline.plan import Plan, Selection
from opentr_pipeline.recordings import ProbeMemory, Recording, probe_all
from opentr_pipeline.settings import Settings
from opentr_pipeline.shards import ShardItem, plan_shards
from opentr_pipeline.transcript import Content, Transcript, now
from opentr_pipeline.transcript_store import (
    Entry,
    PublishedRow,
    StoreIndex,
    TranscriptStore,
    is_published_as,
)

State = Literal["done", "missing", "stale", "failed"]
# A recording that failed so often is left alone until a person says retry-failed.
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class RecordingWork:
    """A recording and how it stands.

    Attributes:
        content: what the transcript that is wanted for it belongs to.
        state: ``done``: published for these bytes and options; ``missing``: nothing published;
            ``stale``: published for other bytes or options; ``failed``: tried without success.
        num_attempts: failed ones, for these bytes and options.
    """

    recording: Recording
    content: Content
    state: State
    num_attempts: int = 0

    @property
    def is_pending(self) -> bool:
        """Whether the next run takes it by itself."""
        if self.state == "failed":
            return self.num_attempts < MAX_ATTEMPTS
        return self.state != "done"

    def is_selected(self, selection: Selection) -> bool:
        """Whether a run with this selection takes it."""
        return self.state == "failed" if selection == "failed" else self.is_pending


def judge(
    recordings: Iterable[Recording], index: StoreIndex, options: ArchiveOptions
) -> list[RecordingWork]:
    """How each recording stands under the options that are wanted for it."""
    return [_judged(recording, index, options.content(recording)) for recording in recordings]


def _judged(recording: Recording, index: StoreIndex, content: Content) -> RecordingWork:
    row = index.by_recording.get((recording.partition_key, recording.recording_id))
    is_same = row is not None and row.content == content
    if row and is_same and row.status != "failed":
        return RecordingWork(recording, content, "done")
    attempts = max(index.failures.get(content, 0), row.num_attempts if row and is_same else 0)
    if attempts or (row and row.status == "failed"):
        return RecordingWork(recording, content, "failed", attempts)
    return RecordingWork(recording, content, "stale" if row else "missing")


def probe_memory(settings: Settings) -> ProbeMemory:
    """The memory of probes in the state folder, one for all archives."""
    return ProbeMemory(settings.state_root / "probes.sqlite")


def recordings_of(settings: Settings, partition_keys: Iterable[str]) -> dict[str, list[Recording]]:
    """Scan the archive and probe the media files of some partitions.

    Returns:
        A list for each key, empty where the partition has no media file (any more).

    Raises:
        ArchiveError: the archive cannot be read.
    """
    by_partition = scan(settings.archive_root).by_partition(settings)
    wanted: list[tuple[str, MediaFile]] = [
        (key, media_file) for key in partition_keys for media_file in by_partition.get(key, [])
    ]
    found: dict[str, list[Recording]] = {key: [] for key in partition_keys}
    for recording in probe_all(settings.archive_root, wanted, probe_memory(settings)):
        found[recording.partition_key].append(recording)
    return found


def make_plan(
    settings: Settings,
    partitions: dict[str, list[Recording]],
    options: ArchiveOptions,
    num_slots: int,
    selection: Selection = "pending",
) -> Plan:
    """Decide what a run transcribes; outcomes that need no model are kept at once.

    Args:
        settings: for the output directory and the size of shards.
        partitions: from ``recordings_of``.
        options: that transcripts are wanted for.
        num_slots: worker slots that wait for shards.
        selection: ``pending`` for all that is not done, ``failed`` for failed recordings alone.
    """
    store = TranscriptStore(settings.output_root)
    checkpoints = Checkpoints(store.inner)
    checkpoints.sweep()
    recordings = [recording for group in partitions.values() for recording in group]
    all_work = judge(recordings, store.index(partitions), options)
    groups = by_content([work for work in all_work if work.is_selected(selection)])
    elsewhere = store.find_contents(groups.keys())
    items = []
    for content, group in groups.items():
        kept = checkpoints.load(content)
        if kept and not kept.is_final:
            checkpoints.drop(content)
        elif kept or content in elsewhere:
            continue
        attempts = max(work.num_attempts for work in group)
        if group[0].recording.probe.status == "ok":
            items.append(_item(group, options, attempts))
        else:
            checkpoints.save(_unheard(group[0], attempts + 1))
    shards = plan_shards(items, settings.shard_audio_s, num_slots)
    return Plan(options, partitions, elsewhere, shards, selection)


def by_content(all_work: Iterable[RecordingWork]) -> dict[Content, list[RecordingWork]]:
    """The recordings that one transcript is for: the same bytes under the same options."""
    groups: dict[Content, list[RecordingWork]] = {}
    for work in all_work:
        groups.setdefault(work.content, []).append(work)
    return groups


def _item(group: Sequence[RecordingWork], options: ArchiveOptions, num_attempts: int) -> ShardItem:
    first = group[0].recording
    keys = sorted({work.recording.partition_key for work in group})
    return ShardItem(
        first.media_file,
        first.media_fingerprint,
        options.of(first.media_file.path),
        first.probe.duration_s,
        first.probe.may_be_estimated,
        tuple(keys),
        num_attempts,
    )


def _unheard(work: RecordingWork, num_attempts: int) -> Transcript:
    """The outcome of a media file that the probe found nothing to transcribe in."""
    media_fingerprint, settings_fingerprint = work.content
    return Transcript(
        media_fingerprint=media_fingerprint,
        settings_fingerprint=settings_fingerprint,
        status=work.recording.probe.status,
        reason=work.recording.probe.reason,
        transcribed_at=now(),
        num_attempts=num_attempts,
    )


def publish_partition(
    partition_key: str, plan: Plan, store: TranscriptStore, index: StoreIndex
) -> None:
    """Publish what there is for a partition: checkpoints, and bytes published elsewhere.

    Args:
        partition_key: one of the plan's.
        plan: names the partition's recordings.
        store: where to.
        index: of the plan's partitions.
    """
    checkpoints = Checkpoints(store.inner)
    entries = []
    for recording in plan.partitions[partition_key]:
        content = plan.options.content(recording)
        kept = checkpoints.load(content)
        outcome: Transcript | PublishedRow | None = kept if kept and kept.is_final else None
        outcome = outcome or index.by_content.get(content)
        outcome = outcome or plan.elsewhere.get(content) or kept
        if outcome:
            entries.append(Entry(recording.recording_id, recording.media_file.path, outcome))
    store.publish(partition_key, entries)


def publish_all(plan: Plan, store: TranscriptStore) -> None:
    """Publish what no shard has published, and drop the checkpoints that this makes needless."""
    checkpoints = Checkpoints(store.inner)
    index = store.index(plan.partitions)
    contents = {plan.options.content(r) for group in plan.partitions.values() for r in group}
    unknown = contents - plan.elsewhere.keys() - index.by_content.keys()
    # Another run may have published these in its own partitions since the plan was made.
    lost = {content for content in unknown if not checkpoints.has(content)}
    plan.elsewhere.update(store.find_contents(lost))
    for key in plan.partitions:
        publish_partition(key, plan, store, index)
    forget_published(plan, store)


def forget_published(plan: Plan, store: TranscriptStore) -> None:
    """Drop the checkpoints of what is published now; a failure that is not stays, and counts."""
    checkpoints = Checkpoints(store.inner)
    index = store.index(plan.partitions)
    for recordings in plan.partitions.values():
        for recording in recordings:
            content = plan.options.content(recording)
            kept = checkpoints.load(content)
            row = index.by_recording.get((recording.partition_key, recording.recording_id))
            if kept and row and is_published_as(row, kept):
                checkpoints.drop(content)


def left_over(plan: Plan, store: TranscriptStore) -> dict[str, list[RecordingWork]]:
    """The recordings of each partition of a plan that are not done."""
    index = store.index(plan.partitions)
    return {
        key: [work for work in judge(recordings, index, plan.options) if work.state != "done"]
        for key, recordings in plan.partitions.items()
    }


def outdated_partitions(recordings: Iterable[Recording], store: TranscriptStore) -> set[str]:
    """Partitions whose ``recordings`` rows differ from the archive, emptied ones included.

    Args:
        recordings: all of the archive.
        store: holds the rows.
    """
    now_here: dict[str, set[tuple[str, str]]] = {}
    for recording in recordings:
        content = (recording.recording_id, recording.media_fingerprint)
        now_here.setdefault(recording.partition_key, set()).add(content)
    said = store.recordings_here()
    keys = now_here.keys() | said.keys()
    return {key for key in keys if now_here.get(key, set()) != said.get(key, set())}


def counted(all_work: Sequence[RecordingWork]) -> dict[State, int]:
    """How many recordings stand how."""
    counts: dict[State, int] = dict.fromkeys(("done", "missing", "stale", "failed"), 0)
    for work in all_work:
        counts[work.state] += 1
    return counts
