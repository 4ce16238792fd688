"""Work to do: what the archive has less what the store has."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from opentr_pipeline.archive.media_files import MediaFile, Scan, scan_folder
from opentr_pipeline.archive.recordings import Recording, guessed, probe_all
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.plan import Plan, Selection, Taking
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.shards import ShardItem, spread_over_shards
from opentr_pipeline.settings.sound import MAX_DURATION_S
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.published_rows import StoreIndex
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Content, Transcript
from opentr_pipeline.wording import now

State = Literal["done", "missing", "stale", "failed"]
# A recording that failed so often is left alone until a person says retry-failed.
MAX_ATTEMPTS = 3
URGENCY: tuple[State, ...] = ("missing", "failed", "stale")


@dataclass(frozen=True)
class RecordingWork:
    """A recording and how it stands.

    Attributes:
        content: what the transcript that is wanted for it belongs to.
        state: ``done``: published for these bytes and options; ``missing``: nothing published;
            ``stale``: published for other bytes or options; ``failed``: tried without success.
        num_attempts: failed ones, for these bytes and options.
        max_duration_s: that is heard of it.
    """

    recording: Recording
    content: Content
    state: State
    num_attempts: int = 0
    max_duration_s: float = MAX_DURATION_S

    @property
    def audio_s(self) -> float:
        """Seconds of audio that are heard, as the headers claim."""
        return min(self.recording.probe.duration_s or 0.0, self.max_duration_s)

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
    return [_judged(recording, index, options) for recording in recordings]


def _judged(recording: Recording, index: StoreIndex, options: ArchiveOptions) -> RecordingWork:
    content, most_s = options.content(recording), options.default.max_duration_s
    row = index.by_recording.get((recording.partition_key, recording.recording_id))
    is_same = row is not None and row.content == content
    if row and is_same and row.status != "failed":
        return RecordingWork(recording, content, "done", max_duration_s=most_s)
    attempts = max(index.failures.of(content), row.num_attempts if row and is_same else 0)
    if attempts or (row and row.status == "failed"):
        return RecordingWork(recording, content, "failed", attempts, most_s)
    state: State = "stale" if row else "missing"
    return RecordingWork(recording, content, state, max_duration_s=most_s)


def recordings_of(
    setup: Setup, partition_keys: Iterable[str], unread: set[str] | None = None
) -> dict[str, list[Recording]]:
    """Scan the archive and probe the media files of some partitions.

    Returns:
        A list for each key, empty where the partition has no media file (any more) but, maybe, in
        what is ``unread``, which gets paths as in ``Scan``.

    Raises:
        ArchiveError: the archive cannot be read.
    """
    archive, keys = setup.workspace.archive, list(partition_keys)
    media = _media_of(setup, keys, set() if unread is None else unread)
    wanted = [(key, one) for key, files in media.items() for one in files]
    found: dict[str, list[Recording]] = {key: [] for key in keys}
    for recording in probe_all(archive, wanted, setup.probe_memory):
        found[recording.partition_key].append(recording)
    return found


def _media_of(setup: Setup, keys: Sequence[str], unread: set[str]) -> dict[str, list[MediaFile]]:
    """The media files of some partitions, sorted by path; the rest of the archive is left alone."""
    archive, partitioning = setup.workspace.archive, setup.partitioning
    places = {partitioning.place(key) or ("", True) for key in keys}
    found: dict[str, dict[str, MediaFile]] = {key: {} for key in keys}
    if ("", True) in places:  # the whole of it
        places = {("", True)}
    for folder, is_deep in places:
        for one in scan_folder(archive, folder, unread, is_deep=is_deep):
            if (key := partitioning.key(one)) in found:
                found[key][one.path] = one
    return {
        key: [files[path] for path in sorted(files, key=os.fsencode)]
        for key, files in found.items()
    }


def known_work(setup: Setup, found: Scan, options: ArchiveOptions) -> list[RecordingWork]:
    """How the recordings stand, by what earlier probes learnt; reads no media.

    One that nobody has probed counts as new, and as long as its size suggests.
    """
    return [one for works in known_work_by_partition(setup, found, options) for one in works]


def known_work_by_partition(
    setup: Setup, found: Scan, options: ArchiveOptions
) -> Iterator[list[RecordingWork]]:
    """The same of one partition after another: an archive may have more than memory holds."""
    for key, media_files in setup.partitioning.groups(found.media_files).items():
        recordings = _known(setup, key, media_files)
        yield judge(recordings, setup.store.index([key]), options)


def known_recordings(setup: Setup, found: Scan) -> list[Recording]:
    """The recordings, by what earlier probes learnt, else by what their sizes suggest."""
    by_partition = setup.partitioning.groups(found.media_files)
    return [one for key, files in by_partition.items() for one in _known(setup, key, files)]


def _known(setup: Setup, key: str, media_files: Sequence[MediaFile]) -> list[Recording]:
    known = setup.probe_memory.recall(media_files)
    return [Recording(one, key, *(known.get(one) or guessed(one))) for one in media_files]


def make_plan(
    setup: Setup,
    partitions: dict[str, list[Recording]],
    options: ArchiveOptions,
    num_slots: int,
    taking: Taking,
) -> Plan:
    """Decide what a run transcribes; outcomes that need no model are kept at once.

    Args:
        setup: for the tables and the size of shards.
        partitions: from ``recordings_of``.
        options: that transcripts are wanted for.
        num_slots: worker slots that wait for shards.
        taking: what the run takes on.
    """
    store = setup.store
    checkpoints = Checkpoints(store.inner, store.database)
    checkpoints.sweep()
    recordings = [recording for group in partitions.values() for recording in group]
    all_work = judge(recordings, store.index(partitions), options)
    groups = by_content(chosen(all_work, taking))
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
    shards = spread_over_shards(items, setup.settings.shard_audio_s, num_slots)
    wanted = by_content(work for work in all_work if work.state != "done")
    answers_for = frozenset(wanted if taking.is_everything else groups)
    left: dict[str, list[Recording]] = {key: [] for key in partitions}
    for work in all_work:
        if work.state != "done" or checkpoints.has(work.content):
            left[work.recording.partition_key].append(work.recording)
    fingerprints = {
        key: sorted({options.content(one)[1] for one in group}) for key, group in partitions.items()
    }
    return Plan(options, left, elsewhere, shards, taking, answers_for, fingerprints)


def chosen(all_work: Iterable[RecordingWork], taking: Taking) -> list[RecordingWork]:
    """What a run takes on; within a budget what is missing first, then failed, then stale.

    The same bytes under the same options count once.
    """
    works = [
        work
        for work in all_work
        if work.is_selected(taking.selection)
        and (not taking.recordings or work.recording.recording_id in taking.recordings)
    ]
    if taking.audio_budget_s is None:
        return works
    works.sort(key=lambda work: (URGENCY.index(work.state), work.recording.media_file.path))
    left_s, seen = taking.audio_budget_s, set[Content]()
    affordable = []
    for work in works:
        if work.content not in seen:
            if seen and work.audio_s > left_s:
                break
            seen.add(work.content)
            left_s -= work.audio_s
        affordable.append(work)
    return affordable


class PlacedWork(Protocol):
    """What is to be done about a recording."""

    @property
    def recording(self) -> Recording:
        """The recording."""

    @property
    def audio_s(self) -> float:
        """Seconds of its audio that are heard."""


def audio_by_partition(works: Iterable[PlacedWork]) -> dict[str, float]:
    """Seconds of audio of some recordings, for each partition that holds one."""
    audio_s: dict[str, float] = {}
    for one in works:
        key = one.recording.partition_key
        audio_s[key] = audio_s.get(key, 0.0) + one.audio_s
    return audio_s


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
        options.wanted(first),
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
