"""The checks of ``transcripts``, judged for all partitions in one step."""

from collections.abc import Iterator

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    DagsterInstance,
    MetadataValue,
    TableRecord,
    multi_asset_check,
)

from opentr_pipeline.defs.failures import refused
from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.defs.metadata import Metadata
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import registered
from opentr_pipeline.errors import OpentrError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.quality.archive_facts import archive_facts
from opentr_pipeline.quality.checks import CHECKS, judge_all
from opentr_pipeline.quality.verdicts import Verdict
from opentr_pipeline.settings.environment import Settings


def transcripts_checks(settings: Settings, names: Names) -> AssetChecksDefinition:
    """All checks of an archive."""

    @multi_asset_check(
        name=names.name("judge_transcripts"),
        specs=[
            AssetCheckSpec(name, asset=names.key("transcripts"), description=check.meaning)
            for name, check in CHECKS.items()
        ],
        description="Judge what is published, in all partitions; a check that does not hold never "
        "fails the run. When it fails: archive or output cannot be read; the error says which.",
    )
    def judge_transcripts(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        die_with_the_run()
        for name, verdict in _verdicts(context.instance, Setup(settings), names).items():
            yield AssetCheckResult(
                asset_key=names.key("transcripts"),
                passed=verdict.passed,
                check_name=name,
                severity=AssetCheckSeverity[verdict.severity],
                description=verdict.sentence,
                metadata=_metadata(verdict),
            )

    return judge_transcripts


def log_verdicts(context: AssetExecutionContext, setup: Setup, names: Names) -> None:
    """Judge from within a step that is about to fail, after which Dagster would skip the checks."""
    for name, verdict in _verdicts(context.instance, setup, names).items():
        context.log_event(
            AssetCheckEvaluation(
                asset_key=names.key("transcripts"),
                check_name=name,
                passed=verdict.passed,
                severity=AssetCheckSeverity[verdict.severity],
                description=verdict.sentence,
                metadata=_metadata(verdict),
            )
        )


def _verdicts(instance: DagsterInstance, setup: Setup, names: Names) -> dict[str, Verdict]:
    try:
        keys = registered(instance, names)
        return judge_all(archive_facts(setup.workspace, setup.partitioning, keys))
    except OpentrError as error:
        raise refused(error) from None


def _metadata(verdict: Verdict) -> Metadata:
    facts: Metadata = dict(verdict.numbers)
    if verdict.rows:
        facts["worst"] = MetadataValue.table([TableRecord(row) for row in verdict.rows])
    return facts
