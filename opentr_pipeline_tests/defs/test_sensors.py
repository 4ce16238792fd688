"""The sensor ``uploads`` as Dagster evaluates it, and with the real daemon."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    SensorResult,
    build_sensor_context,
    job,
)

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.defs.gpu_slots import rank_of
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.sensors import uploads_sensor
from opentr_pipeline.errors import ArchiveError, ModelError
from opentr_pipeline.planning import uploads
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.uploads import Uploads
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.making import settings_of, wav
from opentr_pipeline_tests.page_api import free_port
from opentr_pipeline_tests.runs import SAMPLES, SPEECH, is_any_run_under_way, leases, process_of

# Long enough that files written one after the other are seen by the same tick.
SETTLE_S = 1


class Eye:
    """The sensor's ticks, one after another, as the daemon has them."""

    def __init__(self, folder: Path, instance: DagsterInstance, models_root: Path) -> None:
        (folder / "archive").mkdir()
        self.settings: Settings = settings_of(
            ARCHIVE_DIR=folder / "archive",
            OUTPUT_DIR=folder / "output",
            OPENTR_HOME=folder / "state",
            WORKER_SLOTS_DIR=folder / "slots",
            MODELS_DIR=models_root,
            GPU_DEVICE_ID="cpu",
            UPLOAD_SETTLE_S=SETTLE_S,
        )
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> SensorResult:
        with build_sensor_context(self.instance, cursor=self.cursor) as context:
            result = uploads_sensor(self.settings, Names())(context)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        return result

    def asked(self) -> SensorResult:
        """The first tick that asks for runs; all that is there has settled by then."""
        found = [self.tick()]

        def asks() -> bool:
            time.sleep(1.2 * SETTLE_S)
            found.append(self.tick())
            return bool(found[-1].run_requests)

        wait_for(asks, 60)
        return found[-1]


