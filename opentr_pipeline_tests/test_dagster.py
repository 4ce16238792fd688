"""What people do through Dagster: its command line, the page's API, the launchpad, the services."""

import json
import multiprocessing
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance

from opentr_pipeline.defs.gpu_slots import slots_executor
from opentr_pipeline.services import DevServices
from opentr_pipeline.settings import PROJECT_ROOT
from opentr_pipeline_tests import step_imports
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.runs import (
    SPEECH,
    holder_of,
    leases,
    make_archive,
    most_at_once,
    partition_statuses,
)

slow = pytest.mark.slow
MakeProject = Callable[..., Project]
FILES = {"a/1.wav": SPEECH[0], "b/2.opus": SPEECH[1], "c/3.flac": SPEECH[2]}


def _scaled(project: MakeProject, tmp_path: Path, **variables: str) -> Project:
    """Three partitions of one recording, two CPU slots."""
    return project(
        make_archive(tmp_path / "archive", FILES),
        GPU_SCALE_ENABLED="true",
        GPU_SCALE_DEVICE_ID="cpu",
        GPU_SCALE_WORKERS="2",
        SHARD_AUDIO_S="10",
        **variables,
    )


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (2, 2), (99, 2), (0, 1)])
def test_the_launchpad_lowers_the_tag_limit_and_never_raises_it(asked: int, given: int) -> None:
    result = slots_executor(2).apply_config_mapping({"config": {"worker_slots": asked}})
    limits = result.value["config"]
    assert limits["tag_concurrency_limits"] == [{"key": "gpu", "limit": given}]
    assert limits["max_concurrent"] > given


def test_the_slots_of_the_settings_are_the_default_limit() -> None:
    fields = slots_executor(7).config_schema.config_type.fields
    assert fields["worker_slots"].default_value == 7


def test_a_step_is_born_with_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text((PROJECT_ROOT / "dagster.yaml").read_text())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["opentr_pipeline.defs.preload"])
    queue = context.Queue()
    child = context.Process(target=step_imports.report, args=(queue,))
    child.start()
    num_imported, heavy = queue.get(timeout=60)
    child.join()
    assert heavy == []
    assert num_imported < 60


@slow
def test_the_dagster_command_line_materialises_partitions_and_ranges(
    project: MakeProject, tmp_path: Path
) -> None:
    one = _scaled(project, tmp_path)
    one.opentr("scan")
    materialize = ("dagster", "asset", "materialize", "--select")
    one.opentr(*materialize, "recordings", "--partition", "a")
    assert set(partition_statuses(one.settings.dagster_home, "recordings")) == {"a"}
    assert [row["path"] for row in one.rows("recordings")] == ["a/1.wav"]

    one.opentr(*materialize, "recordings,transcripts", "--partition-range", "a...b")
    assert set(one.transcripts()) == {"a/1.wav", "b/2.opus"}

    tags = json.dumps({"dagster/partition": "c"})
    one.opentr("dagster", "job", "execute", "-j", "transcribe_archive", "--tags", tags)
    assert set(one.transcripts()) == set(FILES.keys())
    for asset in ("recordings", "transcripts"):
        statuses = partition_statuses(one.settings.dagster_home, asset)
        assert statuses == dict.fromkeys("abc", "MATERIALIZED")

    _check_metadata(one)


def _check_metadata(one: Project) -> None:
    with DagsterInstance.from_config(str(one.settings.dagster_home)) as instance:
        facts = {
            asset: instance.get_latest_materialization_event(
                AssetKey(asset)
            ).asset_materialization.metadata  # type: ignore[union-attr]
            for asset in ("recordings", "transcripts")
        }
    values = {name: value.value for name, value in facts["transcripts"].items()}
    row = one.transcripts()["c/3.flac"]
    assert values["num_ok"] == 1
    assert values["num_failed"] == 0
    assert values["audio_s"] == pytest.approx(row["duration_s"])
    assert values["speed_x"] == pytest.approx(row["duration_s"] / row["wall_s"])  # type: ignore[operator]
    assert values["languages"] == {"en": 1}
    assert values["model"] == "base"
    assert values["settings_fingerprint"] == row["settings_fingerprint"]
    assert values["num_words"] == row["num_words"]
    assert values["paths"] == [
        str(one.store.path(table, "c")) for table in ("transcripts", "segments", "words")
    ]
    columns = [column.name for column in values["dagster/column_schema"].columns]
    assert "language_probability" in columns
    assert facts["recordings"]["num_recordings"].value == 1


