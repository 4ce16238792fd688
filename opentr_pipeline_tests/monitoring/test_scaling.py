"""``opentr bench scaling``: what it shares out, measures and keeps."""

import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.cli import bench as cli_bench
from opentr_pipeline.cli import plan
from opentr_pipeline.devices.cards import CPU, worker_slots
from opentr_pipeline.devices.leases import lease, slots_in_use
from opentr_pipeline.devices.shared_folder import slots_folder
from opentr_pipeline.errors import ArchiveError, ServiceError
from opentr_pipeline.monitoring import scaling, scaling_chart
from opentr_pipeline.monitoring.scaling import Row, Scaling, Turns
from opentr_pipeline.monitoring.scaling_workers import Bench, Take, shared_out
from opentr_pipeline.recognition import budget, models
from opentr_pipeline.recognition.models import Model
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.making import OPTIONS, PROPERTY
from opentr_pipeline_tests.runs import SPEECH, make_archive

slow = pytest.mark.slow
LONG = Take(Path("long.mp3"), 3600.0)
MEASURED = Scaling(
    "2026-11-24T12:00:00+00:00",
    "CPU",
    "base",
    "int8",
    6,
    2,
    8,
    100.0,
    (Row(1, 10.0, 200.0, 900), Row(2, 8.0, 200.0, 1700), Row(4, failure="out of memory")),
)


@PROPERTY
@given(st.lists(st.floats(0.1, 5000.0), min_size=1, max_size=60), st.integers(1, 9))
def test_each_recording_is_shared_out_once_and_evenly(
    durations: list[float], num_workers: int
) -> None:
    takes = [Take(Path(str(number)), duration) for number, duration in enumerate(durations)]
    shares = shared_out(takes, num_workers)
    assert len(shares) == num_workers
    assert sorted(take.path for share in shares for take in share) == sorted(
        take.path for take in takes
    )
    loads = [sum(take.duration_s for take in share) for share in shares]
    assert max(loads) - min(loads) <= max(durations) * (1 + 1e-9)


def test_of_long_recordings_the_beginnings_are_heard() -> None:
    takes = scaling._gathered(iter([LONG] * 9), 600.0, 4)
    assert [take.duration_s for take in takes] == [150.0] * 4
    assert [take.duration_s for take in scaling._gathered(iter([LONG] * 9), 1.0, 3)] == [30.0] * 3


def test_speed_up_is_a_ratio_of_speeds_and_never_the_number_of_workers() -> None:
    one, two, four = MEASURED.rows
    assert one.speed_x == 20.0
    assert MEASURED.speed_up(two) == 1.25
    assert MEASURED.efficiency(two) == 0.625
    assert MEASURED.speed_up(four) == 0.0


def test_a_measurement_is_kept_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "scaling.json"
    assert scaling.load(path) is None
    scaling.save(MEASURED, path)
    assert scaling.load(path) == MEASURED
    path.write_text('{"rows": []}')
    assert scaling.load(path) is None


def test_the_plan_shows_what_was_measured(project: Callable[..., Project], tmp_path: Path) -> None:
    folder = project(tmp_path).settings.workspace.benchmarks
    scaling.save(MEASURED, scaling.result_path(folder, CPU, "base"))
    work = budget.Workload("base", None, "int8", 5)
    room = budget.Room(None, None)
    for number, batch, lately_x, speed_x in (
        *((1, 6, 9.0, 20.0), (2, 6, None, 25.0)),
        *((2, 8, None, None), (1, 8, 9.0, 9.0), (4, 6, None, None)),
    ):
        row = budget.Budget(CPU, number, batch, None, room, 2)
        assert plan._speed_x(row, work, folder, lately_x) == speed_x
    other = dataclasses.replace(work, compute_type="float32")
    assert plan._speed_x(budget.Budget(CPU, 1, 6, None, room, 2), other, folder, 9.0) == 9.0


