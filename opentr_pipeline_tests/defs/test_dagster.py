"""What people do through Dagster: its command line, the page's API, the launchpad, the services."""

import json
import multiprocessing
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from opentr_pipeline.defs.gpu_slots import slots_executor
from opentr_pipeline.quality.checks import CHECKS
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests import step_imports
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.page_api import TICKS, backfill, free_port, launch
from opentr_pipeline_tests.runs import (
    SAMPLES,
    SPEECH,
    check_evaluations,
    holder_of,
    leases,
    make_archive,
    most_at_once,
    partition_statuses,
    transcribing_runs,
)

slow = pytest.mark.slow
MakeProject = Callable[..., Project]
# Of the 101 words of these three none was wrong on 2026-11-28; another kind of processor may take
# two for others.
MAX_WORD_ERROR_RATE = 0.025
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
    result = slots_executor(2, 1).apply_config_mapping({"config": {"worker_slots": asked}})
    limits = result.value["config"]
    on_cards, hearing = limits["tag_concurrency_limits"]
    assert on_cards == {"key": "gpu", "limit": given}
    assert hearing == {"key": "hearing", "limit": 1}
    assert limits["max_concurrent"] > given


def test_the_slots_of_the_settings_are_the_default_limit() -> None:
    fields = slots_executor(7, 1).config_schema.config_type.fields
    assert fields["worker_slots"].default_value == 7


@slow
def test_a_step_is_born_with_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text((PROJECT_ROOT / "dagster.yaml").read_text())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["opentr_pipeline.launching.preload"])
    queue = context.Queue()
    child = context.Process(target=step_imports.report, args=(queue,))
    child.start()
    num_imported, heavy, is_of_one_server = queue.get(timeout=60)
    child.join()
    assert heavy == []
    assert is_of_one_server
    assert num_imported < 60


@slow
def test_the_dagster_command_line_materialises_partitions_and_ranges(
    project: MakeProject, tmp_path: Path
) -> None:
    one = _scaled(project, tmp_path)
    for name, sample in FILES.items():
        said = SAMPLES / Path(sample).with_suffix(".reference.txt")
        shutil.copy(said, (one.archive / name).with_suffix(".reference.txt"))
    one.opentr("scan")
    home = one.settings.workspace.dagster_home
    materialize = ("dagster", "asset", "materialize", "--select")
    one.opentr(*materialize, "recordings", "--partition", "a")
    assert set(partition_statuses(one.settings.workspace.dagster_home, "recordings")) == {"a"}
    assert [row["path"] for row in one.rows("recordings")] == ["a/1.wav"]
    assert check_evaluations(home) == {}

    one.opentr(*materialize, "recordings,transcripts", "--partition-range", "a...b")
    assert set(one.transcripts()) == {"a/1.wav", "b/2.opus"}
    _check_checks(home, num_recordings=2, num_partitions_not_published=1)

    tags = json.dumps({"dagster/partition": "c"})
    one.opentr("dagster", "job", "execute", "-j", "transcribe_archive", "--tags", tags)
    assert set(one.transcripts()) == set(FILES.keys())
    _check_checks(home, num_recordings=3, num_partitions_not_published=0)
    for asset in ("recordings", "transcripts"):
        statuses = partition_statuses(one.settings.workspace.dagster_home, asset)
        assert statuses == dict.fromkeys("abc", "MATERIALIZED")

    _check_metadata(one)


def _check_checks(home: Path, **accounted: int) -> None:
    """All five hold; what they counted."""
    found = check_evaluations(home)
    assert {name for name, one in found.items() if one.passed} == set(CHECKS)
    severities = {name: one.severity.value for name, one in found.items()}
    assert severities["segments_are_ordered_and_inside_the_media"] == "ERROR"
    assert severities["word_error_rate_is_low"] == "WARN"
    numbers = {
        name: {key: value.value for key, value in one.metadata.items()}
        for name, one in found.items()
    }
    assert accounted.items() <= numbers["every_recording_is_accounted_for"].items()
    said = numbers["word_error_rate_is_low"]
    assert said["num_recordings"] == accounted["num_recordings"]
    assert said["word_error_rate"] < MAX_WORD_ERROR_RATE
    assert len(said["worst"].records) == accounted["num_recordings"]


def _check_metadata(one: Project) -> None:
    with DagsterInstance.from_config(str(one.settings.workspace.dagster_home)) as instance:
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
    assert values["audio_s"] == pytest.approx(row["duration_s"], abs=1e-3)
    assert values["speed_x"] == pytest.approx(row["duration_s"] / row["wall_s"], abs=0.01)  # type: ignore[operator]
    assert values["audio_h"] == values["audio_h_en"]
    assert values["audio_h"] == pytest.approx(row["duration_s"] / 3600, abs=1e-5)  # type: ignore[operator]
    assert 0.5 < values["mean_confidence"] < 1
    assert values["languages"] == {"en": 1}
    assert values["model"] == "base"
    assert values["settings_fingerprint"] == row["settings_fingerprint"]
    assert values["num_words"] == row["num_words"]
    assert values["paths"] == [
        str(one.store.path(table, "c")) for table in ("transcripts", "segments", "words")
    ]
    assert facts["recordings"]["num_recordings"].value == 1
    assert facts["recordings"]["audio_h"].value == pytest.approx(
        values["audio_h"], rel=0.05, abs=1e-4
    )


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
        *("--partition-range", "a...b", "--config-json", json.dumps(config)),
    )
    held = leases(one.settings.workspace.dagster_home)
    assert len(held) == 2
    assert most_at_once(held) == 1
    assert {(r["language"], r["language_probability"]) for r in one.transcripts().values()} == {
        ("es", 1.0)
    }
    assert json.loads(one.opentr("status", "--json"))["num_stale"] == 2

    wrong = {"resources": {"transcription": {"config": {"whisper_language": "klingon"}}}}
    said = one.opentr(
        *("dagster", "asset", "materialize", "--select", "transcripts", "--partition", "a"),
        *("--config-json", json.dumps(wrong)),
        code=1,
    )
    assert "WHISPER_LANGUAGE must be" in said
    assert "klingon" in said


