"""A Ray cluster, asked by the address of its head's page (Ray's door, beside the executor's)."""

import json
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from opentr_pipeline.devices.cluster_slots import Host
from opentr_pipeline.errors import ServiceError, SettingsError
from opentr_pipeline.settings.installation import installing

TIMEOUT_S = 10.0
# To be there a host must only be reached, and start Python.
LOOK_TIMEOUT_S = 120.0
POLL_S = 0.5
MAX_LISTED = 10_000
# What Ray tells of a job: whose step it is.
RUN_LABEL, STEP_LABEL = "dagster/run-id", "dagster/op"


@dataclass(frozen=True)
class Job:
    """A step that Ray has, or another job of it.

    Attributes:
        node: where it runs; empty while it waits.
        status: Ray's word.
        since_s: it was submitted, seconds since 1970.
    """

    name: str
    status: str
    node: str
    run_id: str
    step: str
    since_s: float


def check_installed() -> None:
    """Refuse a cluster without its library.

    Raises:
        SettingsError: with what to install.
    """
    if not find_spec("ray") or not find_spec("dagster_ray"):
        raise SettingsError(f"A cluster needs the extra cluster: {installing('cluster')}.")


def submission_client(address: str) -> Any:
    """Ray's own client for jobs, which never waits longer than ``TIMEOUT_S`` for an answer.

    Raises:
        ConnectionError: nobody answers.
        RuntimeError: whoever answers is no head of Ray's.
    """
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):
        """Ray's has no time limit."""

        def _do_request(self, *said: Any, **named: Any) -> Any:
            return super()._do_request(*said, **{"timeout": TIMEOUT_S, **named})

    return Client(address)


@dataclass(frozen=True)
class RayCluster:
    """The cluster behind an address such as ``http://head.example:8265``."""

    address: str

    def answers(self) -> bool:
        """Whether its head is there; costs no import of Ray."""
        try:
            with urllib.request.urlopen(f"{self.address}/api/version", timeout=TIMEOUT_S) as answer:
                return "ray_version" in json.load(answer)
        except (OSError, ValueError):
            return False

    def hosts(self) -> list[Host]:
        """The machines that have joined and are there, the head's among them.

        Raises:
            ServiceError: the head does not answer.
        """
        from ray.util.state import list_nodes
        from ray.util.state.exception import RayStateApiException

        try:
            nodes = list_nodes(self.address, limit=MAX_LISTED, timeout=int(TIMEOUT_S))
        except (RayStateApiException, OSError, RuntimeError) as error:
            raise self.gone(error) from None
        return [
            Host(
                node.node_id,
                node.node_ip,
                float(node.resources_total.get("CPU", 0)),
                float(node.resources_total.get("GPU", 0)),
                node.node_name,
            )
            for node in nodes
            if node.state == "ALIVE"
        ]

    def num_free(self, asked: Mapping[str, float]) -> int:
        """Slots that are free, less what waits for one; as the head knew it seconds ago.

        Args:
            asked: of Ray for a slot, such as ``{"num_gpus": 0.25}``.

        Raises:
            ServiceError: the head does not answer.
        """
        try:
            with urllib.request.urlopen(
                f"{self.address}/api/cluster_status", timeout=TIMEOUT_S
            ) as answer:
                report = json.load(answer)["data"]["clusterStatus"]["loadMetricsReport"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self.gone(error) from None
        ((kind, part),) = asked.items()
        name = kind.removeprefix("num_").rstrip("s").upper()
        used, total = report["usage"].get(name, (0.0, 0.0))
        # Rounded up a little: three thirds are less than a card.
        free = int((total - used) / part + 0.01)
        waiting: int = sum(num for shape, num in report["resourceDemand"] if name in shape)
        return free - waiting

    def jobs(self) -> list[Job]:
        """The jobs that wait or run, those that wait last.

        Raises:
            ServiceError: the head does not answer.
        """
        try:
            found = self._client.list_jobs()
        except (OSError, RuntimeError) as error:
            raise self.gone(error) from None
        jobs = [
            Job(
                one.submission_id or "",
                one.status.value,
                one.driver_node_id or "",
                (one.metadata or {}).get(RUN_LABEL, ""),
                (one.metadata or {}).get(STEP_LABEL, ""),
                (one.start_time or 0) / 1000,
            )
            for one in found
            if not one.status.is_terminal()
        ]
        return sorted(jobs, key=lambda job: (not job.node, job.since_s))

    def end(self, job: Job) -> None:
        """End a job.

        Raises:
            ServiceError: the head does not answer.
        """
        try:
            self._client.stop_job(job.name)
        except (OSError, RuntimeError) as error:
            raise self.gone(error) from None

    def say_on_each(
        self, hosts: Sequence[Host], program: str, environment: Mapping[str, str]
    ) -> dict[str, str]:
        """Run a program on each host; what it printed there, by the hosts' nodes.

        Raises:
            ServiceError: the head does not answer, or a host does not.
        """
        try:
            jobs = {host: self._submit_on(host, program, environment) for host in hosts}
            deadline = time.monotonic() + LOOK_TIMEOUT_S
            return {host.node: self._said(host, job, deadline) for host, job in jobs.items()}
        except (OSError, RuntimeError) as error:
            raise self.gone(error) from None

    def _submit_on(self, host: Host, program: str, environment: Mapping[str, str]) -> str:
        return str(
            self._client.submit_job(
                entrypoint=program,
                runtime_env={"env_vars": dict(environment)},
                # Ray gives each machine one of these, by which a job is sent there.
                entrypoint_resources={f"node:{host.address}": 0.001},
            )
        )

    def _said(self, host: Host, job: str, deadline: float) -> str:
        while not (status := self._client.get_job_status(job)).is_terminal():
            if time.monotonic() > deadline:
                self._client.stop_job(job)
                raise ServiceError(
                    f"{host.name} ({host.address}) of the cluster {self.address} does not start a "
                    f"program within {LOOK_TIMEOUT_S:.0f} s; its raylet's log may say why."
                )
            time.sleep(POLL_S)
        said = str(self._client.get_job_logs(job))
        if status.value != "SUCCEEDED":
            last = (said.strip().splitlines() or ["nothing"])[-1]
            raise ServiceError(
                f"{host.name} ({host.address}) of the cluster {self.address} cannot run this "
                f"program ({last}); install the same version there, with its programs on PATH."
            )
        return said

    @cached_property
    def _client(self) -> Any:
        return submission_client(self.address)

    def gone(self, error: Exception) -> ServiceError:
        """The refusal where the head does not answer."""
        return ServiceError(
            f"The head of the cluster, CLUSTER_ADDRESS={self.address}, does not answer "
            f"({type(error).__name__}); start it, or name the one that runs."
        )
