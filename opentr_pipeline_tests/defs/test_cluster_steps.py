"""What becomes of steps whose jobs fail, are lost or wait; the head is a fake."""

import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dagster._core.execution.plan.outputs import StepOutputHandle
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import StepDelegatingExecutor
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._grpc.types import ExecuteStepArgs
from dagster._utils.tags import TagConcurrencyLimitsCounter
from dagster_ray.core.executor import RayStepHandler
from ray.dashboard.modules.job.pydantic_models import JobDetails

from opentr_pipeline.defs import cluster_executor, hand_over
from opentr_pipeline.defs.cluster_executor import ClusterSize, end_orphans, step_environment
from opentr_pipeline.defs.cluster_steps import ClusterSteps
from opentr_pipeline.defs.gpu_slots import PRIORITIES, PRIORITY_TAG
from opentr_pipeline.defs.hand_over import HEAD_PATIENCE_S, HandOver
from opentr_pipeline.devices.cluster_slots import Host, as_on_a_host
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.planning import hosts
from opentr_pipeline.planning.shards import MAX_SHARDS
from opentr_pipeline.services.ray_cluster import Job, RayCluster
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.making import settings_of

ADDRESS = "http://head:8265"
STEP = "transcripts.transcribe_shard[s00007]"
# Of one variable of a process: MAX_ARG_STRLEN of Linux, 32 pages.
MAX_VARIABLE_BYTES = 131_072


class Head:
    """Ray's head: what it was given, and what it says of that."""

    def __init__(self) -> None:
        self.is_there = True
        self.on_submit: Callable[[], object] = int
        self.jobs: dict[str, Any] = {}

    def submit_job(self, submission_id: str) -> None:
        self._answer()
        self.on_submit()
        self.jobs[submission_id] = "PENDING"

    def stop_job(self, submission_id: str) -> None:
        self._answer()
        self.jobs[submission_id] = "STOPPED"

    def get_job_info(self, submission_id: str) -> Any:
        self._answer()
        if submission_id not in self.jobs:
            raise RuntimeError(
                f"Request failed with status code 404: {submission_id} does not exist"
            )
        status, _, why = self.jobs[submission_id].partition(" ")
        # As Ray's client makes it of the head's answer.
        said = {"status": status, "error_type": why or None, "message": "words of Ray's"}
        return JobDetails(type="SUBMISSION", entrypoint="dagster", **said)

    def _answer(self) -> None:
        if not self.is_there:
            raise ConnectionError("nobody there")


