"""Uploads that are due -> few runs of bounded size; pure."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.archive.ledger import File
from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.planning.run_ranges import RunRange, grouped

MAX_RECORDINGS = 500


@dataclass(frozen=True)
class Due:
    """A file to be asked for.

    Attributes:
        file: as the ledger has it.
        media_file: the same for everybody else.
        partition_key: that it belongs to.
        audio_s: seconds of audio, an estimate.
    """

    file: File
    media_file: MediaFile
    partition_key: str
    audio_s: float


@dataclass(frozen=True)
class Request:
    """A run to be started.

    Attributes:
        key: names it; no other request has the same.
        run_range: the partitions that it covers.
        recording_ids: all that it is to transcribe.
        is_stock: these were in the archive before anybody looked for uploads.
    """

    key: str
    run_range: RunRange
    recording_ids: tuple[str, ...]
    is_stock: bool


def few_runs(due: Sequence[Due], order: Sequence[str], max_audio_s: float) -> Iterator[list[Due]]:
    """What to ask for together: of neighbouring partitions, at most ``MAX_RECORDINGS``.

    Args:
        due: any order.
        order: of all partition keys, as Dagster lists them.
        max_audio_s: in one run; a recording that is longer is a run of its own.
    """
    by_key: dict[str, list[Due]] = {}
    for one in due:
        by_key.setdefault(one.partition_key, []).append(one)
    audio_s = {key: sum(one.audio_s for one in group) for key, group in by_key.items()}
    for run_range in grouped(order, audio_s, max_audio_s):
        yield from _parts(
            [one for key in run_range.keys for one in by_key.get(key, ())], max_audio_s
        )


def _parts(due: Sequence[Due], max_audio_s: float) -> Iterator[list[Due]]:
    part: list[Due] = []
    sum_s = 0.0
    for one in due:
        if part and (len(part) == MAX_RECORDINGS or sum_s + one.audio_s > max_audio_s):
            yield part
            part, sum_s = [], 0.0
        part.append(one)
        sum_s += one.audio_s
    if part:
        yield part


def request_for(part: Sequence[Due], order: Sequence[str]) -> Request:
    """The run for some of what ``few_runs`` put together."""
    first, last = (order.index(one.partition_key) for one in (part[0], part[-1]))
    return Request(
        key=uuid.uuid4().hex,
        run_range=RunRange(tuple(order[first : last + 1])),
        recording_ids=tuple(one.media_file.recording_id for one in part),
        is_stock=part[0].file.is_stock,
    )