def test_what_failed_is_said_in_its_row() -> None:
    from rich.console import Console

    console = Console(width=120, record=True)
    console.print(cli_bench.of_scaling(MEASURED))
    lines = console.export_text().splitlines()
    assert lines[2].split() == ["2", "25.0x", "1.25", "62", "%", "0.00", "GB"]
    assert "out of memory" in lines[3]


def test_the_chart_is_a_picture(tmp_path: Path) -> None:
    scaling_chart.draw(MEASURED, tmp_path / "a" / "chart.png")
    assert (tmp_path / "a" / "chart.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("said", ["", "0", "1,65", "two", "1;2", "-1"])
def test_numbers_of_workers_that_make_no_sense(said: str) -> None:
    with pytest.raises(Exception, match="numbers from 1 to 64"):
        cli_bench._numbers(None, None, said)


def test_nothing_is_measured_while_somebody_transcribes(
    project: Callable[..., Project], tmp_path: Path
) -> None:
    settings = project(tmp_path).settings
    slots = worker_slots(settings, [])
    folder = slots_folder(settings.workspace.worker_slots)
    with (
        lease(slots, folder),
        pytest.raises(ServiceError, match=r"cpu\.slot-0 is in use"),
        cli_bench._held(slots, folder),
    ):
        pass
    with cli_bench._held(slots, folder):
        assert slots_in_use(slots, folder) == list(slots)


def test_an_archive_without_anything_to_hear(
    project: Callable[..., Project], tmp_path: Path
) -> None:
    bench = Bench(Model("base", tmp_path, ""), CPU, OPTIONS, 6)
    with pytest.raises(ArchiveError, match="nothing that can be heard"):
        scaling.measure(bench, project(tmp_path).settings.workspace.archive, Turns([1]), print)


@slow
def test_real_workers_are_measured_in_turns(
    project: Callable[..., Project],
    models_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scaling, "TRIAL_AUDIO_S", 5.0)
    monkeypatch.setattr(scaling, "TRIAL_S", 0.0)
    monkeypatch.setattr(scaling, "MIN_RECORDINGS_PER_WORKER", 1)
    archive = make_archive(tmp_path / "archive", {Path(name).name: name for name in SPEECH[:4]})
    (archive / "broken.mp3").write_bytes(b"no sound at all")
    bench = Bench(models.find("base", models_root), CPU, OPTIONS, 6)
    said: list[str] = []
    measured = scaling.measure(bench, archive, Turns([2], 0.5), said.append)
    assert [row.num_workers for row in measured.rows] == [1, 2]
    assert measured.num_recordings >= 2
    for row in measured.rows:
        assert not row.failure
        assert row.audio_s == pytest.approx(2 * measured.audio_s)
        assert row.wall_s > 0
        assert row.peak_memory_bytes > 100e6 * row.num_workers
    assert [line.split(":")[0] for line in said[1:]] == [
        *("1 worker", "2 workers", "2 workers", "1 worker"),
    ]


@slow
def test_a_worker_that_dies_is_a_row_and_not_a_wait(models_root: Path, tmp_path: Path) -> None:
    archive = make_archive(tmp_path, {"1.wav": SPEECH[0]})
    bench = Bench(models.find("base", models_root), CPU, OPTIONS, 6)
    takes = [Take(archive / "1.wav", 12.0)] * 40

    def kill_one() -> None:
        wait_for(lambda: len(multiprocessing.active_children()) == 2)
        victim = multiprocessing.active_children()[0].pid
        assert victim
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    row = scaling._turn(bench, takes, 2)
    killer.join()
    assert "exit code -9" in row.failure


@slow
def test_a_model_that_cannot_run_is_said_once(models_root: Path, tmp_path: Path) -> None:
    archive = make_archive(tmp_path, {"1.wav": SPEECH[0]})
    model = dataclasses.replace(models.find("base", models_root), folder=tmp_path)
    row = scaling._turn(Bench(model, CPU, OPTIONS, 6), [Take(archive / "1.wav", 12.0)] * 4, 2)
    assert "cannot run base" in row.failure
