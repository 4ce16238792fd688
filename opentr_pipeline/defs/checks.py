"""The checks of ``transcripts``, judged for all partitions in one step."""

from collections.abc import Iterator

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    DagsterInstance,
    Failure,
    MetadataValue,
    TableRecord,
    multi_asset_check,
)

from opentr_pipeline.defs.gpu_slots import die_with_the_run
from opentr_pipeline.defs.metadata import Metadata
from opentr_pipeline.defs.partitions import archive_partitions
from opentr_pipeline.errors import OpentrError
from opentr_pipeline.quality.archive_facts import archive_facts
from opentr_pipeline.quality.checks import CHECKS, judge_all
from opentr_pipeline.quality.verdicts import Verdict
from opentr_pipeline.settings.environment import load_settings

TRANSCRIPTS = AssetKey("transcripts")


@multi_asset_check(
    specs=[
        AssetCheckSpec(name, asset=TRANSCRIPTS, description=check.meaning)
        for name, check in CHECKS.items()
    ],
    description="Judge what is published, in all partitions; a check that does not hold never "
    "fails the run. When it fails: archive or output cannot be read; the error says which.",
)
def judge_transcripts(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """Judge what is published, in all partitions."""
    die_with_the_run()
    for name, verdict in _verdicts(context.instance).items():
        yield AssetCheckResult(
            passed=verdict.passed,
            check_name=name,
            severity=AssetCheckSeverity[verdict.severity],
            description=verdict.sentence,
            metadata=_metadata(verdict),
        )


def log_verdicts(context: AssetExecutionContext) -> None:
    """Judge from within a step that is about to fail, after which Dagster would skip the checks."""
    for name, verdict in _verdicts(context.instance).items():
        context.log_event(
            AssetCheckEvaluation(
                asset_key=TRANSCRIPTS,
                check_name=name,
                passed=verdict.passed,
                severity=AssetCheckSeverity[verdict.severity],
                description=verdict.sentence,
                metadata=_metadata(verdict),
            )
        )


def _verdicts(instance: DagsterInstance) -> dict[str, Verdict]:
    keys = instance.get_dynamic_partitions(str(archive_partitions.name))
    try:
        return judge_all(archive_facts(load_settings(), keys))
    except OpentrError as error:
        raise Failure(description=str(error), allow_retries=False) from None


def _metadata(verdict: Verdict) -> Metadata:
    facts: Metadata = dict(verdict.numbers)
    if verdict.rows:
        facts["worst"] = MetadataValue.table([TableRecord(row) for row in verdict.rows])
    return facts
