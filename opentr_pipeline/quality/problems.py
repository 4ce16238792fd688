"""What is not as it should be among the recordings of an archive, by status and kind."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.commands import command
from opentr_pipeline.planning.backlog import MAX_ATTEMPTS, RecordingWork
from opentr_pipeline.planning.speaker_work import SpeakerWork
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.schemas import TROUBLE_COLUMNS
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import REMEDIES
from opentr_pipeline.wording import readable


@dataclass(frozen=True)
class TroubledFile:
    """A recording that is not as it should be."""

    path: str
    partition_key: str
    num_attempts: int
    reason: str


@dataclass(frozen=True)
class ErrorClass:
    """Recordings with the same trouble.

    Attributes:
        status: of their transcripts, or ``without speakers``.
        kind: the reason, numbers left out, or the flags.
    """

    status: str
    kind: str
    remedy: str
    num_recordings: int
    files: list[TroubledFile]


def errors(
    all_work: Sequence[RecordingWork], store: TranscriptStore, max_files: int | None = None
) -> list[ErrorClass]:
    """What is not as it should be among the recordings of an archive, by status and kind.

    Args:
        all_work: of the archive; what has left it is not looked at.
        store: the tables.
        max_files: to name of each class; None for all.
    """
    table = store.read("transcripts", TROUBLE_COLUMNS)
    rows = {(row["partition_key"], row["recording_id"]): row for row in table.to_pylist()}
    troubles = []
    for one in all_work:
        row = rows.get((one.recording.partition_key, one.recording.recording_id))
        if one.state == "failed":
            troubles.append(_failed(one, row, Checkpoints(store.inner, store.database)))
        elif row and row["status"] in REMEDIES:
            troubles.append(_in_doubt(row))
    return _classes(troubles, max_files)


def published_errors(rows: Iterable[dict[str, Any]], max_files: int) -> list[ErrorClass]:
    """The same by the tables alone, without a model or the archive.

    Args:
        rows: ``TROUBLE_COLUMNS`` of transcripts with a status in ``REMEDIES``.
        max_files: to name of each class.
    """
    return _classes(map(_in_doubt, rows), max_files)


def speaker_errors(
    works: Iterable[SpeakerWork], store: TranscriptStore, max_files: int | None = None
) -> list[ErrorClass]:
    """Recordings whose speakers could not be told apart; their words are as they should be.

    Args:
        works: of the archive.
        store: the tables.
        max_files: to name of each class; None for all.
    """
    failed = [one.recording for one in works if one.state == "failed"]
    if not failed:
        return []
    columns = ["partition_key", "recording_id", "speakers_reason"]
    reasons = {
        (row["partition_key"], row["recording_id"]): row["speakers_reason"]
        for row in store.read("transcripts", columns).to_pylist()
    }
    remedy = f"mend what the reason says, then {command('retry-failed')}; the words are kept"
    troubles = []
    for one in failed:
        reason = reasons.get((one.partition_key, one.recording_id), "")
        file = TroubledFile(readable(one.media_file.path), one.partition_key, 1, reason)
        troubles.append((("without speakers", _kind(reason), remedy), file))
    return sorted(_grouped(troubles, max_files), key=lambda one: -one.num_recordings)


def _classes(
    troubles: Iterable[tuple[tuple[str, str, str], TroubledFile]], max_files: int | None
) -> list[ErrorClass]:
    order = list(REMEDIES)
    found = _grouped(troubles, max_files)
    return sorted(found, key=lambda one: (-order.index(one.status), -one.num_recordings))


def _grouped(
    troubles: Iterable[tuple[tuple[str, str, str], TroubledFile]], max_files: int | None
) -> list[ErrorClass]:
    groups: dict[tuple[str, str, str], list[TroubledFile]] = {}
    for name, file in troubles:
        groups.setdefault(name, []).append(file)
    return [
        ErrorClass(*name, len(files), sorted(files, key=lambda file: file.path)[:max_files])
        for name, files in groups.items()
    ]


def _failed(
    one: RecordingWork, row: dict[str, Any] | None, checkpoints: Checkpoints
) -> tuple[tuple[str, str, str], TroubledFile]:
    kept = checkpoints.load(one.content)
    reason = kept.reason if kept else row["reason"] if row else ""
    remedy = REMEDIES["failed"] if one.is_pending else remedy_when_given_up()
    recording = one.recording
    path = readable(recording.media_file.path)
    file = TroubledFile(path, recording.partition_key, one.num_attempts, reason)
    return ("failed", _kind(reason), remedy), file


def _in_doubt(row: dict[str, Any]) -> tuple[tuple[str, str, str], TroubledFile]:
    kind = ", ".join(row["flags"] or []) or _kind(row["reason"])
    file = TroubledFile(row["path"], row["partition_key"], row["num_attempts"], row["reason"])
    is_given_up = row["status"] == "failed" and row["num_attempts"] >= MAX_ATTEMPTS
    remedy = remedy_when_given_up() if is_given_up else REMEDIES[row["status"]]
    return (row["status"], kind, remedy), file


def remedy_when_given_up() -> str:
    """What to do where a recording failed as often as it is tried."""
    return f"mend what the reason says, then {command('retry-failed')}"


def _kind(reason: str) -> str:
    """A reason without what differs from file to file."""
    plural = re.sub(r"\b1 packet\b", "2 packets", reason)  # the same trouble
    return re.sub(r"\d+(\.\d+)?", "N", plural)