@slow
def test_the_launchpad_changes_one_run_alone(project: MakeProject, tmp_path: Path) -> None:
    one = _scaled(project, tmp_path)
    one.opentr("scan")
    config = {
        "execution": {"config": {"worker_slots": 1}},
        "resources": {"transcription": {"config": {"whisper_language": "es"}}},
    }
    one.opentr(
        *("dagster", "asset", "materialize", "--select", "transcripts"),
        *("--partition-range", "a...c", "--config-json", json.dumps(config)),
    )
    held = leases(one.settings.dagster_home)
    assert len(held) == 3
    assert most_at_once(held) == 1
    assert {(r["language"], r["language_probability"]) for r in one.transcripts().values()} == {
        ("es", 1.0)
    }
    assert json.loads(one.opentr("status", "--json"))["num_stale"] == 3

    wrong = {"resources": {"transcription": {"config": {"whisper_language": "klingon"}}}}
    said = one.opentr(
        *("dagster", "asset", "materialize", "--select", "transcripts", "--partition", "a"),
        *("--config-json", json.dumps(wrong)),
        code=1,
    )
    assert "WHISPER_LANGUAGE must be" in said
    assert "klingon" in said


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def served(project: MakeProject, tmp_path: Path) -> Iterator[Project]:
    one = _scaled(project, tmp_path, DAGSTER_PORT=_free_port())
    yield one
    DevServices.of(one.settings).stop()


def _ask(one: Project, query: str, **variables: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{one.environ['DAGSTER_PORT']}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


LAUNCH = """
mutation ($key: String!) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "opentr_pipeline.definitions", repositoryName: "__repository__",
      jobName: "__ASSET_JOB", assetSelection: [{path: ["recordings"]}, {path: ["transcripts"]}]
    },
    executionMetadata: {tags: [{key: "dagster/partition", value: $key}]}
  }) { __typename ... on PythonError { message } }
}
"""
BACKFILL = """
mutation { launchPartitionBackfill(backfillParams: {
  partitionNames: ["b", "c"], assetSelection: [{path: ["recordings"]}, {path: ["transcripts"]}]
}) { __typename ... on PythonError { message } } }
"""


def num_successes(home: Path) -> int:
    with DagsterInstance.from_config(str(home)) as instance:
        return sum(run.is_success for run in instance.get_runs())


@slow
def test_the_services_and_what_is_launched_from_the_page(served: Project) -> None:
    started = served.opentr("start", "dev", "--gpu-scale", GPU_SCALE_ENABLED="false")
    address = f"http://127.0.0.1:{served.environ['DAGSTER_PORT']}"
    assert address in started
    assert "2 worker slots" in started
    assert address in served.opentr("status")
    assert "runs already" in served.opentr("start", "dev", code=2)

    assert _ask(served, LAUNCH, key="a")["launchRun"]["__typename"] == "LaunchRunSuccess"
    backfill = _ask(served, BACKFILL)["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill
    job = ("dagster", "job", "backfill", "-j", "transcribe_archive", "--noprompt")
    served.opentr(*job, "--partitions", "a")
    home = served.settings.dagster_home
    # One run for the page's partition, one for the backfill's range, one for the job's.
    wait_for(lambda: num_successes(home) == 3, timeout_s=240)
    assert partition_statuses(home, "transcripts") == dict.fromkeys("abc", "MATERIALIZED")
    assert {row["status"] for row in served.transcripts().values()} == {"ok"}
    with DagsterInstance.from_config(str(home)) as instance:
        assert len(instance.get_runs()) == 3

    assert "Stopped" in served.opentr("stop")
    assert "not started" in served.opentr("status")
    assert "Nothing was running" in served.opentr("stop")
    assert holder_of(home / "dev.lock") is None


@slow
def test_start_refuses_what_cannot_work(served: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(served.environ["DAGSTER_PORT"])))
        taken.listen()
        said = served.opentr("start", "dev", code=2)
    assert f"Port {served.environ['DAGSTER_PORT']} is taken" in said
    no_card = served.opentr("start", "dev", "--gpu-scale", code=2, GPU_SCALE_DEVICE_ID="0")
    assert "GPU_SCALE_DEVICE_ID=0, but" in no_card
    assert len(no_card.strip().splitlines()) == 1
    # Without the flag and the variable there is one slot.
    assert "0 of 1 in use" in served.opentr("status", GPU_SCALE_ENABLED="false")
