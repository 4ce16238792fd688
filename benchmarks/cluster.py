"""What Ray costs each step beside a process of this machine, and what a second host brings.

    python -m benchmarks.cluster --json cluster.json

As root: it makes a head and two hosts of its own in namespaces, as the tests do. The recognizer
waits and computes nothing, so that what is measured is neither the machine's cores nor a model. CPU
seconds of a step are those of its process and of Ray's that looks after it, until it has heard.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from benchmarks import machine
from opentr_pipeline_tests.cluster_project import ClusterProject, Heard, cluster_project

NUM_STEPS = 8
WAIT_S = 12.0


def span_s(heard: Sequence[Heard]) -> float:
    """From the first recording that a step began to the last that one ended."""
    return max(one.ended for one in heard) - min(one.began for one in heard)


def heard_of(cluster: ClusterProject, partition: str, **variables: str) -> list[Heard]:
    """What the steps heard of some new recordings, a step each."""
    before = len(cluster.heard())
    cluster.record(NUM_STEPS, partition, 12.0)
    cluster.on(cluster.head, "run", **variables)
    return cluster.heard()[before:]


def measure(wait_s: float) -> dict[str, float]:
    """All figures."""
    with cluster_project(wait_s=wait_s) as cluster:
        both = heard_of(cluster, "both")
        second = cluster.workers[-1]
        cluster.on(second, "cluster", "leave", **cluster.own(second))
        single = heard_of(cluster, "single")
        local = heard_of(cluster, "local", CLUSTER_ADDRESS="")
    return {
        "num_steps": NUM_STEPS,
        "wait_s": wait_s,
        "two_hosts_s": span_s(both),
        "one_host_s": span_s(single),
        "two_over_one": span_s(single) / span_s(both),
        "cpu_s_each_step_ray": mean(one.cpu_s for one in both),
        "cpu_s_each_step_local": mean(one.cpu_s for one in local),
    }


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds in each step")
    asked = parser.parse_args()
    figures = measure(asked.wait)
    for name, value in figures.items():
        print(f"{name:<32} {value:.2f}")
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine.facts(), **figures}, indent=1))


if __name__ == "__main__":
    main()
