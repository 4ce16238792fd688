"""What a run takes on, as the launchpad and the runs that we ask for say it."""

from enum import Enum
from typing import Any

from dagster import Config
from pydantic import Field

from opentr_pipeline.defs.names import Names
from opentr_pipeline.planning.plan import Taking


class Selected(Enum):
    """What a run takes on."""

    pending = "pending"
    failed = "failed"


class PlanConfig(Config):
    """What a run takes on."""

    selection: Selected = Field(
        Selected.pending,
        description="pending: what is missing, stale or failed; failed: only what failed.",
    )
    recordings: list[str] = Field(
        [], description="Ids of recordings, to take none but these. Empty: any."
    )
    audio_budget_s: float | None = Field(
        None, gt=0, description="Seconds of audio to transcribe at most; what is missing first."
    )
    deadline: float | None = Field(
        None, description="Begin no recording after this time, in seconds since 1970."
    )

    def taking(self) -> Taking:
        """The same, as the plan wants it."""
        ids = frozenset(self.recordings)
        return Taking(self.selection.value, ids, self.audio_budget_s, self.deadline)


def plan_config(taking: Taking, names: Names) -> dict[str, Any]:
    """The run config that makes a run take this on."""
    return _config(taking, names.name("transcripts"), names.name("plan_shards"))


def speaker_config(taking: Taking, names: Names) -> dict[str, Any]:
    """The same for a run that tells speakers apart, and nothing else."""
    return _config(taking, names.name("speakers"), names.name("plan_speakers"))


def _config(taking: Taking, asset: str, step: str) -> dict[str, Any]:
    config = PlanConfig(
        selection=Selected(taking.selection),
        recordings=sorted(taking.recordings),
        audio_budget_s=taking.audio_budget_s,
        deadline=taking.deadline,
    )
    plan = {"config": config.model_dump(mode="json", exclude_none=True)}
    return {"ops": {asset: {"ops": {step: plan}}}}
