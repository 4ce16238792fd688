"""What a step asks of Ray, and which slots the hosts of a cluster have."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.devices.cards import Device, worker_slots
from opentr_pipeline.devices.cluster_slots import (
    Host,
    as_on_a_host,
    asked_of_ray,
    cluster_slots,
    num_slots_on,
)
from opentr_pipeline.settings.given import changed_settings
from opentr_pipeline.settings.values import MAX_WORKERS
from opentr_pipeline_tests.making import PROPERTY, settings_of

CARDS = tuple(Device(str(number), f"GPU-{number}", "L4", 1 << 34, (8, 9)) for number in range(2))
TWO_CARDS = Host("n1", "10.0.0.1", 16, 2, "one", cards=CARDS)
ONE_CARD = Host("n2", "10.0.0.2", 8, 1, "two", cards=(Device("0", "GPU-9", "A10"),))
NO_CARD = Host("n3", "10.0.0.3", 3, 0, "three")


@PROPERTY
@given(st.integers(1, MAX_WORKERS))
def test_as_many_steps_as_slots_fit_on_a_card_and_not_one_more(num: int) -> None:
    settings = settings_of(GPU_SCALE_ENABLED=True, GPU_SCALE_WORKERS=num)
    part = Fraction(str(asked_of_ray(settings, [ONE_CARD])["num_gpus"]))
    assert part * num <= 1 < part * (num + 1)
    assert part * 10_000 == int(part * 10_000), "Ray rounds what is finer"


def test_every_slot_of_every_host_has_a_name_of_its_own() -> None:
    settings = settings_of(GPU_SCALE_ENABLED=True, GPU_SCALE_WORKERS=3, GPU_SCALE_DEVICE_ID="0,1")
    hosts = [TWO_CARDS, ONE_CARD, NO_CARD]
    slots = cluster_slots(settings, hosts)
    assert len(slots) == len({slot.name for slot in slots}) == 9
    assert [num_slots_on(host, settings, hosts) for host in hosts] == [6, 3, 0]
    on_cpus = settings_of(GPU_SCALE_ENABLED=True, GPU_SCALE_DEVICE_ID="cpu", GPU_SCALE_WORKERS=4)
    named = {slot.name for slot in cluster_slots(on_cpus, hosts)}
    assert named == {f"{host.name}-cpu.slot-{n}" for host in hosts for n in range(4)} - {
        "three-cpu.slot-3"  # which gave Ray three
    }
    assert asked_of_ray(on_cpus, hosts) == {"num_cpus": 1}


@pytest.mark.parametrize(
    ("hosts", "asked"), [([ONE_CARD, NO_CARD], {"num_gpus": 1.0}), ([NO_CARD], {"num_cpus": 1})]
)
def test_without_scaling_a_host_has_a_slot_on_each_card_else_on_its_cpu(
    hosts: list[Host], asked: dict[str, float]
) -> None:
    assert asked_of_ray(settings_of(), hosts) == asked
    assert len(cluster_slots(settings_of(), hosts)) == 1


@pytest.mark.parametrize("device", ["0,3", "cpu"])
def test_a_step_has_the_slots_of_the_card_that_ray_shows_it(device: str) -> None:
    settings = settings_of(
        GPU_SCALE_ENABLED=True,
        GPU_SCALE_WORKERS=4,
        GPU_SCALE_DEVICE_ID=device,
        CLUSTER_ADDRESS="http://head:8265",
    )
    there = changed_settings(settings, as_on_a_host(settings, [TWO_CARDS]))
    shown = [Device("0", "GPU-1", "L4")]  # the second card, which is the first that is seen
    slots = worker_slots(there, shown)
    assert not there.cluster_address
    assert [slot.number for slot in slots] == [0, 1, 2, 3]
    assert {slot.device.uuid for slot in slots} == {"cpu" if device == "cpu" else "GPU-1"}
