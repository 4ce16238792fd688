"""Steps as processes of the run's own machine, for executors that hand others elsewhere."""

import multiprocessing
from multiprocessing.process import BaseProcess

from dagster._cli.api import execute_step_command
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepHandlerContext

from opentr_pipeline.steps.birth import PRELOAD_MODULES

STEP_ARGS = "DAGSTER_COMPRESSED_EXECUTE_STEP_ARGS"


class LocalSteps:
    """The steps of a run that are processes here, and end with it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._processes: dict[str, BaseProcess] = {}
        self._seen_over: set[str] = set()

    def launch(self, step: str, context: StepHandlerContext) -> None:
        """Start a step."""
        context_of_forks = multiprocessing.get_context("forkserver")
        context_of_forks.set_forkserver_preload(PRELOAD_MODULES)
        (said,) = [
            one["value"]
            for one in context.execute_step_args.get_command_env()
            if one["name"] == STEP_ARGS
        ]
        process = context_of_forks.Process(target=_execute, args=(said,))
        process.start()
        self._seen_over.discard(step)
        self._processes[step] = process

    def health(self, step: str) -> CheckStepHealthResult:
        """Whether a step works; what it said last may not be read yet at the first look."""
        process = self._processes.get(step)
        is_over = process is not None and process.exitcode is not None
        if process is None or not is_over or step not in self._seen_over:
            self._seen_over |= {step} if is_over else set()
            return CheckStepHealthResult.healthy()
        return CheckStepHealthResult.unhealthy(
            f"Its process ended with code {process.exitcode} and without a word."
        )

    def terminate(self, step: str) -> None:
        """Tell a step to end."""
        if process := self._processes.get(step):
            process.terminate()


def _execute(compressed_args: str) -> None:
    callback = execute_step_command.callback
    assert callback is not None
    callback(input_json=None, compressed_input_json=compressed_args)
