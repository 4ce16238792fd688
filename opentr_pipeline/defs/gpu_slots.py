"""Worker slots as Dagster sees them: the executor's tag limit, the pool, and orphans."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from dagster import Field, Int, multiprocess_executor

from opentr_pipeline.devices.leases import Rank
from opentr_pipeline.steps.birth import PRELOAD_MODULES

GPU_TAG = "gpu"
GPU_POOL = "gpu"
HEARING_TAG = "hearing"
PRIORITY_TAG = "dagster/priority"
BACKFILL_TAG = "dagster/backfill"
# Of a run in Dagster's queue, and so of its steps where several wait for a worker slot.
PRIORITIES: dict[Rank, str] = {"uploads": "10", "usual": "0", "backfills": "-10"}
# Steps that need no slot (plan, publish, probing) run beside those that do.
EXTRA_PROCESSES = 2


def slots_executor(num_slots: int, num_hearing: int) -> Any:
    """The multiprocess executor with at most one transcription step per worker slot.

    ``configured`` with a function, because a plain dictionary would make the launchpad's
    ``execution`` be ignored, and a job's config would let it drop the limit.

    Args:
        num_slots: of the settings; the launchpad may ask for fewer, not for more.
        num_hearing: steps that tell speakers apart at once.
    """

    def limits(config: dict[str, Any]) -> dict[str, Any]:
        slots = max(1, min(config["worker_slots"], num_slots))
        return {
            "max_concurrent": max(slots, num_hearing) + EXTRA_PROCESSES,
            "tag_concurrency_limits": [
                {"key": GPU_TAG, "limit": slots},
                {"key": HEARING_TAG, "limit": num_hearing},
            ],
            "start_method": {"forkserver": {"preload_modules": PRELOAD_MODULES}},
        }

    slots_field = Field(
        Int,  # no source: whoever launches is not to learn what variables of ours hold
        is_required=False,
        default_value=num_slots,
        description=f"Transcription steps at once, 1 to {num_slots}.",
    )
    return multiprocess_executor.configured(
        limits,
        name="worker_slots",
        config_schema={"worker_slots": slots_field},
        description="A process for each step, at most one transcription for each worker slot.",
    )


def rank_of(tags: Mapping[str, str]) -> Rank:
    """Who goes first for a worker slot, by the tags of a run.

    Backfills from the page and the command line carry a tag of Dagster's, runs of the sensor and of
    the schedule a priority.
    """
    by_priority = {priority: rank for rank, priority in PRIORITIES.items()}
    rank = by_priority.get(tags.get(PRIORITY_TAG, ""), "usual")
    return "backfills" if rank == "usual" and BACKFILL_TAG in tags else rank


def die_with_the_run(last_act: Callable[[], object] = lambda: None) -> None:
    """End this step's process as soon as the run's process is gone.

    Dagster leaves the steps of a killed run alive, and the kernel's parent-death signal would
    watch the forkserver instead of the run.

    Args:
        last_act: called before the end.
    """
    run_process = multiprocessing.parent_process()
    if run_process is None:  # the step runs inside the run's own process
        return

    def watch() -> None:
        multiprocessing.connection.wait([run_process.sentinel])
        try:
            last_act()
        finally:
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name="die-with-the-run").start()
