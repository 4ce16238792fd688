"""What the head of a cluster says of its hosts and their steps; the head is a fake."""

import time
from pathlib import Path

import pytest

from opentr_pipeline.cli import cluster as commands
from opentr_pipeline.cli.queue import of_queue
from opentr_pipeline.devices.cards import Device
from opentr_pipeline.devices.cluster_slots import Host
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.monitoring.cluster import cluster_state, holders_anywhere
from opentr_pipeline.monitoring.health import check_all
from opentr_pipeline.planning import hosts
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.services.ray_cluster import Job, RayCluster
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.terminal import console
from opentr_pipeline_tests.making import settings_of

L4 = Device("0", "GPU-1", "NVIDIA L4", 1 << 34, (8, 9))
HOSTS = [Host("n1", "10.0.0.2", 8, 1, "two", "0.1.0", (L4,)), Host("n2", "10.0.0.3", 8, 0, "three")]
STEP = "transcripts.transcribe_shard[s00003]"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    since_s = time.time() - 190
    jobs = [
        Job("a", "RUNNING", "n1", "5c0e9b12-aaaa", STEP, since_s),
        Job("b", "PENDING", "", "5c0e9b12-aaaa", STEP.replace("3", "4"), since_s),
        Job("c", "RUNNING", "n1", "", "", since_s),  # none of ours
    ]
    monkeypatch.setattr(hosts, "meet", lambda settings: HOSTS)
    monkeypatch.setattr(hosts, "known_hosts", lambda settings: HOSTS)
    monkeypatch.setattr(RayCluster, "jobs", lambda self: jobs)
    return settings_of(
        OPENTR_HOME=tmp_path,
        CLUSTER_ADDRESS="http://head:8265",
        GPU_SCALE_ENABLED=True,
        GPU_SCALE_WORKERS=4,
    )


def test_the_hosts_their_cards_slots_and_steps(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    state = cluster_state(settings)
    assert (state.num_slots, state.num_running, state.num_waiting) == (4, 1, 1)
    commands._show(state)
    said = capsys.readouterr().out
    assert "NVIDIA L4  1 of 4  transcribe_shard[s00003] of run 5c0e9b12 for 3:10" in said
    assert "2 hosts, 1 of 4 worker slots in use, 1 step in the queue" in said


def test_who_holds_slots_on_other_machines_is_in_the_queue(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = holders_anywhere(Setup(settings))
    console().print(of_queue([], held, 4, []))
    said = capsys.readouterr().out
    assert "1 of 4 worker slots in use" in said
    assert "two transcribe_shard[s00003], run 5c0e9b12" in said

    def away(self: RayCluster) -> list[Job]:
        raise ServiceError("away")

    monkeypatch.setattr(RayCluster, "jobs", away)
    assert holders_anywhere(Setup(settings)) == []


def test_health_says_that_the_head_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> tuple[bool, str]:
        (found,) = [one for one in check_all(lambda: settings) if one.name == "cluster"]
        return found.is_ok, found.said

    assert said() == (True, "http://head:8265 has 4 worker slots on two, three")

    def away(settings: Settings) -> list[Host]:
        raise ServiceError("The head of the cluster does not answer.")

    monkeypatch.setattr(hosts, "meet", away)
    assert said() == (False, "The head of the cluster does not answer.")
