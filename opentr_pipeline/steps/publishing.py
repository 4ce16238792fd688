"""What is finished -> published partitions, and what is left over then."""

import dataclasses
import logging
from collections.abc import Iterable, Sequence

from opentr_pipeline.corrections.overlay import Overlay, put_corrections
from opentr_pipeline.errors import StoreError
from opentr_pipeline.planning.backlog import RecordingWork, judge
from opentr_pipeline.planning.plan import Plan
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.speakers.naming import put_names
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.kept_heard import KeptHeard
from opentr_pipeline.transcripts.parts import without_speakers
from opentr_pipeline.transcripts.provided import aligned, provided_text
from opentr_pipeline.transcripts.published_rows import PublishedRow, StoreIndex, is_published_as
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import HEARD, Transcript

_log = logging.getLogger(__name__)


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
    checkpoints = Checkpoints(store.inner, store.database)
    entries = []
    for recording in plan.partitions[partition_key]:
        content = plan.options.content(recording)
        kept = checkpoints.load(content)
        outcome: Transcript | PublishedRow | None = kept if kept and kept.is_final else None
        outcome = outcome or index.by_content.get(content)
        outcome = outcome or plan.elsewhere.get(content) or kept
        if outcome:
            entries.append(Entry(recording.recording_id, recording.media_file.path, outcome))
    _keep_replaced(partition_key, entries, store, index)
    overlay = Overlay(store)
    entries = _with_texts(partition_key, entries, store, index)
    entries = _with_speakers(partition_key, entries, store, index)
    store.publish(partition_key, [_with_corrections(entry, overlay) for entry in entries])
    say_corrections(store, [partition_key])
    say_names(store, [partition_key])


def say_corrections(store: TranscriptStore, keys: Iterable[str]) -> None:
    """Put what people have corrected into what was published, where that can be done.

    What hinders it (a damaged file of edits) costs no transcript: ``opentr corrections`` says it,
    and puts them in.
    """
    try:
        put_corrections(store, keys)
    except StoreError as error:
        _log.warning("Corrections are missing from the tables: %s", error)


def _with_corrections(entry: Entry, overlay: Overlay) -> Entry:
    """Other words with what people have corrected; rows of the same bytes have it already."""
    if isinstance(entry.outcome, PublishedRow):
        return entry
    return dataclasses.replace(entry, outcome=overlay.put_or_say(entry.outcome))


def say_names(store: TranscriptStore, keys: Iterable[str]) -> None:
    """Put the names that people have given into what was published, where that can be done.

    What hinders it (a damaged file of names) costs no transcript: the next command about speakers
    says it, and puts the names in.
    """
    try:
        put_names(store, keys)
    except StoreError as error:
        _log.warning("Names of speakers are missing from the tables: %s", error)


def _with_texts(
    partition_key: str, entries: Sequence[Entry], store: TranscriptStore, index: StoreIndex
) -> list[Entry]:
    """Other words where a given text is published: that text keeps its place, with other times."""
    given = {
        entry.recording_id
        for entry in entries
        if (row := index.by_recording.get((partition_key, entry.recording_id)))
        and row.provided_fingerprint
        and row.content != entry.outcome.content
        and entry.outcome.status in HEARD
    }
    if not given:
        return list(entries)
    tables = store.read_together(partition_key)
    heard = KeptHeard(store.inner, store.database)
    there = given.intersection(tables["transcripts"]["recording_id"].to_pylist())
    overlay = Overlay(store)
    before = {
        recording_id: plain
        for recording_id in there
        if (plain := overlay.without(transcript_of(tables, recording_id)))
    }
    return [
        dataclasses.replace(entry, outcome=_with_text(entry.outcome, text, heard, store))
        if (text := before.get(entry.recording_id)) and text.provided
        else entry
        for entry in entries
    ]


def _with_text(
    outcome: Transcript | PublishedRow, before: Transcript, heard: KeptHeard, store: TranscriptStore
) -> Transcript | PublishedRow:
    if isinstance(outcome, PublishedRow):
        tables = store.read_together(outcome.partition_key)
        if outcome.recording_id not in tables["transcripts"]["recording_id"].to_pylist():
            return outcome
        published = Overlay(store).without(transcript_of(tables, outcome.recording_id))
    else:
        published = outcome
    words = heard.of(published) if published else None
    return aligned(words, provided_text(without_speakers(before))) if words else outcome


def _with_speakers(
    partition_key: str, entries: Sequence[Entry], store: TranscriptStore, index: StoreIndex
) -> list[Entry]:
    """Other words for bytes in which it is known who speaks when: nobody need hear them again."""
    known = {
        entry.recording_id
        for entry in entries
        if (row := index.by_recording.get((partition_key, entry.recording_id)))
        and row.speakers_fingerprint
        and row.media_fingerprint == entry.outcome.media_fingerprint
        and row.content != entry.outcome.content
    }
    if not known:
        return list(entries)
    tables = store.read_together(partition_key)
    there = known.intersection(tables["transcripts"]["recording_id"].to_pylist())
    spoken = {recording_id: transcript_of(tables, recording_id).spoken for recording_id in there}
    return [
        dataclasses.replace(entry, outcome=attributed(entry.outcome, who))
        if isinstance(entry.outcome, Transcript) and (who := spoken.get(entry.recording_id))
        else entry
        for entry in entries
    ]


def _keep_replaced(
    partition_key: str, entries: Iterable[Entry], store: TranscriptStore, index: StoreIndex
) -> None:
    """Keep as checkpoints the transcripts of other bytes, before their rows go.

    The bytes may have moved to another path, and perhaps this is the only row that has them: two
    files that changed places must not be transcribed again.
    """
    checkpoints = Checkpoints(store.inner, store.database)
    replaced = [
        row.recording_id
        for entry in entries
        if (row := index.by_recording.get((partition_key, entry.recording_id)))
        and row.status != "failed"
        and row.media_fingerprint != entry.outcome.media_fingerprint
        and not checkpoints.has(row.content)
    ]
    if not replaced:
        return
    tables = store.read_together(partition_key)
    there = set(tables["transcripts"]["recording_id"].to_pylist())
    overlay = Overlay(store)
    for recording_id in there.intersection(replaced):
        published = transcript_of(tables, recording_id)
        checkpoints.save(overlay.without(published) or published)


def publish_all(plan: Plan, store: TranscriptStore) -> None:
    """Publish what no shard has published, and drop the checkpoints that this makes needless."""
    checkpoints = Checkpoints(store.inner, store.database)
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
    checkpoints = Checkpoints(store.inner, store.database)
    index = store.index(plan.partitions)
    for recordings in plan.partitions.values():
        for recording in recordings:
            content = plan.options.content(recording)
            kept = checkpoints.load(content)
            row = index.by_recording.get((recording.partition_key, recording.recording_id))
            if kept and row and is_published_as(row, kept):
                checkpoints.drop(content)


def left_over(plan: Plan, store: TranscriptStore) -> dict[str, list[RecordingWork]]:
    """The recordings that are not done, of each partition of a plan that has any."""
    index = store.index(plan.partitions)
    judged = {key: judge(group, index, plan.options) for key, group in plan.partitions.items()}
    left = {key: [one for one in group if one.state != "done"] for key, group in judged.items()}
    return {key: works for key, works in left.items() if works}


def unanswered(plan: Plan, left: Iterable[RecordingWork]) -> list[RecordingWork]:
    """What is left over and the run fails for; what its deadline cut off is the next one's."""
    return [
        work
        for work in left
        if work.content in plan.answers_for and (work.state == "failed" or not plan.taking.is_over)
    ]
