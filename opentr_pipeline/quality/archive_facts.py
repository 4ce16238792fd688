"""Facts about all published partitions, for the checks: computed once, then remembered.

A check speaks about the whole archive, since Dagster shows one outcome for all partitions and a
good run must not hide a bad partition. So that this stays cheap, the facts of a partition are kept
in ``.store/facts/KEY.json``, each part with the state of what it was computed from; removing the
folder costs only time.
"""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from opentr_pipeline.archive.beside import TextBeside
from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.archive.references import (
    comparable_words,
    find_references,
    num_errors,
    read_reference,
)
from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.errors import ReferenceTextError, StoreError
from opentr_pipeline.quality.checked import checked_errors
from opentr_pipeline.quality.fact_memory import FactMemory
from opentr_pipeline.quality.partition_facts import (
    ArchiveRowsFacts,
    PublishedFacts,
    SpeedFacts,
    Trouble,
    archive_rows_facts,
    published_facts,
)
from opentr_pipeline.quality.partition_totals import partition_sums, recall_sums
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.layout import Generation, file_state, of_one_generation
from opentr_pipeline.transcripts.published import store_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import GenerationRows, read_columns
from opentr_pipeline.transcripts.transcript import HEARD_WHOLE


@dataclass(frozen=True)
class ReferenceFacts:
    """A reference, or what of a recording somebody has checked, and what became of it.

    Attributes:
        path: of the recording where there is one, else of the reference.
        problem: a sentence where it was not compared.
    """

    path: str
    num_words: int = 0
    num_errors: int = 0
    problem: str = ""


@dataclass(frozen=True)
class PartitionFacts:
    """All facts about a partition."""

    partition_key: str
    published: PublishedFacts
    archive_rows: ArchiveRowsFacts
    references: list[ReferenceFacts] = field(default_factory=list)


@dataclass(frozen=True)
class ArchiveFacts:
    """What the checks judge.

    Attributes:
        partitions: those with published transcripts.
        unreadable: a sentence for each published partition whose tables cannot be read.
        num_unpublished: partitions without transcripts.
        failures: media fingerprints of failures that are kept beside older transcripts.
        num_lone_references: references in partitions without transcripts.
    """

    partitions: list[PartitionFacts]
    unreadable: dict[str, str] = field(default_factory=dict)
    num_unpublished: int = 0
    failures: frozenset[str] = frozenset()
    num_lone_references: int = 0


def archive_facts(
    workspace: Workspace, partitioning: Partitioning, partition_keys: Iterable[str]
) -> ArchiveFacts:
    """The facts of every published partition, read from the tables only where something changed.

    Args:
        workspace: of the archive.
        partitioning: of its references.
        partition_keys: those that Dagster knows, published or not.
    """
    store = store_of(workspace)
    failed = Checkpoints(store.inner, store.database).listed("failed")
    references = find_references(workspace.archive, partitioning)
    # Not those whose generations were removed by hand, and whose links lead nowhere.
    published = {key for key in store.partition_keys() if store.state(key)}
    scanned = store.partition_keys("recordings")
    partitions, unreadable = [], {}
    for key in sorted(published):
        try:
            partitions.append(
                _partition_facts(store, workspace.archive, key, references.get(key, []))
            )
        except StoreError as error:
            unreadable[key] = str(error)
    return ArchiveFacts(
        partitions,
        unreadable,
        len((scanned | set(partition_keys)) - published),
        frozenset(media_fingerprint for media_fingerprint, _ in failed),
        sum(len(references[key]) for key in references.keys() - published),
    )


def _partition_facts(
    store: TranscriptStore, archive: Place, key: str, references: Sequence[TextBeside]
) -> PartitionFacts:
    return of_one_generation(
        store, key, lambda generation: _facts_of(store, archive, key, generation, references)
    )


def _facts_of(
    store: TranscriptStore,
    archive: Place,
    key: str,
    generation: Generation,
    references: Sequence[TextBeside],
) -> PartitionFacts:
    rows = store.path("recordings", key)
    rows_state = file_state(rows) if rows.exists() else ""
    memory = FactMemory.of(store, key)
    read = GenerationRows(generation)

    def made() -> dict[str, Any]:
        # The report asks for these later, and would read all words a second time.
        recall_sums(
            memory, f"{generation.name} {rows_state}", partial(partition_sums, store, key, read)
        )
        return dataclasses.asdict(published_facts(read))

    published = memory.recall("published", [generation.name], made)
    archive_rows = memory.recall(
        "archive_rows",
        [generation.name, rows_state],
        lambda: dataclasses.asdict(archive_rows_facts(store, key, generation)),
    )
    compared: list[dict[str, Any]] = []
    if references:
        compared = memory.recall(
            "references",
            [generation.name, *map(repr, references)],
            lambda: list(map(dataclasses.asdict, compare(archive, generation, references))),
        )
    checked = memory.recall("checked", [generation.name], lambda: checked_errors(generation))
    by_files = {one["path"] for one in compared}
    by_people = [
        {"path": path, "num_words": num_words, "num_errors": errors}
        for path, num_words, errors in checked
        if path not in by_files
    ]
    memory.keep()
    return PartitionFacts(
        key,
        _published_from_dict(published),
        ArchiveRowsFacts(**{**archive_rows, "missing": Trouble(**archive_rows["missing"])}),
        [ReferenceFacts(**one) for one in (*compared, *by_people)],
    )


def _published_from_dict(facts: dict[str, Any]) -> PublishedFacts:
    troubles = {name: Trouble(**facts[name]) for name in ("lost", "misplaced")}
    speeds = [SpeedFacts(**one) for one in facts["speeds"]]
    return PublishedFacts(**{**facts, **troubles, "speeds": speeds})


def compare(
    archive: Place, generation: Generation, references: Sequence[TextBeside]
) -> list[ReferenceFacts]:
    """Hold the transcripts of a partition against their references."""
    names = "recording_id path status task text"
    rows = read_columns(generation, "transcripts", names).to_pylist()
    by_id = {row["recording_id"]: row for row in rows}
    return [_compared(archive, one, by_id.get(one.recording_id)) for one in references]


def _compared(archive: Place, reference: TextBeside, row: dict[str, Any] | None) -> ReferenceFacts:
    if row is None:
        name = os.fsencode(reference.path).decode(errors="backslashreplace")
        return ReferenceFacts(name, problem="The recording has no transcript yet.")
    if row["status"] not in HEARD_WHOLE:
        return ReferenceFacts(row["path"], problem=f"The recording is {row['status']}.")
    if row["task"] == "translate":
        return ReferenceFacts(row["path"], problem="The transcript is a translation.")
    try:
        words = read_reference(storage_of(archive), reference.path)
    except ReferenceTextError as error:
        return ReferenceFacts(row["path"], problem=str(error))
    said = comparable_words(row["text"] or "")
    return ReferenceFacts(row["path"], len(words), num_errors(words, said))
