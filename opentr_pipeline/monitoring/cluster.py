"""The hosts of a cluster at this moment: what they have, and what they do."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from opentr_pipeline.devices.cluster_slots import Host, num_slots_on
from opentr_pipeline.devices.leases import Holder, holders
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.planning import hosts
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.services.ray_cluster import Job, RayCluster
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.wording import duration_text


@dataclass(frozen=True)
class HostState:
    """A host.

    Attributes:
        cards: by their names; none where it works on its CPU.
        steps: that it works on, each with its run and for how long.
    """

    name: str
    address: str
    version: str
    cards: list[str]
    num_slots: int
    steps: list[str]


@dataclass(frozen=True)
class ClusterState:
    """All of them.

    Attributes:
        address: of the head.
        num_waiting: steps that Ray has no slot for.
    """

    address: str
    hosts: list[HostState]
    num_slots: int
    num_running: int
    num_waiting: int


def cluster_state(settings: Settings) -> ClusterState:
    """How a cluster is.

    Raises:
        ServiceError: its head does not answer.
        SettingsError: a host cannot do the work.
    """
    there = hosts.meet(settings)
    jobs = [job for job in RayCluster(settings.cluster_address).jobs() if job.run_id]
    found = [_state(host, num_slots_on(host, settings, there), jobs) for host in there]
    return ClusterState(
        settings.cluster_address,
        found,
        sum(host.num_slots for host in found),
        sum(len(host.steps) for host in found),
        sum(job.status == "PENDING" for job in jobs),
    )


def holders_anywhere(setup: Setup) -> list[Holder]:
    """Who holds the worker slots: of this machine, or of all hosts, as the head knows it.

    A head that is away says nothing; ``health`` does.
    """
    settings = setup.settings
    if not settings.cluster_address:
        return holders(setup.slots, setup.slots_folder)
    names = {host.node: host.name for host in hosts.known_hosts(settings)}
    try:
        jobs = RayCluster(settings.cluster_address).jobs()
    except ServiceError:
        return []
    archive = str(setup.workspace.archive)
    return [
        Holder(job.step.rpartition(".")[2], job.run_id, archive, _time(job), worker=names[job.node])
        for job in jobs
        if job.run_id and job.node in names
    ]


def _time(job: Job) -> str:
    return datetime.fromtimestamp(job.since_s, UTC).isoformat(timespec="seconds")


def _state(host: Host, num_slots: int, jobs: list[Job]) -> HostState:
    mine = [job for job in jobs if job.status == "RUNNING" and job.node == host.node]
    return HostState(
        host.name,
        host.address,
        host.version,
        [card.name for card in host.cards],
        num_slots,
        [f"{_step(job)} for {duration_text(time.time() - job.since_s)}" for job in mine],
    )


def _step(job: Job) -> str:
    return f"{job.step.rpartition('.')[2]} of run {job.run_id[:8]}"
