"""A real Ray cluster of a head and two hosts, each with a network and processes of its own.

What is typed here is what docs/guides/cluster.md says to type. The recognizer waits and needs no
CPU; everything else is real: Ray, PostgreSQL, Dagster, the leases.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from opentr_pipeline.services import log_files
from opentr_pipeline_tests.cluster_project import (
    NUM_SLOTS,
    ClusterProject,
    Heard,
    cluster_project,
)
from opentr_pipeline_tests.conftest import RecordProperty, wait_for
from opentr_pipeline_tests.virtual_hosts import need_hosts

pytestmark = pytest.mark.cluster
NUM_RECORDINGS = 12


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterProject]:
    need_hosts()
    with cluster_project() as project:
        yield project


def most_at_once(heard: Sequence[Heard]) -> int:
    changes = sorted(change for one in heard for change in ((one.began, 1), (one.ended, -1)))
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def check_all_there(cluster: ClusterProject, num: int) -> None:
    """Nothing is lost, and nothing is there twice."""
    rows = cluster.rows("transcripts")
    assert Counter(row["status"] for row in rows) == {"ok": num}
    assert len({row["path"] for row in rows}) == num
    words = Counter(row["recording_id"] for row in cluster.rows("words"))
    assert words == dict.fromkeys((row["recording_id"] for row in rows), 1)


def slot_logs(cluster: ClusterProject) -> list[Path]:
    return list(log_files.slot_logs(cluster.settings.workspace.dagster_home).glob("*.log"))


def test_two_runs_at_once_use_all_slots_of_both_hosts_and_no_more(
    cluster: ClusterProject, record_property: RecordProperty
) -> None:
    head = cluster.head
    cluster.record(NUM_RECORDINGS, "radio")
    cluster.record(NUM_RECORDINGS, "film")
    cluster.on(head, "scan")
    asked = ("dagster", "asset", "materialize", "--select", "transcripts", "--partition")
    runs = [cluster.begin(head, *asked, "film"), cluster.begin(head, "run")]
    wait_for(lambda: len(cluster.heard()) > 1)
    said = cluster.on(head, "cluster", "status") + cluster.on(head, "queue")
    assert said.count("of 4 worker slots in use") == 2
    assert "host1: " in said or "host1 " in said
    for run in runs:
        printed, _ = run.communicate(timeout=400)
        assert run.returncode == 0, printed
    check_all_there(cluster, 2 * NUM_RECORDINGS)
    assert {path.stem for path in slot_logs(cluster)} == {
        f"{host.name}.cpu.slot-{number}" for host in cluster.workers for number in range(NUM_SLOTS)
    }
    heard = cluster.heard()
    assert len(heard) == 2 * NUM_RECORDINGS, "something was heard twice"
    by_host = {
        host.name: [one for one in heard if one.host == host.name] for host in cluster.workers
    }
    at_once = {name: most_at_once(found) for name, found in by_host.items()}
    assert set(at_once.values()) == {NUM_SLOTS}
    took_s = max(one.ended for one in heard) - min(one.began for one in heard)
    record_property("figures", f"cluster: two runs, at once {at_once}, {took_s:.0f} s of steps")


def test_start_dev_hands_an_upload_to_the_hosts(
    cluster: ClusterProject, record_property: RecordProperty
) -> None:
    head = cluster.head
    by_flag = {"CLUSTER_ADDRESS": "", "UPLOAD_SETTLE_S": "2"}
    cluster.on(head, "dagster", "sensor", "stop", "refreshes", **by_flag)
    address = cluster.environ["CLUSTER_ADDRESS"]
    cluster.on(head, "start", "dev", "--cluster", address, **by_flag)
    try:
        cluster.record(1, "uploads")
        came_at = time.time()
        wait_for(lambda: "uploads/000.wav" in cluster.transcripts())
        took_s = time.time() - came_at
    finally:
        cluster.on(head, "stop", **by_flag)
    assert cluster.heard()[-1].host in {host.name for host in cluster.workers}
    record_property("figures", f"cluster: an upload was published after {took_s:.0f} s")


def test_a_step_a_host_and_the_head_may_die(
    cluster: ClusterProject, record_property: RecordProperty
) -> None:
    cluster.record(NUM_RECORDINGS, "lost")
    before = len(cluster.heard())
    run = cluster.begin(cluster.head, "run")
    first, second = cluster.workers
    wait_for(lambda: cluster.steps_on(first) and len(cluster.heard()) > before)
    killed_at = time.time()
    os.kill(cluster.steps_on(first)[0], signal.SIGKILL)
    second.power_off()
    cluster.network.boot(second)
    cluster.join(second)
    wait_for(
        lambda: any(one.began > killed_at and one.host == second.name for one in cluster.heard())
    )
    back_s = time.time() - killed_at
    for process in cluster.processes_of_head():
        os.kill(process, signal.SIGKILL)
    head_at = time.time()
    said = cluster.on(cluster.head, "health", code=1)
    assert "does not answer" in said
    assert time.time() - head_at < 60
    printed, _ = run.communicate(timeout=500)
    assert run.returncode == 0, printed
    check_all_there(cluster, 3 * NUM_RECORDINGS + 1)
    ended_s = time.time() - head_at
    record_property(
        "figures",
        f"cluster: step killed and host off, work there again after {back_s:.0f} s; head killed, "
        f"run at its end after {ended_s:.0f} s",
    )
