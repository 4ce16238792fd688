"""Where the seconds of a whole ``opentr run`` are: the engine's, and all others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance

SHARD = "transcribe_shard"


@dataclass(frozen=True)
class Step:
    """A step of a run, all times since the epoch.

    Attributes:
        load_s: of it, to load the model; 0 where none was.
        engine_s: of it, until the last words were there, published partitions included.
    """

    name: str
    began_at: float
    ended_at: float
    load_s: float = 0.0
    engine_s: float = 0.0


def parts(began_at: float, ended_at: float, steps: Sequence[Step]) -> dict[str, float]:
    """The seconds of a run whose steps follow each other, from the command to its end; pure."""
    shards = [step for step in steps if step.name.startswith(SHARD)]
    before = [step for step in steps if step.ended_at <= shards[0].began_at]
    after = [step for step in steps if step.began_at >= shards[-1].ended_at]
    inside_s = sum(step.load_s + step.engine_s for step in shards)
    found = {"until the first step": steps[0].began_at - began_at}
    found |= {step.name: step.ended_at - step.began_at for step in before}
    found["model"] = sum(step.load_s for step in shards)
    found["engine"] = sum(step.engine_s for step in shards)
    lasted_s = sum(step.ended_at - step.began_at for step in shards)
    found["the rest of its steps"] = lasted_s - inside_s
    found |= {step.name: step.ended_at - step.began_at for step in after}
    found["after the last step"] = ended_at - steps[-1].ended_at
    found["between steps"] = ended_at - began_at - sum(found.values())
    return found


def steps_of(dagster_home: Path) -> list[Step]:
    """The steps of all runs of a state folder that ended well, in their order."""
    kinds = {
        DagsterEventType.STEP_START,
        DagsterEventType.STEP_OUTPUT,
        DagsterEventType.STEP_SUCCESS,
    }
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        entries = [
            entry
            for run in instance.get_runs()
            for entry in instance.all_logs(run.run_id, of_type=kinds)
        ]
    return sorted(_steps(entries), key=lambda step: step.began_at)


def _steps(entries: Iterable[object]) -> Iterable[Step]:
    began: dict[str, float] = {}
    facts: dict[str, dict[str, float]] = {}
    for entry in entries:
        event = entry.get_dagster_event()  # type: ignore[attr-defined]
        key, at = str(event.step_key), float(entry.timestamp)  # type: ignore[attr-defined]
        if event.event_type == DagsterEventType.STEP_START:
            began[key] = at
        elif event.event_type == DagsterEventType.STEP_OUTPUT:
            said = event.step_output_data.metadata
            facts[key] = {name: said[name].value for name in ("wall_s", "load_s") if name in said}
        else:
            load_s = facts.get(key, {}).get("load_s", 0.0)
            engine_s = facts.get(key, {}).get("wall_s", load_s) - load_s
            name = key.rpartition(".")[2]
            yield Step(name, began[key], at, load_s, engine_s)
