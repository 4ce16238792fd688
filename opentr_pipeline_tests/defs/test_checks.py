"""The checks as Dagster meets them: in which runs they are, and what it is told."""

from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterEventType, DagsterInstance, graph_asset, materialize, op

from opentr_pipeline.definitions import defs
from opentr_pipeline.defs.archive_assets import publish_op
from opentr_pipeline.defs.build import build_defs
from opentr_pipeline.defs.checks import transcripts_checks
from opentr_pipeline.defs.handed_on import HANDED_ON, handed_on
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.plan import Plan, Taking, plans_of
from opentr_pipeline.quality.checks import CHECKS
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.table_files import write_table
from opentr_pipeline_tests.making import OPTIONS, recording, settings_of, transcript


def _checks_of(job: str) -> set[str]:
    return {key.name for key in defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys}


def test_what_transcribes_checks_as_well_and_the_checks_run_alone() -> None:
    assert _checks_of("transcribe_archive") == set(CHECKS)
    assert _checks_of("__ASSET_JOB") == set(CHECKS)
    alone = defs.resolve_job_def("check_transcripts")
    assert [node.name for node in alone.graph.node_defs] == ["judge_transcripts"]
    assert _checks_of("check_transcripts") == set(CHECKS)


def test_everything_on_the_page_says_what_it_is() -> None:
    job = defs.resolve_job_def("transcribe_archive")
    described: dict[str, str | None] = {
        job.name: job.description,
        "transcription": job.resource_defs["transcription"].description,
        **{node.name: node.description for node in job.all_node_defs},
    }
    for key in job.asset_layer.asset_graph.asset_check_keys:
        described[key.name] = job.asset_layer.asset_graph.get_check_spec(key).description
    assert len(described) == 8 + len(CHECKS)
    assert [name for name, said in described.items() if not said] == []
    for asset in ("recordings", "transcripts"):
        said = str(described[asset])
        assert all(part in said for part in ("one row is", "*Refreshed*", "*When it fails*"))


@pytest.mark.slow
def test_the_checks_run_alone(tmp_path: Path) -> None:
    """On an archive in which a recording has lost its segments."""
    made = build_defs(tmp_path / "archive", output_dir=tmp_path / "output")
    store = TranscriptStore(tmp_path / "output")
    store.publish("key", [Entry("id", "x.wav", transcript())])
    segments = store.path("segments", "key").resolve()
    write_table(segments, store.read_partition("segments", "key").slice(1))
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        result = made.resolve_job_def("check_transcripts").execute_in_process(instance=instance)
    assert result.success
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert set(found) == set(CHECKS)
    lost = found["every_recording_is_accounted_for"]
    assert (lost.passed, lost.severity.value) == (False, "ERROR")
    assert [record.data for record in lost.metadata["worst"].value.records] == [
        {"partition": "key", "recording": "x.wav", "what": "0 rows in segments, not 1"}
    ]
    assert found["word_error_rate_is_low"].passed


@pytest.mark.slow
def test_the_checks_are_judged_where_the_run_leaves_recordings_to_another(
    tmp_path: Path,
) -> None:
    """Their own step is skipped: it needs the output, which would mark all partitions as done."""
    settings = settings_of(OUTPUT_DIR=tmp_path / "output")
    publish_transcripts = publish_op(settings, Names())
    judge_transcripts = transcripts_checks(settings, Names())
    store = TranscriptStore(tmp_path / "output")
    waiting = {"key": [recording("new.wav")]}
    plan = Plan(
        ArchiveOptions(OPTIONS), waiting, {}, [], Taking("failed"), fingerprints={"key": []}
    )
    plan.save(plans_of(store), "run")

    @op
    def plan_name() -> str:
        return "run"

    @op
    def no_shards() -> list[dict[str, Any]]:
        return []

    @graph_asset(partitions_def=Names().partitions)
    def transcripts() -> Any:
        return publish_transcripts(plan_name(), no_shards())

    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        register_partitions(instance, ["key"], Names())
        result = materialize(
            [transcripts, judge_transcripts],
            partition_key="key",
            instance=instance,
            resources={HANDED_ON: handed_on(settings)},
        )
    judged_by = [
        (event.step_key, event.event_specific_data.check_name)  # type: ignore[union-attr]
        for event in result.all_events
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert result.success
    assert judged_by == [("transcripts.publish_transcripts", name) for name in CHECKS]
