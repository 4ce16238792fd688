"""The executor of a cluster: as many transcription steps at once as its hosts have worker slots."""

import contextlib
import functools
import logging
import threading
import time
from typing import Any

from dagster import DagsterInstance, Field, InitExecutorContext, Int, executor
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.base import Executor
from dagster._core.executor.step_delegating import StepDelegatingExecutor

from opentr_pipeline.defs.gpu_slots import GPU_TAG, HEARING_TAG
from opentr_pipeline.defs.hand_over import HEAD_PATIENCE_S, HandOver
from opentr_pipeline.devices.cluster_slots import (
    Host,
    as_on_a_host,
    asked_of_ray,
    num_slots_on,
)
from opentr_pipeline.errors import OpentrError, ServiceError
from opentr_pipeline.planning import hosts
from opentr_pipeline.services.ray_cluster import RayCluster, submission_client
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.given import changed_settings, values_anywhere

HEALTH_S = 10
RETRY_S = 5.0
# A host that cannot be looked at is gone from Ray's list by then, if it is gone.
HOST_PATIENCE_S = 120.0
# Hosts come and go while a long run works.
MEET_S = 30.0
# Runs that let others go first have no more steps in Ray's queue than this part of the slots.
QUEUED_SHARE = 8
# A host's own: where its locks are, and what nobody else is to read.
OF_THE_HOST = {"worker_slots_dir", "dagster_postgres_url", "postgres_password"}
_log = logging.getLogger("dagster")


def cluster_executor(settings: Settings, num_hearing: int) -> Any:
    """The executor that hands transcription steps to the hosts of a cluster.

    Args:
        settings: with the cluster's address.
        num_hearing: steps that tell speakers apart at once, on the machine of the run.
    """

    @executor(
        name="worker_slots",
        config_schema={
            "worker_slots": Field(
                Int,
                is_required=False,
                description="Transcription steps at once; default: as many as there are slots.",
            )
        },
        requirements=multiple_process_executor_requirements(),
    )
    def on_cluster(init_context: InitExecutorContext) -> Executor:
        """Transcription steps on the hosts of a cluster; every other step as a process here."""
        from opentr_pipeline.defs.cluster_steps import ClusterSteps  # which imports Ray

        asked = init_context.executor_config.get("worker_slots")
        size = ClusterSize(settings, asked if isinstance(asked, int) else None)
        there = size.meet_patiently()
        end_orphans(init_context.instance, RayCluster(settings.cluster_address))
        address = settings.cluster_address
        asked_of = asked_of_ray(settings, there)
        steps = ClusterSteps(
            functools.partial(submission_client, address),
            asked_of,
            step_environment(settings, as_on_a_host(settings, there)),
            HandOver(address, functools.partial(size.room, asked_of), size.look_again),
        )
        limits = [size.limit, {"key": HEARING_TAG, "limit": num_hearing}]
        return StepDelegatingExecutor(
            steps,
            RetryMode.ENABLED,
            check_step_health_interval_seconds=HEALTH_S,
            tag_concurrency_limits=limits,
        )

    return on_cluster


def end_orphans(instance: DagsterInstance, cluster: RayCluster) -> None:
    """End the steps of runs that are over: where a run was killed they work on, and hold slots.

    What they have finished is kept. Steps of runs that this instance does not know are others'.
    """
    with contextlib.suppress(ServiceError):  # the next run tries again
        for job in cluster.jobs():
            run = instance.get_run_by_id(job.run_id) if job.run_id else None
            if run and run.is_finished:
                cluster.end(job)


class ClusterSize:
    """How many steps of a run may work at once; it changes while the run works.

    Attributes:
        limit: of the tag, as Dagster takes it. Dagster reads it again each time.
    """

    def __init__(self, settings: Settings, asked: int | None) -> None:
        """Begin with one.

        Args:
            settings: with the cluster's address.
            asked: by whoever launched the run.
        """
        self._settings, self._asked = settings, asked
        self._num_slots, self._met_at = 1, 0.0
        self.limit: dict[str, Any] = {"key": GPU_TAG, "limit": 1}

    def meet_patiently(self) -> list[Host]:
        """The hosts, once the head answers.

        Raises:
            OpentrError: it did not for long, or a host cannot do the work.
        """
        began = time.monotonic()
        while True:
            try:
                return self._meet()
            except ServiceError:
                is_there = RayCluster(self._settings.cluster_address).answers()
                patience_s = HOST_PATIENCE_S if is_there else HEAD_PATIENCE_S
                if time.monotonic() - began > patience_s:
                    raise
                time.sleep(RETRY_S)

    def _meet(self) -> list[Host]:
        self._met_at = time.monotonic()
        there = hosts.meet(self._settings)
        self._num_slots = sum(num_slots_on(one, self._settings, there) for one in there)
        self.limit["limit"] = max(1, min(self._num_slots, self._asked or self._num_slots))
        return there

    def room(self, asked_of: dict[str, float]) -> int:
        """How many more steps Ray should have: those with a slot, and a few in its queue.

        Args:
            asked_of: Ray, for a slot.

        Raises:
            ServiceError: the head does not answer.
        """
        num_queued = max(1, self._num_slots // QUEUED_SHARE)
        return max(0, num_queued + RayCluster(self._settings.cluster_address).num_free(asked_of))

    def look_again(self) -> None:
        """Look at the hosts again, where that was a while ago, in a thread."""
        if time.monotonic() - self._met_at > MEET_S:
            self._met_at = time.monotonic()
            threading.Thread(target=self._meet_again, daemon=True, name="hosts").start()

    def _meet_again(self) -> None:
        try:
            self._meet()
        except OpentrError as error:
            _log.warning("%s", error)


def step_environment(settings: Settings, changes: dict[str, Any]) -> dict[str, str]:
    """The variables of a step's process on a host.

    Passwords are not among them: who sees a cluster's page sees what a job is started with.

    Args:
        settings: of the run.
        changes: of them on a host.
    """
    values = values_anywhere(changed_settings(settings, changes))
    said = {name: value for name, value in values.items() if name not in OF_THE_HOST}
    texts = {
        name.upper(): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in said.items()
    }
    home = settings.workspace.dagster_home
    # As nvidia-smi and Ray count them, where CUDA would count the fastest first.
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**texts, **order, "DAGSTER_HOME": str(home), "OPENTR_ON_CLUSTER": "true"}
