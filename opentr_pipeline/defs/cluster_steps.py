"""Transcription steps as jobs of a Ray cluster, by dagster-ray; every other step is a process here.

What dagster-ray leaves to whoever uses it is done here: a job that could not start is handed over
again, and a head that is away for long ends the run with a sentence, as nothing else would.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from dagster import DagsterEvent
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepHandlerContext
from dagster_ray.core.executor import RayStepHandler

from opentr_pipeline.commands import command
from opentr_pipeline.defs.gpu_slots import GPU_TAG, rank_of
from opentr_pipeline.defs.hand_over import HEAD_PATIENCE_S, HandOver
from opentr_pipeline.defs.local_steps import LocalSteps
from opentr_pipeline.errors import ServiceError

# Looks at which a job has ended well, until Dagster must have read what its step said last.
MAX_UNSEEN = 2
# What ended a job that never began, or whose host was lost. A process that was killed has
# JOB_ENTRYPOINT_COMMAND_ERROR. Source: JobErrorType of Ray 2.60.
NOT_STARTED = {
    *("JOB_SUPERVISOR_ACTOR_START_TIMEOUT", "JOB_SUPERVISOR_ACTOR_START_FAILURE"),
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
}
HOST_LOST = {"JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"}
WELL = CheckStepHealthResult.healthy()


class ClusterSteps(RayStepHandler):
    """Where the steps of one run are, and how they do."""

    def __init__(
        self,
        connect: Callable[[], Any],
        asked: dict[str, float],
        environment: dict[str, str],
        hand_over: HandOver,
    ) -> None:
        """Begin with none.

        Args:
            connect: to the head.
            asked: what a step asks of Ray for its slot.
            environment: variables of the steps' processes.
            hand_over: of the run.
        """
        super().__init__(
            client=None,  # type: ignore[arg-type]  # made when it is needed: a head may be away
            env_vars=[f"{name}={value}" for name, value in environment.items()],
            runtime_env=None,
            num_cpus=asked.get("num_cpus"),
            num_gpus=asked.get("num_gpus"),
            memory=None,
            resources=None,
        )
        self._connect, self._hand_over = connect, hand_over
        self._is_connected = False
        self._local = LocalSteps()
        self._num_again: Counter[str] = Counter()
        self._num_unseen: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """For Dagster's log."""
        return "ClusterSteps"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Start a step here, or see that Ray gets it.

        Raises:
            ServiceError: the head has been away for too long.
        """
        step = self._get_step_key(step_handler_context)
        if not self._is_for_ray(step_handler_context):
            self._local.launch(step, step_handler_context)
        elif self._hand_over.gone_s > HEAD_PATIENCE_S:
            raise self._given_up()
        else:
            self._hand(step_handler_context)
        yield from ()

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """How a step does; where nobody can know, it does well for a while."""
        if not self._is_for_ray(step_handler_context):
            return self._local.health(self._get_step_key(step_handler_context))
        if self._hand_over.waits(self._place(step_handler_context)):
            return self._while_gone()
        self._hand_over.look_again()
        submission = self._get_ray_job_submission_id(step_handler_context)
        try:
            found = self._connected().get_job_info(submission)
        except (OSError, RuntimeError) as error:
            if "does not exist" not in str(error):
                self._hand_over.is_gone(error)
                return self._while_gone()
            self._hand_over.is_there()
            return self._forgotten(step_handler_context)
        self._hand_over.is_there()
        return self._judged(step_handler_context, submission, found)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """End a step, wherever it is."""
        if not self._is_for_ray(step_handler_context):
            self._local.terminate(self._get_step_key(step_handler_context))
        elif not self._hand_over.drop(self._place(step_handler_context)):
            with contextlib.suppress(OSError, RuntimeError):  # a head that is away ends nothing
                self._connected()
                yield from super().terminate_step(step_handler_context)

    def _is_for_ray(self, context: StepHandlerContext) -> bool:
        return GPU_TAG in context.step_tags[self._get_step_key(context)]

    def _hand(self, context: StepHandlerContext) -> None:
        tags = context.dagster_run.tags
        self._hand_over.goes_first = rank_of(tags) == "uploads"
        submit = super().launch_step

        def hand() -> None:
            self._connected()
            try:
                list(submit(context))
            except RuntimeError as error:
                if "already exists" not in str(error):  # the answer to the last try was lost
                    raise

        end = super().terminate_step
        self._hand_over.add(self._place(context), hand, lambda: list(end(context)))

    def _judged(
        self, context: StepHandlerContext, submission: str, found: Any
    ) -> CheckStepHealthResult:
        """What the state of a job means for its step."""
        status, why = str(found.status), found.error_type
        if status == "FAILED" and why in NOT_STARTED:
            return self._again(context)
        if status == "FAILED" and why in HOST_LOST:
            return _lost(str(found.message))
        if status == "SUCCEEDED":
            self._num_unseen[submission] += 1
            is_seen = self._num_unseen[submission] <= MAX_UNSEEN
            said = "Its job ended, and the step did not say how."
            return WELL if is_seen else CheckStepHealthResult.unhealthy(said)
        if status in ("PENDING", "RUNNING"):
            return WELL
        return CheckStepHealthResult.unhealthy(
            f"Its job {submission} is {status}: {why or 'ended by somebody'}. {found.message}"
        )

    def _forgotten(self, context: StepHandlerContext) -> CheckStepHealthResult:
        """A head that was restarted knows nothing of a job."""
        if not self._has_begun(context):
            return self._again(context)
        return _lost("the head was restarted, and knows nothing of its job.")

    def _again(self, context: StepHandlerContext) -> CheckStepHealthResult:
        """Hand over once more what never began, as another job."""
        self._num_again[self._place(context)] += 1
        self._hand(context)
        return WELL

    def _has_begun(self, context: StepHandlerContext) -> bool:
        """Whether this attempt at a step has said anything."""
        step = self._get_step_key(context)
        stats = context.instance.get_run_step_stats(context.execute_step_args.run_id, [step])
        return bool(stats) and (stats[0].attempts or 0) > self._num_retries(context)

    def _num_retries(self, context: StepHandlerContext) -> int:
        known = context.execute_step_args.known_state
        return (
            known.get_retry_state().get_attempt_count(self._get_step_key(context)) if known else 0
        )

    def _place(self, context: StepHandlerContext) -> str:
        """An attempt at a step."""
        return f"{self._get_step_key(context)}-{self._num_retries(context)}"

    def _get_ray_job_submission_id(self, step_handler_context: StepHandlerContext) -> str:
        """The name of a step's job; one that never began keeps its own."""
        name = str(super()._get_ray_job_submission_id(step_handler_context))
        again = self._num_again[self._place(step_handler_context)]
        return f"{name}-again-{again}" if again else name

    def _connected(self) -> Any:
        if not self._is_connected:
            self.client, self._is_connected = self._connect(), True
        return self.client

    def _while_gone(self) -> CheckStepHealthResult:
        if self._hand_over.gone_s <= HEAD_PATIENCE_S:
            return WELL
        return CheckStepHealthResult.unhealthy(str(self._given_up()))

    def _given_up(self) -> ServiceError:
        return ServiceError(
            f"The head of the cluster, CLUSTER_ADDRESS={self._hand_over.address}, has not answered "
            f"for {HEAD_PATIENCE_S / 60:.0f} minutes; what is finished is kept. Once it is back, "
            f"{command('run')} goes on."
        )


def _lost(why: str) -> CheckStepHealthResult:
    """The host of a step is gone, and the step with it; see ``shared_notes`` for its recordings."""
    return CheckStepHealthResult.unhealthy(
        f"Its host was lost, which is not held against its recordings: {why}"
    )
