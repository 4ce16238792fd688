"""What run monitoring learns from the launcher of runs of the production stack; no engine."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import DagsterEvent, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.events import DagsterEventType
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._core.test_utils import create_run_for_test
from dagster_docker import DockerRunLauncher

from opentr_pipeline.defs.container_launcher import NUM_KEPT, ContainerRunLauncher
from opentr_pipeline.defs.tags import HOST_TAG
from opentr_pipeline.errors import ServiceError

PROJECT = "opentr-radio"
HOST = "0123456789ab"
PROCESS = 57
KINDS = "DeviceRequests Memory CpuShares PidsLimit ShmSize CapDrop SecurityOpt LogConfig Init"
ATTRS = {
    "Config": {"Env": [], "User": "1000:1000"},
    "HostConfig": dict.fromkeys(KINDS.split()),
    "Mounts": [],
    "NetworkSettings": {"Networks": {}},
}


class Engine:
    """As much of Docker's client as the launcher asks.

    Attributes:
        there: the containers that a list shows.
        processes: in each of them.
    """

    def __init__(self) -> None:
        self.there: list[Any] = []
        self.processes: set[int] = set()
        self.containers = self

    def get(self, name: str) -> Any:
        found = [one for one in self.there if one.id == name]
        return (
            found[0] if found else SimpleNamespace(labels={"com.docker.compose.project": PROJECT})
        )

    def list(self, filters: dict[str, Any], **options: bool) -> list[Any]:
        assert options == {"all": True, "ignore_removed": True}
        return [one for one in self.there if one.id.startswith(filters.get("id", ""))]

    def add(self, name: str, status: str = "running") -> None:
        def exec_run(command: list[str]) -> Any:
            process = int(command[-1].removeprefix("/proc/"))
            return SimpleNamespace(exit_code=int(process not in self.processes))

        self.there.append(
            SimpleNamespace(id=name, status=status, attrs=ATTRS, exec_run=exec_run, remove=vanish)
        )


def vanish() -> None:
    raise OSError("No such container")  # docker's errors are of that kind


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@pytest.fixture
def launcher(
    instance: DagsterInstance, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> ContainerRunLauncher:
    made = ContainerRunLauncher()
    made.register_instance(instance)
    monkeypatch.setattr(made, "_get_client", lambda context: engine)
    return made


def run_with(instance: DagsterInstance, **tags: str) -> DagsterRun:
    run: DagsterRun = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=tags)
    begun = DagsterEvent(DagsterEventType.RUN_START.value, run.job_name, pid=PROCESS)
    instance.report_dagster_event(begun, run.run_id)
    return run


def tags_of(instance: DagsterInstance, run: DagsterRun) -> dict[str, str]:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return dict(found.tags)


def test_a_run_of_a_command_lives_as_long_as_its_process(
    launcher: ContainerRunLauncher, engine: Engine, instance: DagsterInstance
) -> None:
    run = run_with(instance, **{HOST_TAG: HOST})
    engine.add(HOST + "cdef")
    engine.processes = {PROCESS}
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    engine.processes = set()
    assert launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND
    engine.processes = {PROCESS}
    engine.there.clear()  # the container is another one since
    assert launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND


def test_a_run_of_which_nobody_knows_where_it_works_is_left_alone(
    launcher: ContainerRunLauncher, instance: DagsterInstance
) -> None:
    assert launcher.check_run_worker_health(run_with(instance)).status == WorkerStatus.RUNNING


def test_a_backfill_waits_for_the_retry_of_a_run_whose_container_ended(
    launcher: ContainerRunLauncher, engine: Engine, instance: DagsterInstance
) -> None:
    run = run_with(instance, **{"docker/container_id": "one"})
    engine.add("one", "exited")
    assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
    assert tags_of(instance, run)[WILL_RETRY_TAG] == "true"

    # Seen late: it has failed by itself meanwhile, and nobody will retry it.
    ended = run_with(instance, **{"docker/container_id": "one"})
    instance.report_run_failed(ended)
    launcher.check_run_worker_health(ended)
    assert tags_of(instance, ended).get(WILL_RETRY_TAG) != "true"


def test_a_launch_succeeds_whatever_becomes_of_old_containers(
    launcher: ContainerRunLauncher,
    engine: Engine,
    instance: DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DockerRunLauncher, "launch_run", lambda self, context: None)
    for number in range(NUM_KEPT + 1):
        engine.add(f"run-{number}", "exited")
    run = run_with(instance, **{HOST_TAG: HOST})  # copied from the run that it repeats
    launcher.launch_run(LaunchRunContext(run, None))
    assert tags_of(instance, run)[HOST_TAG] == ""
    assert tags_of(instance, run)["dagster/retry_strategy"] == "ALL_STEPS"


def test_a_stack_without_a_code_location_is_named(launcher: ContainerRunLauncher) -> None:
    with pytest.raises(ServiceError, match=f"{PROJECT} has no container of its service code"):
        launcher._get_docker_image(None)
