"""Whether steps are transcribed on the hosts of a cluster, and what else that changes."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

# Default of one machine -> default of a cluster. A step on a host of a cluster starts for some ten
# seconds, which is to be under 3 % of it; a run has to fill more slots than those of one machine.
CLUSTER_DEFAULTS = {"shard_audio_s": (3_600, 14_400), "run_max_audio_s": (86_400, 14_400_000)}


def _address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/?#\s:]+:\d{1,5}/?", value):
        raise ValueError("empty or the address of a Ray head, such as http://head.example:8265")
    return value.rstrip("/")


class ClusterSettings(BaseModel):
    """Where the transcription steps of all runs go, if not to this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster_address: Annotated[str, AfterValidator(_address)] = Field(
        "",
        description="The head of a Ray cluster whose hosts transcribe in place of this machine: "
        "http://head.example:8265. Needs the extra cluster and DAGSTER_POSTGRES_URL; archive, "
        "output and state are on storage that all hosts share. SHARD_AUDIO_S is 14400 and "
        "RUN_MAX_AUDIO_S 14400000 then, unless they have other values than their defaults.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_a_cluster(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not values.get("cluster_address"):
            return values
        other = {
            name: ours
            for name, (usual, ours) in CLUSTER_DEFAULTS.items()
            if str(values.get(name, usual)) == str(usual)
        }
        return {**values, **other}