@pytest.fixture
def eye(tmp_path: Path, models_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Eye]:
    monkeypatch.setattr(
        uploads, "WATCH_S", 0.0
    )  # else ticks would wait for what is about to settle
    (tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Eye(tmp_path, instance, models_root)


def test_an_empty_tick_says_so_in_a_sentence(eye: Eye) -> None:
    result = eye.tick()
    assert result.skip_reason
    assert result.skip_reason.skip_message == (
        "Nothing new: there are no media. 0 of 1 worker slots in use."
    )
    assert not result.run_requests
    assert result.cursor
    assert len(result.cursor) < 100


def test_the_sensor_runs_by_default_and_often_enough(eye: Eye) -> None:
    found = uploads_sensor(eye.settings, Names())
    assert found.default_status == DefaultSensorStatus.RUNNING
    assert found.minimum_interval_seconds == 1
    assert uploads_sensor(settings_of(), Names()).minimum_interval_seconds == 30


@pytest.mark.slow
def test_a_tick_asks_for_a_run_that_takes_the_upload_alone(eye: Eye) -> None:
    eye.tick()
    wav(eye.settings.workspace.archive / "new" / "a.wav")
    wav(eye.settings.workspace.archive / "b.wav", pitch_hz=300)
    (request,) = eye.asked().run_requests or []
    assert request.tags[".dagster/opentr_uploads"] == "new"
    assert request.tags["dagster/asset_partition_range_start"] == "@root"
    assert request.tags["dagster/asset_partition_range_end"] == "new"
    assert rank_of(request.tags) == "uploads"
    assert eye.instance.get_dynamic_partitions("archive") == ["@root", "new"]
    config = request.run_config["ops"]["transcripts"]["ops"]["plan_shards"]["config"]
    found = scan(eye.settings.workspace.archive).media_files
    assert sorted(config["recordings"]) == sorted(one.recording_id for one in found)

    # Nobody asks again as long as the run waits or works, but when it is over and nothing is done.
    # The daemon says which sensor asked for a run.
    tags = {**request.tags, "dagster/sensor_name": "uploads"}
    run = eye.instance.create_run_for_job(pretended, tags=tags)
    eye.instance.report_run_canceling(run)
    time.sleep(1.5)
    said = eye.tick().skip_reason
    assert said
    assert said.skip_message == "Nothing new: 2 in runs. 0 of 1 worker slots in use."
    eye.instance.report_run_canceled(run)
    (again,) = eye.asked().run_requests or []
    assert again.run_key != request.run_key


@job
def pretended() -> None:
    """Stands for the main job."""


def test_stock_has_the_rank_of_backfills(eye: Eye) -> None:
    wav(eye.settings.workspace.archive / "a.wav")
    (request,) = eye.asked().run_requests or []
    assert request.tags[".dagster/opentr_uploads"] == "stock"
    assert request.tags["dagster/partition"] == "@root"
    assert rank_of(request.tags) == "backfills"


@pytest.mark.slow
def test_a_reset_cursor_makes_the_tick_look_afresh(eye: Eye) -> None:
    wav(eye.settings.workspace.archive / "a.wav")
    (first,) = eye.asked().run_requests or []
    kept, eye.cursor = eye.cursor, None
    said = eye.tick().skip_reason
    assert said
    assert said.skip_message == "Nothing new: 1 settling. 0 of 1 worker slots in use."
    assert kept
    (second,) = eye.asked().run_requests or []
    assert first.run_key != second.run_key


def test_a_tick_that_cannot_work_says_why_and_forgets_nothing(
    eye: Eye, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav(eye.settings.workspace.archive / "a.wav")
    eye.tick()
    ledger = Uploads(Setup(eye.settings), None).ledger.path  # type: ignore[arg-type]
    before = ledger.read_bytes()
    eye.settings.workspace.archive.rename(tmp_path / "away")
    with pytest.raises(ArchiveError, match="set ARCHIVE_DIR"):
        eye.tick()
    (tmp_path / "away").rename(eye.settings.workspace.archive)
    usual, eye.settings = eye.settings, eye.settings.model_copy(update={"whisper_model": "tiny"})
    with pytest.raises(ModelError, match="models fetch tiny"):
        eye.tick()
    assert ledger.read_bytes() == before
    eye.settings = usual
    assert eye.asked().run_requests


def copied_slowly(source: Path, target: Path, seconds: float) -> None:
    content = source.read_bytes()
    step = len(content) // 20 + 1
    for start in range(0, len(content), step):
        with target.open("ab") as stream:  # closed between two parts: nobody has it open
            stream.write(content[start : start + step])
        time.sleep(seconds / 20)


def copy_in(one: Project, sample: str, folder: str) -> None:
    target = one.archive / folder / Path(sample).name
    target.parent.mkdir(exist_ok=True)
    shutil.copy2(SAMPLES / sample, target)  # keeps the time of the original


@pytest.fixture
def watched(project: Callable[..., Project], tmp_path: Path) -> Iterator[Project]:
    """An empty archive with its services; uploads settle in four seconds."""
    (tmp_path / "archive").mkdir()
    variables = {"UPLOAD_SETTLE_S": "4", "SHARD_AUDIO_S": "10", "GPU_DEVICE_ID": "cpu"}
    one = project(tmp_path / "archive", DAGSTER_PORT=free_port(), **variables)
    one.serve()
    yield one
    DevServices.of(one.settings).stop()


@pytest.mark.slow
def test_uploads_are_transcribed_once_though_the_daemon_is_killed(watched: Project) -> None:
    copy_in(watched, SPEECH[0], "quick")
    slow = watched.archive / "slow" / Path(SPEECH[1]).name
    slow.parent.mkdir()
    copied_slowly(SAMPLES / SPEECH[1], slow, 5.0)
    wait_for(watched.transcripts)
    copy_in(watched, SPEECH[2], "quick")
    daemon = process_of("dagster._daemon", str(watched.settings.workspace.dagster_home))
    assert daemon
    os.kill(daemon, signal.SIGKILL)
    copy_in(watched, SPEECH[3], "late")
    wait_for(lambda: len(watched.transcripts()) == 4, timeout_s=240)
    wait_for(lambda: not is_any_run_under_way(watched.settings.workspace.dagster_home))
    rows = watched.transcripts().values()
    assert {(row["status"], row["num_attempts"]) for row in rows} == {("ok", 1)}
    held = leases(watched.settings.workspace.dagster_home)
    assert sum(lease.num_transcribed for lease in held) == 4
    assert sorted(str(row["path"]) for row in watched.rows("recordings")) == sorted(
        one.path for one in scan(watched.archive).media_files
    )
