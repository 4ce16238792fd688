"""The worker slots of a cluster: what its hosts have, and what a step asks of Ray for one."""

import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.devices.cards import Device, WorkerSlot
from opentr_pipeline.settings.environment import Settings, is_on_cluster

# Ray counts cards in ten thousandths. Source: its FixedPoint, kResourceUnitScaling.
RAY_UNITS = 10_000


@dataclass(frozen=True)
class Host:
    """A machine that has joined a cluster.

    Attributes:
        node: Ray's name for it, another one each time that it joins.
        address: by which the other hosts know it.
        num_cpus: that it gave to Ray; where it joined by our command, its worker slots on the CPU.
        num_gpus: likewise, its cards.
        name: that it has for people.
        version: of this program there.
        cards: that it has; empty as long as nobody has looked there.
    """

    node: str
    address: str
    num_cpus: float
    num_gpus: float
    name: str = ""
    version: str = ""
    cards: tuple[Device, ...] = ()


def known_as(slot: WorkerSlot) -> str:
    """The name of a slot where those of several hosts meet: in logs and figures of a cluster.

    Args:
        slot: of this machine.
    """
    return f"{socket.gethostname()}.{slot.name}" if is_on_cluster() else slot.name


def slots_each(settings: Settings) -> int:
    """Worker slots on each device."""
    return settings.gpu_scale_workers if settings.gpu_scale_enabled else 1


def are_on_cpus(settings: Settings, hosts: Sequence[Host]) -> bool:
    """Whether the slots are on the hosts' CPUs; which cards are used, the hosts say themselves."""
    if settings.gpu_scale_enabled:
        return settings.gpu_scale_device_id == "cpu"
    is_open = settings.gpu_device_id == "auto"
    return settings.gpu_device_id == "cpu" or (
        is_open and bool(hosts) and not any(host.num_gpus for host in hosts)
    )


def num_slots_on(host: Host, settings: Settings, hosts: Sequence[Host]) -> int:
    """The slots of one host, also before anybody has looked at it.

    Args:
        host: one of the hosts.
        settings: with the slots of each device.
        hosts: all of the cluster.
    """
    num_each = slots_each(settings)
    if are_on_cpus(settings, hosts):
        return min(int(host.num_cpus), num_each)
    return int(host.num_gpus) * num_each


def cluster_slots(settings: Settings, hosts: Sequence[Host]) -> tuple[WorkerSlot, ...]:
    """The slots of all hosts, named so that no two hosts have the same."""
    slots: list[WorkerSlot] = []
    for host in hosts:
        devices: tuple[Device, ...] = host.cards[: int(host.num_gpus)]
        if are_on_cpus(settings, hosts):
            devices = (Device("cpu", f"{host.name}-cpu", f"CPU of {host.name}"),)
        numbers = range(num_slots_on(host, settings, hosts) // max(1, len(devices)))
        slots += [WorkerSlot(device, number) for device in devices for number in numbers]
    return tuple(slots)


def asked_of_ray(settings: Settings, hosts: Sequence[Host]) -> dict[str, float]:
    """What Ray takes off a host while a step runs: one of its CPU slots, or a part of one card.

    A part is rounded down to what Ray can count; what is left is less than another one.
    """
    if are_on_cpus(settings, hosts):
        return {"num_cpus": 1}
    return {"num_gpus": math.floor(RAY_UNITS / slots_each(settings)) / RAY_UNITS}


def as_on_a_host(settings: Settings, hosts: Sequence[Host]) -> dict[str, Any]:
    """The settings that a step has on its host: slots on the one card that Ray shows it."""
    return {
        "cluster_address": "",
        "gpu_scale_enabled": True,
        "gpu_scale_device_id": "cpu" if are_on_cpus(settings, hosts) else "0",
        "gpu_scale_workers": slots_each(settings),
        "gpu_scale_default_worker": False,
        "gpu_device_id": "auto",
    }