class Steps:
    """The steps of a run with that head, at a step that is handed over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int = 1, **tags: str) -> None:
        def submit(handler: RayStepHandler, context: Any) -> Iterator[Any]:
            handler.client.submit_job(handler._get_ray_job_submission_id(context))
            yield from ()

        def end(handler: RayStepHandler, context: Any) -> Iterator[Any]:
            handler.client.stop_job(handler._get_ray_job_submission_id(context))
            yield from ()

        monkeypatch.setattr(RayStepHandler, "launch_step", submit)
        monkeypatch.setattr(RayStepHandler, "terminate_step", end)
        monkeypatch.setattr(hand_over, "HAND_OVER_S", 0.01)
        monkeypatch.setattr(hand_over, "REPORT_S", 0.02)
        self.head, self.num_begun, self.tags = Head(), 1, tags
        self.over = HandOver(ADDRESS, lambda: room, int)
        self.steps = ClusterSteps(lambda: self.head, {"num_gpus": 0.25}, {}, self.over)

    def context(self, step: str = STEP) -> Any:
        stats = types.SimpleNamespace(attempts=self.num_begun)
        return types.SimpleNamespace(
            execute_step_args=types.SimpleNamespace(
                step_keys_to_execute=[step], run_id="run", known_state=KnownExecutionState()
            ),
            step_tags={step: {"gpu": "slot"}},
            dagster_run=types.SimpleNamespace(tags=self.tags),
            instance=types.SimpleNamespace(get_run_step_stats=lambda *said: [stats]),
        )

    def launch(self) -> str:
        """Hand the step over; the name of its job."""
        list(self.steps.launch_step(self.context()))
        wait_for(lambda: self.head.jobs, 5)
        (job,) = self.head.jobs
        return job

    def health(self) -> tuple[bool, str]:
        said = self.steps.check_step_health(self.context())
        return said.is_healthy, said.unhealthy_reason or ""


def test_the_loss_of_a_host_is_no_death_and_a_killed_process_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Steps(monkeypatch)
    job = one.launch()
    for status in ("PENDING", "RUNNING"):
        one.head.jobs[job] = status
        assert one.health() == (True, "")
    one.head.jobs[job] = "FAILED JOB_ENTRYPOINT_COMMAND_ERROR"
    is_well, said = one.health()
    assert not is_well
    assert job in said
    assert "host was lost" not in said, "it may be the recording"
    one.head.jobs[job] = "FAILED JOB_SUPERVISOR_ACTOR_DIED"
    is_well, said = one.health()
    assert not is_well
    assert "host was lost" in said


def test_a_job_that_never_began_is_handed_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Steps(monkeypatch)
    job = one.launch()
    one.head.jobs[job] = "FAILED JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
    assert one.health() == (True, "")
    wait_for(lambda: len(one.head.jobs) == 2, 5)
    assert f"{job}-again-1" in one.head.jobs
    assert one.health() == (True, "")
    # A head that was restarted knows nothing: of what never began, and of what did.
    one.head.jobs, one.num_begun = {}, 0
    assert one.health() == (True, "")
    wait_for(lambda: one.head.jobs, 5)
    assert list(one.head.jobs) == [f"{job}-again-2"]
    one.head.jobs, one.num_begun = {}, 1
    assert not one.health()[0]


def test_a_job_that_ended_without_a_word_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Steps(monkeypatch)
    one.head.jobs[one.launch()] = "SUCCEEDED"
    assert [one.health()[0] for _ in range(3)] == [True, True, False]


def test_a_head_that_is_away_is_waited_for_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Steps(monkeypatch)
    one.head.is_there = False
    list(one.steps.launch_step(one.context()))
    wait_for(lambda: one.over.gone_s, 5)
    assert one.health() == (True, ""), "it waits here"
    one.head.is_there = True
    wait_for(lambda: one.head.jobs, 5)
    one.head.is_there = False
    assert one.health() == (True, ""), "it may be at work"
    assert one.over._gone_since is not None
    one.over._gone_since -= HEAD_PATIENCE_S
    is_well, said = one.health()
    assert not is_well
    assert ADDRESS in said
    # Dagster tries the step again, and that ends the run.
    with pytest.raises(ServiceError, match="has not answered for 10 minutes"):
        list(one.steps.launch_step(one.context()))


def test_a_step_that_is_ended_while_it_is_handed_over_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Steps(monkeypatch)
    one.head.on_submit = lambda: list(one.steps.terminate_step(one.context()))
    job = one.launch()
    wait_for(lambda: one.head.jobs[job] == "STOPPED", 5)


def test_no_error_has_a_run_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Steps(monkeypatch)
    one.head.on_submit = lambda: {}["unforeseen"]
    list(one.steps.launch_step(one.context()))
    wait_for(lambda: one.over.gone_s, 5)
    one.head.on_submit = int
    wait_for(lambda: one.head.jobs, 5)


@pytest.mark.parametrize(("rank", "num"), [("usual", 2), ("backfills", 2), ("uploads", 6)])
def test_uploads_alone_fill_rays_queue(
    monkeypatch: pytest.MonkeyPatch, rank: str, num: int
) -> None:
    priority = {PRIORITY_TAG: PRIORITIES[rank]}  # type: ignore[index]
    one = Steps(monkeypatch, room=2, **priority)
    monkeypatch.setattr(hand_over, "REPORT_S", 3600.0)
    for number in range(6):
        list(one.steps.launch_step(one.context(STEP.replace("7", str(number)))))
    wait_for(lambda: len(one.head.jobs) >= num, 5)
    if num < 6:
        assert one.over.waits("transcripts.transcribe_shard[s00005]-0")
    assert len(one.head.jobs) == num


def test_a_step_of_the_largest_run_can_be_told_how_the_run_stands() -> None:
    """Its variable, and the one in which Ray repeats that."""
    keys = [f"s{number:05d}" for number in range(MAX_SHARDS)]
    steps = [f"tapes__transcripts.transcribe_shard[{key}]" for key in keys]
    plan = "tapes__transcripts.plan_shards"
    state = KnownExecutionState(
        previous_retry_attempts=dict.fromkeys(steps, 1),
        dynamic_mappings={plan: {"shards": keys}},
        ready_outputs={StepOutputHandle(step, "result") for step in steps}
        | {StepOutputHandle(plan, "shards", key) for key in keys},
    )
    args = ExecuteStepArgs(
        _origin(), "0" * 36, steps[:1], None, RetryMode.DEFERRED, state, should_verify_step=False
    )
    environment = {one["name"]: one["value"] for one in args.get_command_env()}
    environment |= step_environment(settings_of(CLUSTER_ADDRESS=ADDRESS), {})
    assert len(json.dumps({"runtime_env": {"env_vars": environment}})) < 0.75 * MAX_VARIABLE_BYTES


def _origin() -> JobPythonOrigin:
    from dagster._core.code_pointer import ModuleCodePointer

    pointer = ModuleCodePointer("opentr_pipeline.definitions", "transcribe_archive_job", "/srv")
    origin = RepositoryPythonOrigin(sys.executable, pointer, None, ["dagster"], None)
    return JobPythonOrigin("transcribe_archive", origin)


def test_a_host_learns_no_password_from_a_job() -> None:
    settings = settings_of(
        CLUSTER_ADDRESS=ADDRESS,
        DAGSTER_POSTGRES_URL="postgresql://opentr:secret@head/opentr",
        POSTGRES_PASSWORD="secret",
        WORKER_SLOTS_DIR="/var/slots",
    )
    said = step_environment(settings, as_on_a_host(settings, []))
    assert "secret" not in "".join(said.values())
    assert "WORKER_SLOTS_DIR" not in said
    assert said["CLUSTER_ADDRESS"] == ""
    assert said["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert said["OPENTR_HOME"].startswith("/")


def test_the_tag_limit_follows_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Host("n1", "10.0.0.1", 0, 1, "one")]
    monkeypatch.setattr(hosts, "meet", lambda settings: list(there))
    monkeypatch.setattr(cluster_executor, "MEET_S", 0.0)
    size = ClusterSize(settings_of(GPU_SCALE_ENABLED=True, GPU_SCALE_WORKERS=4), None)
    size.meet_patiently()
    run = StepDelegatingExecutor(None, RetryMode.ENABLED, tag_concurrency_limits=[size.limit])  # type: ignore[arg-type]
    there.append(Host("n2", "10.0.0.2", 0, 2, "two"))
    size.look_again()
    wait_for(lambda: size.limit["limit"] == 12, 5)
    step = types.SimpleNamespace(tags={"gpu": "slot"})
    counter = TagConcurrencyLimitsCounter(run._tag_concurrency_limits, [step] * 11)  # type: ignore[list-item]
    assert not counter.is_blocked(step)  # type: ignore[arg-type]


def test_a_run_waits_for_a_head_that_starts_and_not_long_for_a_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    num_asked = 0

    def meet(settings: object) -> list[Host]:
        nonlocal num_asked
        num_asked += 1
        if num_asked < 3:
            raise ServiceError("away")
        return [Host("n1", "10.0.0.1", 0, 1, "one")]

    monkeypatch.setattr(hosts, "meet", meet)
    monkeypatch.setattr(cluster_executor, "RETRY_S", 0.0)
    monkeypatch.setattr(cluster_executor, "HOST_PATIENCE_S", 0.0)
    size = ClusterSize(settings_of(CLUSTER_ADDRESS="http://127.0.0.1:9"), None)
    assert [host.name for host in size.meet_patiently()] == ["one"]
    num_asked = 0
    monkeypatch.setattr(RayCluster, "answers", lambda self: True)
    with pytest.raises(ServiceError, match="away"):
        size.meet_patiently()


def test_steps_of_runs_that_are_over_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run was killed they would hold slots; others' runs are left alone."""
    ended: list[Job] = []
    jobs = [Job(name, "RUNNING", "n1", name, STEP, 0.0) for name in ("over", "works", "theirs", "")]
    monkeypatch.setattr(RayCluster, "jobs", lambda self: jobs)
    monkeypatch.setattr(RayCluster, "end", lambda self, job: ended.append(job))
    runs = {"over": True, "works": False}
    instance = types.SimpleNamespace(
        get_run_by_id=lambda name: (
            types.SimpleNamespace(is_finished=runs[name]) if name in runs else None
        )
    )
    end_orphans(instance, RayCluster(ADDRESS))  # type: ignore[arg-type]
    assert [job.name for job in ended] == ["over"]


@pytest.mark.slow
def test_a_plain_machine_imports_nothing_of_a_cluster() -> None:
    said = (
        "import sys, opentr_pipeline.definitions, opentr_pipeline.monitoring.health\n"
        "from opentr_pipeline.cli.app import MODULES\n"
        "from importlib import import_module\n"
        "[import_module(f'opentr_pipeline.cli.{name}') for name in set(MODULES.values())]\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'ray', 'dagster_ray'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", said], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
