"""What is published of recordings, row by row: which transcript each has, and where."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from opentr_pipeline.transcripts.checkpoints import FailedAttempts
from opentr_pipeline.transcripts.table_files import read_table, tuples
from opentr_pipeline.transcripts.transcript import Content, Transcript


@dataclass(frozen=True)
class PublishedRow:
    """Where a published transcript is, and what it belongs to."""

    partition_key: str
    recording_id: str
    media_fingerprint: str
    settings_fingerprint: str
    status: str
    transcribed_at: datetime
    num_attempts: int
    speakers_fingerprint: str = ""
    speakers_reason: str = ""
    provided_fingerprint: str = ""
    corrections_fingerprint: str = ""

    @property
    def content(self) -> Content:
        """What it belongs to."""
        return self.media_fingerprint, self.settings_fingerprint

    @property
    def spoken_content(self) -> Content:
        """What its speakers belong to."""
        return self.media_fingerprint, self.speakers_fingerprint


_NAMES = list(PublishedRow.__dataclass_fields__)


class StoreIndex:
    """What is published in some partitions.

    Attributes:
        by_recording: by partition key and recording id; a recording whose partition changed with
            its modified time has a row in both.
        by_content: final outcomes.
        failures: attempts at contents that failed and are not published, because a transcript for
            earlier bytes or options stays in their place.
    """

    def __init__(
        self, rows: Iterable[PublishedRow], failures: FailedAttempts | None = None
    ) -> None:
        """Sort the rows; a content counts where its outcome is final."""
        self.failures = failures or FailedAttempts()
        self.by_recording: dict[tuple[str, str], PublishedRow] = {}
        self.by_content: dict[Content, PublishedRow] = {}
        for row in rows:
            self.by_recording[row.partition_key, row.recording_id] = row
            if row.status != "failed":
                self.by_content[row.content] = row

    def update(self, other: "StoreIndex") -> None:
        """Take in what was published since."""
        self.by_recording.update(other.by_recording)
        self.by_content.update(other.by_content)
        self.failures = other.failures


def rows_in(path: Path, column: str, values: Set[str] | None) -> Iterator[PublishedRow]:
    """The rows of a file of ``transcripts`` that have one of some values in a column; None: all."""
    facts = read_table(path, "transcripts", _NAMES)
    if values is not None:
        wanted = pa.array(sorted(values), pa.string())
        facts = facts.filter(pc.is_in(facts[column], value_set=wanted))
    return _rows_of(facts)


def holds(transcripts: pa.Table, row: PublishedRow) -> bool:
    """Whether a row is still in ``transcripts`` as it was."""
    mine = transcripts.filter(pc.equal(transcripts["recording_id"], row.recording_id))
    return row in _rows_of(mine)


def _rows_of(transcripts: pa.Table) -> Iterator[PublishedRow]:
    return starmap(PublishedRow, tuples(transcripts.select(_NAMES)))


def replaces(outcome: Transcript | PublishedRow, row: PublishedRow | None) -> bool:
    """Whether an outcome is news to what is published, and no failure in a transcript's place."""
    if row is None:
        return True
    if outcome.status == "failed" and row.status != "failed":
        return False
    return not is_published_as(row, outcome)


def is_published_as(row: PublishedRow, outcome: Transcript | PublishedRow) -> bool:
    """Whether a row holds this very outcome, for whatever path."""
    same_time = row.transcribed_at == _time(outcome.transcribed_at)
    return row.content == outcome.content and same_time


def _time(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
