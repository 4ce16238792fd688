"""What Ray costs each step beside a process of this machine, and what a second host brings.

    python -m benchmarks.cluster --json cluster.json

As root: it makes a head and two hosts of its own in namespaces, as the tests do. The recognizer
waits and computes nothing, so that what is measured is neither the machine's cores nor a model. CPU
seconds are those of all processes of the hosts and of the command, less what idle hosts take.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from opentr_pipeline_tests.cluster_project import ClusterProject, Heard, cluster_project
from opentr_pipeline_tests.virtual_hosts import VirtualHost

NUM_STEPS = 8
WAIT_S = 12.0
IDLE_S = 10.0


def cpu_s(hosts: Sequence[VirtualHost]) -> float:
    """Seconds that the processes of hosts have computed, those that have ended included."""
    places = {os.readlink(f"/proc/{host.pid}/ns/pid") for host in hosts}
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "ns/pid") in places:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # its own, and of its children that ended
        except OSError:  # it ended meanwhile
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def children_cpu_s() -> float:
    """Seconds that commands which have ended computed, with all that they had started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(cluster: ClusterProject, partition: str, **variables: str) -> tuple[float, float, float]:
    """Transcribe some recordings, a step each: wall, CPU of the hosts, CPU of the command."""
    cluster.record(NUM_STEPS, partition, 12.0)
    started, hosts, command = time.monotonic(), cpu_s(cluster.workers), children_cpu_s()
    cluster.on(cluster.head, "run", **variables)
    wall_s = time.monotonic() - started
    return wall_s, cpu_s(cluster.workers) - hosts, children_cpu_s() - command


def span_s(heard: Sequence[Heard]) -> float:
    """From the first recording that a step began to the last that one ended."""
    return max(one.ended for one in heard) - min(one.began for one in heard)


def measure() -> dict[str, float]:
    """All figures."""
    with cluster_project(("head", "host1", "host2"), WAIT_S) as cluster:
        second = cluster.workers[-1]
        started, before = time.monotonic(), cpu_s(cluster.workers)
        time.sleep(IDLE_S)
        idle = (cpu_s(cluster.workers) - before) / (time.monotonic() - started)
        both_s, on_hosts_s, command_s = run(cluster, "both")
        two = span_s(cluster.heard())
        cluster.on(second, "cluster", "leave", **cluster.own(second))
        seen = len(cluster.heard())
        run(cluster, "single")
        one = span_s(cluster.heard()[seen:])
        local_s = children_cpu_s()
        run(cluster, "local", CLUSTER_ADDRESS="")
        local_s = children_cpu_s() - local_s
    ray_s = on_hosts_s - idle * both_s
    return {
        "num_steps": NUM_STEPS,
        "wait_s": WAIT_S,
        "idle_cores_of_two_hosts": idle,
        "cpu_s_of_the_hosts_each_step": ray_s / NUM_STEPS,
        "cpu_s_of_the_command_each_step": command_s / NUM_STEPS,
        "cpu_s_of_a_local_run_each_step": local_s / NUM_STEPS,
        "two_hosts_s": two,
        "one_host_s": one,
        "two_over_one": one / two,
    }


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args()
    figures = measure()
    for name, value in figures.items():
        print(f"{name:<32} {value:.2f}")
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine.facts(), **figures}, indent=1))


if __name__ == "__main__":
    main()
