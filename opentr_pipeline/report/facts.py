"""What the report of an archive says: facts of all partitions, each computed once and remembered.

The sums of a partition are kept in ``.store/facts/KEY.json`` with the state of what they were
computed from, so that only what has changed is read again; removing the folder costs only time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from opentr_pipeline.archive.partitioning import ROOT_KEY, Partitioning
from opentr_pipeline.archive.references import WordErrors, word_errors
from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.errors import StoreError, nothing_transcribed
from opentr_pipeline.quality import pace
from opentr_pipeline.quality.archive_facts import ArchiveFacts, archive_facts
from opentr_pipeline.quality.fact_memory import FactMemory
from opentr_pipeline.quality.pace import Finished, Period
from opentr_pipeline.quality.partition_totals import partition_sums, recall_sums
from opentr_pipeline.quality.problems import ErrorClass, published_errors
from opentr_pipeline.quality.totals import (
    MISSING,
    TOP,
    DoubtfulRecording,
    Sums,
    Tally,
    folder_of,
    left_partitions,
)
from opentr_pipeline.report.duplicates import Duplicates, duplicates
from opentr_pipeline.report.speakers import SpeakerTotals, who_speaks
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.settings.environment import archive_on_host
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.speakers.people_store import PeopleStore
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.layout import file_state, of_one_generation
from opentr_pipeline.transcripts.published import store_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import GenerationRows
from opentr_pipeline.transcripts.transcript import HEARD
from opentr_pipeline.wording import readable

MAX_FAILED_SHOWN = 10


@dataclass(frozen=True)
class FolderTotals:
    """The recordings below one folder of the archive's root.

    Attributes:
        name: ``.`` for those that are in none.
        word_errors: None without references.
    """

    name: str
    tally: Tally
    word_errors: WordErrors | None


@dataclass(frozen=True)
class ReportFacts:
    """All that the report says.

    Attributes:
        archive: its path, as people know it.
        is_archive_there: else nobody could look for references in it.
        made_at: ISO 8601, local time.
        transcribed_from: when the oldest transcript was finished, likewise; None without any.
        heard_share: of the seconds of audio, what is transcribed.
        speech_share: of what is transcribed, what is speech; None where nothing is.
        models: seconds of audio by model.
        by_language: most first, as are ``by_status`` and ``folders``.
        speakers: who speaks how much; nobody where speakers are not told apart.
        by_confidence_s: seconds of words by the model's probability, in equal bins.
        days: on which something was transcribed.
        word_errors: of all references that were compared; None without any.
        reference_problems: sentences by path, of those that were not.
        unreadable: a sentence for each partition whose tables cannot be read; it is left out.
    """

    archive: str
    is_archive_there: bool
    made_at: str
    transcribed_from: str | None
    transcribed_until: str | None
    total: Tally
    heard_share: float | None
    speech_share: float | None
    speed_x: float | None
    models: dict[str, float]
    by_language: dict[str, Tally]
    by_status: dict[str, Tally]
    folders: list[FolderTotals]
    speakers: Sequence[SpeakerTotals]
    mean_confidence: float | None
    by_confidence_s: list[float]
    doubtful: list[DoubtfulRecording]
    failures: list[ErrorClass]
    duplicates: Duplicates
    days: list[Period]
    word_errors: WordErrors | None
    reference_problems: dict[str, str]
    unreadable: dict[str, str]

    @property
    def num_unheard(self) -> int:
        """Recordings that were tried and of which nothing can be heard."""
        return sum(
            tally.num_recordings
            for status, tally in self.by_status.items()
            if status != MISSING and status not in HEARD
        )

    @property
    def numbers(self) -> dict[str, int | float]:
        """Those to plot over time; what was not measured is left out: a zero would plot as well."""
        measured = {
            "mean_confidence": self.mean_confidence,
            "heard_share": self.heard_share,
            "speech_share": self.speech_share,
            "speed_x": self.speed_x,
            "word_error_rate": self.word_errors.rate if self.word_errors else None,
        }
        failed = (one.num_recordings for one in self.failures if one.status == "failed")
        return {
            "num_recordings": self.total.num_recordings,
            "audio_h": round(self.total.audio_s / 3600, 5),
            "heard_h": round(self.total.heard_s / 3600, 5),
            "num_failed": sum(failed),
            "num_duplicates": self.duplicates.num_files,
            **{name: round(value, 5) for name, value in measured.items() if value is not None},
        }


def report_facts(workspace: Workspace, partitioning: Partitioning) -> ReportFacts:
    """The facts of an archive, by what is published; needs no model, and reads what has changed.

    Args:
        workspace: of the archive.
        partitioning: of its references.

    Raises:
        StoreError: nothing of the archive is transcribed.
    """
    store = store_of(workspace)
    # Makes the sums of what is new, with the same rows.
    checked = archive_facts(workspace, partitioning, [])
    sums, unreadable = _all_sums(store)
    if not (sums.by_status.keys() - {MISSING} or unreadable):
        raise nothing_transcribed(workspace.archive)
    outcomes = pace.each_once(map(_finished, sums.outcomes))
    now = datetime.now().astimezone()
    total = Tally()
    for tally in sums.by_status.values():
        total.add(tally)
    times = [one.at.astimezone(now.tzinfo).isoformat(timespec="seconds") for one in outcomes]
    return ReportFacts(
        archive=readable(str(archive_on_host(workspace.archive))),
        is_archive_there=_is_there(workspace.archive),
        made_at=now.isoformat(timespec="seconds"),
        transcribed_from=times[0] if times else None,
        transcribed_until=times[-1] if times else None,
        total=total,
        heard_share=_share(total.heard_s, total.audio_s),
        speech_share=_share(total.speech_s, total.heard_s),
        speed_x=pace.pace(outcomes).speed_x,
        models={name: tally.audio_s for name, tally in _ranked(sums.by_model).items()},
        by_language=_ranked(sums.by_language),
        by_status=_ranked(sums.by_status),
        folders=_folders(sums, checked),
        speakers=who_speaks(sums.by_person, PeopleStore(store).load()),
        mean_confidence=sums.mean_confidence,
        by_confidence_s=sums.by_confidence_s,
        doubtful=sums.doubtful,
        failures=published_errors(
            [*sums.troubled, *_kept_failures(checked, store)], MAX_FAILED_SHOWN
        ),
        duplicates=duplicates(sums.files),
        days=pace.days_of_work(outcomes),
        word_errors=word_errors(pair for pairs in _counted(checked).values() for pair in pairs),
        reference_problems=_reference_problems(checked),
        unreadable={**checked.unreadable, **unreadable},
    )


def _all_sums(store: TranscriptStore) -> tuple[Sums, dict[str, str]]:
    """The sums of all partitions, and a sentence for each that cannot be read.

    A recording counts once, whatever partitions it has been in.
    """
    sums, unreadable = _added(store, {})
    left = left_partitions(sums.places)
    return _added(store, left) if left else (sums, unreadable)


def _added(store: TranscriptStore, left: Mapping[str, Set[str]]) -> tuple[Sums, dict[str, str]]:
    sums, unreadable = Sums(), {}
    for key in sorted(store.partition_keys() | store.partition_keys("recordings")):
        try:
            one = _sums_of(store, key, left.get(key, frozenset()))
        except StoreError as error:
            unreadable[key] = str(error)
        else:
            sums.add(one)
    return sums, unreadable


def _sums_of(store: TranscriptStore, key: str, left: Set[str]) -> Sums:
    # Asked before anything is read: what is published meanwhile is read again the next time.
    published, rows = store.state(key), store.path("recordings", key)

    def made() -> Sums:
        if not published:
            return partition_sums(store, key, None, left)
        return of_one_generation(
            store, key, lambda one: partition_sums(store, key, GenerationRows(one), left)
        )

    state = published or (file_state(rows) if rows.exists() else "")
    memory = FactMemory.of(store, key)
    sums = recall_sums(memory, state, made, left)
    memory.keep()
    return sums


def _kept_failures(checked: ArchiveFacts, store: TranscriptStore) -> Iterator[dict[str, Any]]:
    """Failures that are published nowhere: a transcript of earlier bytes stays in their place."""
    kept = Checkpoints(store.inner, store.database)
    changed = {media for one in checked.partitions for _, media in one.archive_rows.changed}
    failed = {one.media_fingerprint: one for one in kept.failed(changed)}
    for partition in checked.partitions:
        for path, media_fingerprint in partition.archive_rows.changed:
            if one := failed.get(media_fingerprint):
                yield {
                    "path": path,
                    "partition_key": partition.partition_key,
                    "status": one.status,
                    "reason": one.reason,
                    "flags": (),
                    "num_attempts": one.num_attempts,
                }


def _finished(outcome: tuple[str, float, float, float]) -> tuple[str, Finished]:
    media_fingerprint, at, audio_s, wall_s = outcome
    return media_fingerprint, Finished(datetime.fromtimestamp(at, UTC), audio_s, wall_s)


def _is_there(archive: Place) -> bool:
    """Whether something is in it: an empty folder is one where a disk is not mounted."""
    try:
        return next(iter(storage_of(archive).list("")), None) is not None
    except OSError:
        return False


def _share(part_s: float, whole_s: float) -> float | None:
    return part_s / whole_s if whole_s else None


def _ranked(tallies: dict[str, Tally]) -> dict[str, Tally]:
    """Most audio first."""
    order = sorted(tallies, key=lambda kind: (-tallies[kind].audio_s, kind))
    return {kind: tallies[kind] for kind in order}


def _folders(sums: Sums, checked: ArchiveFacts) -> list[FolderTotals]:
    counted = _counted(checked)
    return [
        FolderTotals(_called(name), tally, word_errors(counted.get(name, ())))
        for name, tally in _ranked(sums.by_folder).items()
    ]


def _called(folder: str) -> str:
    """Recordings in no folder have one name everywhere, that of their partition."""
    return {TOP: ROOT_KEY, ROOT_KEY: quote(ROOT_KEY)}.get(folder, folder)


def _counted(checked: ArchiveFacts) -> dict[str, list[tuple[int, int]]]:
    """Words and errors of each recording with a reference, by folder."""
    counted: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for partition in checked.partitions:
        for one in partition.references:
            if not one.problem:
                counted[folder_of(one.path)].append((one.num_words, one.num_errors))
    return counted


def _reference_problems(checked: ArchiveFacts) -> dict[str, str]:
    return {
        one.path: one.problem
        for partition in checked.partitions
        for one in partition.references
        if one.problem
    }
