"""The launcher of runs in the production stack: each in a container like the code location's.

So the image, environment, volumes, devices and limits of runs stand in one place, the compose file.
A run that is a process inside the stack (``prod run``) has no container of its own.
"""

import contextlib
import socket
from collections.abc import Mapping
from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster_docker import DockerRunLauncher
from dagster_docker.container_context import DockerContainerContext
from dagster_docker.docker_run_launcher import DOCKER_CONTAINER_ID_TAG

from opentr_pipeline.commands import command
from opentr_pipeline.defs.run_launcher import PROCESS_GONE, RETRY_TAGS, lost, process_of
from opentr_pipeline.defs.tags import HOST_TAG, tag_of
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.services.stack import PROJECT_LABEL, RUNS_LABEL

# Of runs that ended: Docker still knows why.
NUM_KEPT = 20
STOP_TIMEOUT_S = 30


class ContainerRunLauncher(DockerRunLauncher):
    """Starts runs as containers beside its own, and looks after them."""

    def get_container_context(self, dagster_run: DagsterRun) -> DockerContainerContext:
        """What the container of a run gets: all that the code location's has."""
        attrs, project = self._code().attrs, self._project()
        return DockerContainerContext(
            # Those without a value are variables that compose did not have; the defaults hold.
            env_vars=[one for one in attrs["Config"]["Env"] if "=" in one],
            networks=list(attrs["NetworkSettings"]["Networks"]),
            container_kwargs={
                **copied(attrs),
                "name": f"{project}_run_{dagster_run.run_id[:8]}",
                "labels": {RUNS_LABEL: project},
                "stop_timeout": STOP_TIMEOUT_S,
            },
        )

    def _get_docker_image(self, job_code_origin: object) -> str:
        """The very image of the code location, whatever its name stands for by now."""
        return str(self._code().attrs["Image"])

    def _code(self) -> Any:
        # Compose also makes containers of the service for single commands.
        wanted = {"project": self._project(), "service": "code", "oneoff": "False"}
        labels = [f"com.docker.compose.{name}={value}" for name, value in wanted.items()]
        found = self._containers(label=labels)
        if not found:
            raise ServiceError(
                f"The stack {wanted['project']} has no container of its service code, which those "
                f"of runs are made like; {command('stop')} and start prod make it anew."
            )
        return found[0]

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run, and remove the containers of older ones, the last few left out."""
        run = context.dagster_run
        # The re-execution of a command's run has its tags.
        self._instance.add_run_tags(run.run_id, {HOST_TAG: "", **RETRY_TAGS})
        super().launch_run(context)
        with contextlib.suppress(OSError):  # as docker's errors are; the run has its container
            ended = self._containers(label=f"{RUNS_LABEL}={self._project()}", status="exited")
            for container in ended[NUM_KEPT:]:
                container.remove()

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the container of a run works, or the process of a command's run."""
        if DOCKER_CONTAINER_ID_TAG in run.tags:
            health: CheckRunHealthResult = super().check_run_worker_health(run)
        else:
            health = self._health_of_process(run)
        is_well = health.status == WorkerStatus.RUNNING
        return health if is_well else lost(self._instance, run, health)

    def _health_of_process(self, run: DagsterRun) -> CheckRunHealthResult:
        """Of a run that began in one of the stack's containers; of a stranger's it is assumed."""
        host, process = tag_of(run.tags, HOST_TAG), process_of(self._instance, run)
        if host and process:
            # A container's host name is the beginning of its id.
            there = self._containers(id=host, status="running")
            if not there or there[0].exec_run(["test", "-e", f"/proc/{process}"]).exit_code:
                return PROCESS_GONE
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _containers(self, **filters: str | list[str]) -> list[Any]:
        """The latest first."""
        containers = self._get_client(DockerContainerContext()).containers
        return list(containers.list(all=True, filters=filters, ignore_removed=True))

    def _project(self) -> str:
        """The stack's name, by which compose labels this container too."""
        client = self._get_client(DockerContainerContext())
        return str(client.containers.get(socket.gethostname()).labels[PROJECT_LABEL])


def copied(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """How to make a container like another one, as docker's ``create`` takes it.

    Args:
        attrs: what Docker says about the other one (``docker inspect``).
    """
    host = attrs["HostConfig"]
    return {
        "user": attrs["Config"]["User"],
        "volumes": [
            f"{one.get('Name') or one['Source']}:{one['Destination']}:{'rw' if one['RW'] else 'ro'}"
            for one in attrs["Mounts"]
        ],
        "device_requests": host["DeviceRequests"] or [],
        "mem_limit": host["Memory"],
        "cpu_shares": host["CpuShares"],
        "pids_limit": host["PidsLimit"],
        "shm_size": host["ShmSize"],
        "cap_drop": host["CapDrop"] or [],
        "security_opt": host["SecurityOpt"] or [],
        "log_config": host["LogConfig"],
        "init": host["Init"],
    }
