"""How busy devices are: the kernel's texts read, looks added up, and what a step says of itself."""

import dataclasses
import subprocess
import sys
import threading

import numpy as np
import pytest

from opentr_pipeline.devices import usage
from opentr_pipeline.devices.cards import CPU, Device, WorkerSlot
from opentr_pipeline.devices.usage import CoreTimes, DeviceNow, Reading, Usage
from opentr_pipeline.recognition.worker_times import WorkerTimes
from opentr_pipeline.steps.figures import StepFigures
from opentr_pipeline.steps.outcome import ShardOutcome
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.fake_nvml import DRIVER_NOT_LOADED, UUIDS, FakeCard, FakeNvml

GB = 10**9
CARD = Device("0", "GPU-aaaa", "A card", 80 * GB)
STAT = """\
cpu  400 0 400 800 200 0 0 200 50 0
cpu0 100 0 100 400 100 0 0 100 50 0
cpu1 300 0 300 400 100 0 0 100 0 0
cpu10 7 7 7 7 7 7 7 7 7 7
intr 12345
"""


def test_the_cores_that_we_may_use_are_counted_without_guests() -> None:
    assert usage.core_times(STAT, {0}) == CoreTimes(500, 800)
    assert usage.core_times(STAT, {0, 1}) == CoreTimes(1000, 2000)
    assert usage.core_times(STAT, {7}) == CoreTimes(0, 0)
    assert usage.busy_percent(CoreTimes(100, 200), CoreTimes(150, 400)) == 75.0
    assert usage.busy_percent(CoreTimes(100, 200), CoreTimes(100, 200)) == 0.0


def test_this_machine_can_be_looked_at() -> None:
    reading = usage.look_at_machine()
    assert 0 <= reading.utilization_percent <= 100
    assert 0 < reading.memory_used_bytes < reading.memory_total_bytes
    assert reading.temperature_c is None
    assert 10**7 < usage.peak_memory_bytes() < reading.memory_total_bytes


def test_the_peak_of_a_process_is_its_own_and_not_that_of_whoever_started_it() -> None:
    much = np.ones(40_000_000)
    code = "from opentr_pipeline.devices import usage; print(usage.peak_memory_bytes())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) < much.nbytes < usage.peak_memory_bytes()


def test_a_card_is_looked_at_through_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    mute = FakeCard(UUIDS[1], utilization_percent=None)  # as a part of a card answers (MIG)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([FakeCard(UUIDS[0]), mute]))
    card, other = (Device(str(number), UUIDS[number], "A card", 24 * GB) for number in range(2))
    reading = Reading(38.0, 4 * GB, 24 * GB, 61)
    assert usage.looks_at(card)["gpu"]() == reading
    assert usage.looks_at(CPU).keys() == {"cpu"}
    assert usage.devices_now([card, card, other]) == [
        DeviceNow(card.uuid, "A card", reading),
        DeviceNow(other.uuid, "A card", None),
    ]
    with pytest.raises(OSError, match="does not tell how A card is"):
        usage.look_at(other)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(fails_with=DRIVER_NOT_LOADED))
    assert usage.devices_now([card])[0].reading is None


def test_looks_go_on_until_the_end_and_are_added_up() -> None:
    readings = [Reading(50, 3, 8, 60), Reading(100, 5, 8, 71), Reading(90, 4, 8, 70)]
    left = iter(readings)
    all_taken = threading.Event()

    def look() -> Reading:
        reading = next(left, None)
        if reading is None:
            all_taken.set()
            raise OSError("the driver is gone")
        return reading

    def broken() -> Reading:
        raise RuntimeError("no such card")

    with usage.sampled({"gpu": look, "cpu": broken}, every_s=0.001) as usages:
        wait_for(all_taken.is_set, 20)
        (thread,) = [one for one in threading.enumerate() if one.name == "sampler"]
    assert not thread.is_alive()
    gpu = usages["gpu"]
    assert (gpu.num_readings, gpu.utilization_percent_mean) == (3, 80.0)
    assert (gpu.memory_used_bytes_max, gpu.memory_total_bytes, gpu.temperature_c_max) == (5, 8, 71)
    assert usages["cpu"].utilization_percent_mean is None


def test_the_first_look_is_at_once() -> None:
    looked = threading.Event()

    def look() -> Reading:
        looked.set()
        return Reading(1, 2, 3)

    with usage.sampled({"cpu": look}, every_s=3600):
        assert looked.wait(20)


def figures(slot: WorkerSlot, **readings: Reading) -> StepFigures:
    usages = {name: Usage() for name in ("cpu", "gpu")}
    for name, reading in readings.items():
        usages[name].add(reading)
    times = WorkerTimes(waited_s=5, total_s=20, num_windows=9, num_batches=2)
    outcome = ShardOutcome(wall_s=30, load_s=2, audio_s=600, batch_size=6, worker_times=times)
    return StepFigures.of(outcome, slot, usages)


def test_a_step_says_what_it_measured_and_nothing_else() -> None:
    facts = figures(WorkerSlot(CPU, 1), cpu=Reading(61.25, 3 * GB, 8 * GB)).as_metadata()
    assert facts.pop("peak_memory_bytes") > 0
    assert facts == {
        "worker_slot": "cpu.slot-1",
        "device": "CPU",
        "audio_s": 600,
        "wall_s": 30,
        "load_s": 2,
        "batch_size": 6,
        "windows_per_batch_mean": 4.5,
        "waited_for_front_end_percent": 25.0,
        "cpu_utilization_percent_mean": 61.2,
        "main_memory_used_bytes_max": 3 * GB,
        "main_memory_total_bytes": 8 * GB,
    }


def test_a_step_on_a_card_says_how_the_card_was() -> None:
    step = figures(
        WorkerSlot(CARD, 0), cpu=Reading(20, GB, 8 * GB), gpu=Reading(62, 40 * GB, 80 * GB, 66)
    )
    facts = step.as_metadata()
    assert facts["gpu_utilization_percent_mean"] == 62
    assert facts["gpu_memory_used_bytes_max"] == 40 * GB
    assert facts["gpu_memory_total_bytes"] == 80 * GB
    assert facts["gpu_temperature_c_max"] == 66
    assert facts["device"] == "A card"
    assert StepFigures.of_metadata({**facts, "num_ok": 7}) == step
    assert StepFigures.of_metadata(dataclasses.asdict(step)) == step


@pytest.mark.parametrize("device", [CPU, CARD])
def test_a_step_that_could_not_look_says_so_by_leaving_out(device: Device) -> None:
    names = figures(WorkerSlot(device, 0)).as_metadata()
    assert not [name for name in names if name.startswith(("cpu_", "gpu_", "main_"))]
