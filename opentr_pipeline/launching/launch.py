"""Runs launched from the command line, executed here and now."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance, DagsterRunStatus, execute_job, reconstructable
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import MAX_RETRIES_TAG

from opentr_pipeline.defs.gpu_slots import PRIORITIES, PRIORITY_TAG
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions, registered
from opentr_pipeline.defs.run_config import plan_config, speaker_config
from opentr_pipeline.defs.tags import HOST_TAG
from opentr_pipeline.devices.leases import Rank
from opentr_pipeline.launching.home import LOG_NAME, printing_to
from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.planning.run_ranges import RunRange, grouped
from opentr_pipeline.shortages import shortage
from opentr_pipeline.steps.figures import StepFigures


@dataclass(frozen=True)
class RunResult:
    """How a run went.

    Attributes:
        sentence: None where everything got a transcript, else what is wrong.
        steps: the figures of its transcription steps.
    """

    sentence: str | None
    steps: list[StepFigures]


def execute_all(
    audio_s: dict[str, float],
    max_audio_s: float,
    taking: Taking,
    rank: Rank,
    after_each: Callable[[], object],
) -> list[RunResult]:
    """Run the main job on all partitions with work, in runs of bounded size, one after another.

    Args:
        audio_s: seconds of audio to transcribe, for each partition that has any work.
        max_audio_s: in one run; a partition with more is a run of its own.
        taking: what all of them take on.
        rank: of their transcription steps, where several wait for a worker slot.
        after_each: called when a run is over.
    """
    return _in_runs(
        audio_s,
        max_audio_s,
        taking,
        lambda instance, run_range: _execute(
            instance, run_range, plan_config(taking.share(run_range, audio_s), Names()), rank
        ),
        after_each,
    )


def tell_all_speakers(
    audio_s: dict[str, float],
    max_audio_s: float,
    taking: Taking,
    rank: Rank,
    after_each: Callable[[], object],
) -> list[RunResult]:
    """The same, of the asset ``speakers`` alone: nothing is transcribed.

    Args:
        audio_s: seconds of audio to hear, for each partition that has any work.
        max_audio_s: in one run; a partition with more is a run of its own.
        taking: what all of them take on.
        rank: of their steps, where several wait for a worker slot.
        after_each: called when a run is over.
    """
    config, only = speaker_config(taking, Names()), [Names().key("speakers")]
    return _in_runs(
        audio_s,
        max_audio_s,
        taking,
        lambda instance, run_range: _execute(instance, run_range, config, rank, only),
        after_each,
    )


def _in_runs(
    audio_s: dict[str, float],
    max_audio_s: float,
    taking: Taking,
    execute: Callable[[DagsterInstance, RunRange], RunResult],
    after_each: Callable[[], object],
) -> list[RunResult]:
    results = []
    with DagsterInstance.get() as instance:  # once: to open it takes as long as a small run's work
        register_partitions(instance, audio_s, Names())  # the page can remove them
        for run_range in grouped(registered(instance, Names()), audio_s, max_audio_s):
            if taking.is_over:
                break
            results.append(execute(instance, run_range))
            after_each()
    return results


def _execute(
    instance: DagsterInstance,
    run_range: RunRange,
    config: dict[str, Any],
    rank: Rank,
    only: Sequence[AssetKey] | None = None,
) -> RunResult:
    """Here and now; what Dagster and the libraries of its steps print goes to ``runs.log``."""
    # Now that the state folder is entered: it reads which archive that is.
    from opentr_pipeline import definitions

    run_config: dict[str, Any] = {
        **config,
        "loggers": {"console": {"config": {"log_level": "INFO"}}},
    }
    with printing_to(Path(instance.root_directory, LOG_NAME)):
        result = execute_job(
            reconstructable(definitions.transcribe_archive_job),
            instance,
            run_config=run_config,
            asset_selection=only,
            tags={
                **run_range.tags,
                PRIORITY_TAG: PRIORITIES[rank],
                HOST_TAG: socket.gethostname(),
                # Whoever ends a command does not want the daemon to take it up.
                MAX_RETRIES_TAG: "0",
            },
            raise_on_error=False,
        )
        _pass_on_interrupt(instance, result)
    return RunResult(None if result.success else _why(result), _figures(result))


def _figures(result: Any) -> list[StepFigures]:
    """What the transcription steps said of themselves with their outputs."""
    outputs = [event.step_output_data for event in result.all_events if event.is_successful_output]
    facts = [{name: one.value for name, one in output.metadata.items()} for output in outputs]
    return [StepFigures.of_metadata(one) for one in facts if "worker_slot" in one]


def _pass_on_interrupt(instance: DagsterInstance, result: Any) -> None:
    """Ctrl-C ends the command, not the one run that Dagster ends by it."""
    run = instance.get_run_by_id(result.run_id)
    interrupted = any(
        getattr(event.event_specific_data, "failure_reason", None)
        == RunFailureReason.UNEXPECTED_TERMINATION
        for event in result.all_events
    )
    if interrupted or (run and run.status == DagsterRunStatus.CANCELED):
        raise KeyboardInterrupt


def _why(result: Any) -> str:
    """The sentence of the op that refused, else the last step's error."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    refusals = [one.user_failure_data for one in failures if one.user_failure_data]
    said = [str(one.error.message).strip() for one in failures if one.error]
    said += [str(one.description) for one in refusals if one.description]
    if not said:
        return f"The run {result.run_id} did not succeed; the page shows its events."
    return shortage(said[-1]) or said[-1]
