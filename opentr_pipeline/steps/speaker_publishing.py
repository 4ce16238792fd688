"""Who speaks when -> published partitions, and what is left over then."""

import functools
from collections.abc import Iterator

from opentr_pipeline.corrections.overlay import Overlay
from opentr_pipeline.planning.speaker_plan import HearingItem, SpeakerPlan
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.steps.publishing import say_names
from opentr_pipeline.transcripts.parts import without_speakers
from opentr_pipeline.transcripts.store import Change, TranscriptStore
from opentr_pipeline.transcripts.transcript import Content


def publish_speakers_of(partition_key: str, plan: SpeakerPlan, store: TranscriptStore) -> None:
    """Publish what is kept for a partition; where nobody is wanted, take back who was published.

    Args:
        partition_key: one of the plan's.
        plan: says what is wanted for the partition's recordings.
        store: where to.

    Raises:
        StoreError: the disk is full.
    """
    kept, rows = KeptSpoken(store.inner, store.database), store.index([partition_key]).by_recording
    changes: dict[str, Change] = {}
    for recording_id, content in plan.partitions[partition_key].items():
        row = rows.get((partition_key, recording_id))
        if row is None or row.media_fingerprint != content[0]:
            continue
        if not content[1]:
            if row.speakers_fingerprint:
                changes[recording_id] = without_speakers
        elif spoken := kept.final(content):
            changes[recording_id] = functools.partial(attributed, spoken=spoken)
    if changes:
        store.change(partition_key, Overlay(store).under_all(changes))
        say_names(store, [partition_key])


def publish_all_speakers(plan: SpeakerPlan, store: TranscriptStore) -> None:
    """Publish what no shard has published, and drop what is kept needlessly then."""
    for key in plan.partitions:
        publish_speakers_of(key, plan, store)
    kept, left = KeptSpoken(store.inner, store.database), speakers_left(plan, store)
    missing = {content for contents in left.values() for content in contents}
    planned = {content for contents in plan.partitions.values() for content in contents.values()}
    for content in planned - missing:
        if kept.has_final(content):
            kept.drop(content)
    # A run that was killed may have left more: voices that nobody wants are not kept.
    unwanted = {media for media, speakers in planned if not speakers}
    unwanted -= {media for media, speakers in planned if speakers}
    for content in kept.listed("json"):
        if content[0] in unwanted:
            kept.drop(content)


def speakers_left(plan: SpeakerPlan, store: TranscriptStore) -> dict[str, list[Content]]:
    """What is not published as it is wanted, of each partition of a plan that has any."""
    left: dict[str, list[Content]] = {}
    for key, wanted in plan.partitions.items():
        rows = store.index([key]).by_recording
        for recording_id, content in wanted.items():
            row = rows.get((key, recording_id))
            if row is None or row.spoken_content != content:
                left.setdefault(key, []).append(content)
    return left


def unheard(plan: SpeakerPlan, left: dict[str, list[Content]]) -> Iterator[HearingItem]:
    """What the run fails for: it was to be heard and is not known; not for want of time."""
    missing = {content for contents in left.values() for content in contents}
    if not plan.is_over:
        yield from (item for shard in plan.shards for item in shard if item.content in missing)
