"""Figures for Prometheus: written by one library, read again by its parser, whatever the names."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from opentr_pipeline.cli import metrics as metrics_command
from opentr_pipeline.cli import shared
from opentr_pipeline.cli.app import main
from opentr_pipeline.cli.status import of_status, status_line
from opentr_pipeline.devices.leases import Holder
from opentr_pipeline.devices.memory_limits import MemoryLimit
from opentr_pipeline.devices.usage import DeviceNow, Reading
from opentr_pipeline.errors import ServiceError, SettingsError, StoreError
from opentr_pipeline.launching.run_state import ActiveRun
from opentr_pipeline.monitoring import metrics
from opentr_pipeline.monitoring.status import Status
from opentr_pipeline.planning.overview import Overview
from opentr_pipeline.services import dev, supervisor
from opentr_pipeline.transcripts.transcript import STATUSES
from opentr_pipeline.wording import readable
from opentr_pipeline_tests.cli.answers import shown
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.making import settings_of, wav

GB = 10**9
RUN = ActiveRun("0", "running", ("a",), "upload", 10, "2026-05-17T12:00:00+00:00", False)
STATUS = Status(
    Overview(
        num_done=5,
        num_missing=4,
        num_stale=3,
        num_failed=2,
        num_unprobed=1,
        num_partitions=6,
        done_audio_s=3600.5,
        pending_audio_s=60.0,
    ),
    num_unpublished=1,
    num_by_status={"ok": 4, "failed": 1},
    num_worker_slots=2,
    slots_in_use=[Holder("cpu.slot-1", worker="worker-1")],
    closed_slots=[MemoryLimit("cpu.slot-0", 0, "full", "set less", "2026-05-17T12:00:00+00:00")],
    batch_limits=[],
    devices=[
        DeviceNow("cpu", "CPU", Reading(50.0, 2 * GB, 8 * GB)),
        DeviceNow("GPU-aaaa", "A card", Reading(93.0, 20 * GB, 80 * GB, 61)),
        DeviceNow("GPU-bbbb", "A card", None),
    ],
    runs=[RUN, dataclasses.replace(RUN, is_orphan=True), dataclasses.replace(RUN, status="queued")],
    speed_x=70.25,
    page="http://127.0.0.1:3000",
)
ARCHIVE = Path("/media/tapes")


def parsed(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and labels, the archive's left out."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "archive"}
            found.setdefault(sample.name, {})[tuple(labels.values())] = sample.value
    return found


def archives(text: str) -> set[str]:
    families = text_string_to_metric_families(text)
    return {sample.labels["archive"] for family in families for sample in family.samples}


def test_everything_that_status_knows_is_read_again() -> None:
    values = parsed(metrics.text(STATUS, ARCHIVE))
    assert values.pop("opentr_transcripts") == {
        (status,): {"ok": 4, "failed": 1}.get(status, 0) for status in STATUSES
    }
    assert values == {
        "opentr_recordings": {
            ("done",): 5,
            ("missing",): 4,
            ("stale",): 3,
            ("failed",): 2,
            ("unprobed",): 1,
        },
        "opentr_recordings_unpublished": {(): 1},
        "opentr_partitions": {(): 6},
        "opentr_audio_seconds": {("done",): 3600.5, ("pending",): 60},
        "opentr_speed_x": {(): 70.25},
        "opentr_runs": {("queued",): 1, ("starting",): 0, ("running",): 2, ("ending",): 0},
        "opentr_runs_orphaned": {(): 1},
        "opentr_worker_slots": {(): 2},
        "opentr_worker_slots_in_use": {(): 1},
        "opentr_worker_slots_closed": {(): 1},
        "opentr_services_up": {(): 1},
        "opentr_device_utilization_ratio": {("cpu", "CPU"): 0.5, ("GPU-aaaa", "A card"): 0.93},
        "opentr_device_memory_used_bytes": {
            ("cpu", "CPU"): 2 * GB,
            ("GPU-aaaa", "A card"): 20 * GB,
        },
        "opentr_device_memory_size_bytes": {
            ("cpu", "CPU"): 8 * GB,
            ("GPU-aaaa", "A card"): 80 * GB,
        },
        "opentr_device_temperature_celsius": {("GPU-aaaa", "A card"): 61},
    }


def test_an_idle_archive_has_the_same_graphs() -> None:
    idle = dataclasses.replace(STATUS, runs=[], slots_in_use=[], speed_x=None, page=None)
    values = parsed(metrics.text(idle, ARCHIVE))
    assert values.keys() == parsed(metrics.text(STATUS, ARCHIVE)).keys()
    assert values["opentr_speed_x"] == {(): 0}
    assert values["opentr_services_up"] == {(): 0}
    assert set(values["opentr_runs"].values()) == {0}


@pytest.mark.parametrize(
    "name", ['/"quoted"', "/back\\slash\\n", "/two\nlines", "/Städte/日本", "/}{"]
)
def test_names_come_back_as_they_are_shown(name: str) -> None:
    assert archives(metrics.text(STATUS, Path(name))) == {readable(name)}


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    metrics.write(tmp_path / "x.prom", STATUS, Path(os.fsdecode(b"/media/\xff")))
    assert len(archives((tmp_path / "x.prom").read_text(encoding="utf-8"))) == 1


def test_who_reads_the_file_sees_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "opentr.prom"
    metrics.write(path, STATUS, ARCHIVE)
    with path.open() as before:
        metrics.write(path, dataclasses.replace(STATUS, speed_x=1.0), ARCHIVE)
        assert before.read() == metrics.text(STATUS, ARCHIVE)  # not written over
    assert parsed(path.read_text())["opentr_speed_x"] == {(): 1.0}
    assert [one.name for one in tmp_path.iterdir()] == ["opentr.prom"]
    with pytest.raises(StoreError, match=r"cannot be written to .*/gone/x\.prom \(No such file"):
        metrics.write(tmp_path / "gone" / "x.prom", STATUS, ARCHIVE)


def test_the_command_prints_or_writes_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav(tmp_path / "archive" / "a" / "one.wav")
    for name in ("STATE", "OUTPUT", "WORKER_SLOTS"):
        monkeypatch.setenv(f"{name}_DIR", str(tmp_path / name.lower()))
    for name in ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "ARCHIVE_DIR"):
        monkeypatch.setenv(name, "")  # given back at the end
    monkeypatch.setenv("GPU_DEVICE_ID", "cpu")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setattr(metrics_command, "METRICS_TICK_S", 0.01)
    asked = ["metrics", str(tmp_path / "archive")]
    values = parsed(CliRunner().invoke(main, asked).output)
    assert values["opentr_recordings"]["unprobed",] == 1
    assert values["opentr_worker_slots"] == {(): 1}

    path = tmp_path / "opentr.prom"
    seen = 0

    def sleep(_: float) -> None:
        nonlocal seen
        seen += path.exists()
        path.unlink()
        if seen == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(shared.time, "sleep", sleep)
    result = CliRunner().invoke(main, [*asked, "--output", str(path), "--watch"])
    assert (result.exit_code, result.output, seen) == (0, "", 2)


def test_status_shows_how_the_devices_are_and_what_runs_look_into() -> None:
    settings = settings_of(ARCHIVE_DIR=ARCHIVE)
    text = shown(of_status(settings, STATUS))
    assert "device        CPU, 50 % busy, 2.0 of 8.0 GB of memory used\n" in text
    assert "device        A card, 93 % busy, 20.0 of 80.0 GB of memory used, 61 °C\n" in text
    assert "device        A card, does not tell how it is\n" in text
    assert "worker-1 cpu.slot-1" in text
    assert "not probed    1\n" in text  # a run works, and may be about to
    idle = shown(of_status(settings, dataclasses.replace(STATUS, runs=[])))
    assert "not probed    1 (opentr run looks into them)\n" in idle
    said = status_line(STATUS)
    assert said.endswith("1 closed, 70.2x, CPU 50 % busy, A card 93 % busy")
    facts = STATUS.for_programs()
    assert facts["devices"][1]["reading"]["temperature_c"] == 61


def test_the_file_of_the_settings_is_kept_by_the_services(tmp_path: Path) -> None:
    file = settings_of(PROMETHEUS_FILE="figures/tapes.prom")
    kept = dev.DevServices.of(file).metrics_file
    assert kept
    assert kept.is_absolute()
    assert kept.parts[-2:] == ("figures", "tapes.prom")
    assert dev.DevServices.of(settings_of()).metrics_file is None
    with pytest.raises(ServiceError, match=r"PROMETHEUS_FILE=.* cannot be written; make its"):
        dev.DevServices(tmp_path, 1, metrics_file=tmp_path / "gone" / "x.prom").start()
    with pytest.raises(SettingsError, match=r"ends in \.prom"):
        settings_of(PROMETHEUS_FILE="figures.txt")


def alive(note: Path) -> int | None:
    """The process that wrote its number last, if it lives."""
    if not note.exists() or not note.read_text():
        return None
    process = int(note.read_text().split()[-1])
    return process if Path(f"/proc/{process}").exists() else None


def test_what_runs_beside_the_services_is_started_again_and_ended_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BESIDE_RESTART_S", 0.0)
    monkeypatch.setattr(supervisor, "CHECK_S", 0.05)
    monkeypatch.setattr(supervisor, "SHORT_LIFE_S", float("inf"))  # on any machine
    note, gate = tmp_path / "note", tmp_path / "gate"
    os.mkfifo(gate)
    said = f"import os, time; open({str(note)!r}, 'a').write(f' {{os.getpid()}}'); time.sleep(99)"
    codes: list[int] = []
    waiting = [sys.executable, "-c", f"open({str(gate)!r}).read(); raise SystemExit(3)"]
    runner = threading.Thread(
        target=lambda: codes.append(
            supervisor.supervise(tmp_path, waiting, [sys.executable, "-c", said])
        )
    )
    runner.start()
    wait_for(lambda: alive(note), 20)
    first = alive(note)
    assert first
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: alive(note) not in (None, first), 20)
    gate.write_text("")  # the services end
    runner.join(20)
    assert codes == [3]
    assert alive(note) is None


def test_the_supervisor_takes_two_commands(tmp_path: Path) -> None:
    note = tmp_path / "note"
    beside = [sys.executable, "-c", f"import time; open({str(note)!r}, 'w'); time.sleep(99)"]
    wait = f"import os, time\nwhile not os.path.exists({str(note)!r}): time.sleep(0.01)\n"
    ours = [sys.executable, "-m", "opentr_pipeline.services.supervisor", str(tmp_path)]
    command = [*ours, *beside, "--", sys.executable, "-c", wait + "raise SystemExit(4)"]
    assert subprocess.run(command, timeout=60, check=False).returncode == 4