@pytest.fixture
def served(project: MakeProject, tmp_path: Path) -> Iterator[Project]:
    one = _scaled(
        project,
        tmp_path,
        DAGSTER_PORT=free_port(),
        PYTHONPATH=TICKS,
        PROMETHEUS_FILE=str(tmp_path / "opentr.prom"),
    )
    yield one
    DevServices.of(one.settings).stop()


def _check_operators(served: Project) -> None:
    """What operators ask while the services run."""
    # The flag of the start holds for the commands after it.
    facts = json.loads(served.opentr("status", "--json", GPU_SCALE_ENABLED="false"))
    assert (facts["num_done"], facts["num_worker_slots"]) == (3, 2)
    assert facts["runs"] == []
    assert facts["page"].endswith(served.environ["DAGSTER_PORT"])
    assert facts["speed_x"] > 0
    assert json.loads(served.opentr("queue", "--json"))["runs"] == []
    assert served.opentr("errors", "--json").strip() == "[]"
    wait_for(DevServices.of(served.settings).answers)
    health = {
        check["name"]: check for check in json.loads(served.opentr("health", "--json"))["checks"]
    }
    assert {"daemon", "code location", "automation", "runs"} <= set(health)
    # The last lines may all be of one long message, which has no name before them.
    wait_for(lambda: "dagster.daemon" in served.opentr("logs", "dev"))
    lines = served.opentr("logs", "cpu.slot-0").splitlines()
    assert any("Worker slot cpu.slot-0 taken by run" in line for line in lines)
    assert any("Model base loaded in" in line for line in lines)
    assert any(": ok, " in line and line.endswith("x). ") for line in lines)
    assert any("cpu.slot-0 released: 1 ok; " in line for line in lines)
    assert served.opentr("logs", "worker-0").splitlines()[-1] == lines[-1]
    wait_for(lambda: 'state="done"} 3.0\n' in _figures(served), 120)
    # The page shows the same lines as the log of the step.
    logs = (served.settings.workspace.dagster_home / "storage").glob("*/compute_logs/*.err")
    said = [path.read_text() for path in logs]
    assert sum("Model base loaded in" in text for text in said) == 3
    assert max(text.count("Model base loaded in") for text in said) == 1


def _figures(served: Project) -> str:
    """What the services wrote for Prometheus."""
    file = Path(served.environ["PROMETHEUS_FILE"])
    return file.read_text() if file.exists() else ""


def _check_killed_services(served: Project) -> None:
    """Where the supervisor is killed, the rest is found and ended by who comes next."""
    services = DevServices.of(served.settings)

    def pid_of(name: str) -> int | None:
        return next((one.pid for one in services.processes() if name in one.command), None)

    leader = pid_of("opentr_pipeline.services.supervisor")
    assert leader
    os.kill(leader, signal.SIGKILL)
    wait_for(lambda: not services.is_running(), 10)
    said = served.opentr("health", code=1)
    assert "were killed and left" in said
    assert "The page is at" in served.opentr("reset", "dev", "--gpu-scale", "--yes")
    home = served.settings.workspace.dagster_home
    with DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs() == []
        assert set(instance.get_dynamic_partitions("archive")) == set("abc")
    assert len(served.transcripts()) == 3

    leader = pid_of("opentr_pipeline.services.supervisor")
    assert leader
    os.kill(leader, signal.SIGKILL)
    wait_for(lambda: not services.is_running(), 10)


@slow
def test_the_services_and_what_is_launched_from_the_page(served: Project) -> None:
    started = served.serve("--gpu-scale", GPU_SCALE_ENABLED="false")
    address = f"http://127.0.0.1:{served.environ['DAGSTER_PORT']}"
    assert address in started
    assert "2 worker slots" in started
    assert address in served.opentr("status")
    assert "runs already" in served.opentr("start", "dev", code=2)

    launch(served, dagster__partition="a")
    backfill(served, ["b", "c"])
    job = ("dagster", "job", "backfill", "-j", "transcribe_archive", "--noprompt")
    served.opentr(*job, "--partitions", "a")
    home = served.settings.workspace.dagster_home
    # One run for the page's partition, one for the backfill's range, one for the job's.
    wait_for(lambda: sum(run.is_success for run in transcribing_runs(home)) == 3, timeout_s=240)
    assert partition_statuses(home, "transcripts") == dict.fromkeys("abc", "MATERIALIZED")
    assert {row["status"] for row in served.transcripts().values()} == {"ok"}
    assert len(transcribing_runs(home)) == 3

    _check_operators(served)
    _check_killed_services(served)
    assert "Stopped" in served.opentr("stop")
    assert "not started" in served.opentr("status")
    assert "Nothing was running" in served.opentr("stop")
    assert holder_of(home / "dev.lock") is None
    assert DevServices.of(served.settings).processes() == []


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
