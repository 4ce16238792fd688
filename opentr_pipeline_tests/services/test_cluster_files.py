"""The files for the machines of a cluster: for compose, and for Kubernetes."""

from typing import Any

import yaml

from opentr_pipeline.services.cluster_node import HEAD_PORT, PAGE_PORT, START_TIMEOUT_S
from opentr_pipeline.services.stack_settings import HostCards
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.making import settings_of

DOCKER = PROJECT_ROOT / "docker"
SHARED = ("ARCHIVE_DIR", "OUTPUT_DIR", "OPENTR_HOME", "MODELS_DIR")


def read(name: str) -> Any:
    return yaml.safe_load((DOCKER / name).read_text())


def test_the_stack_of_a_cluster_sees_the_paths_that_its_hosts_see() -> None:
    services = read("docker-compose.cluster.yml")["services"]
    ours = {name: service for name, service in services.items() if name != "postgres"}
    assert {service["image"] for service in ours.values()} == {"opentr-pipeline:cluster"}
    for service in ours.values():
        assert service["environment"] == {name: f"${{{name}:?}}" for name in SHARED}
    mounts = [f"${{{name}:?}}:${{{name}:?}}" for name in SHARED]
    assert services["code"]["volumes"] == [f"{mounts[0]}:ro", *mounts[1:]]
    # Without the archive and the models; the daemon and the page need neither.
    assert services["daemon"]["volumes"] == services["webserver"]["volumes"] == mounts[1:3]
    assert services["postgres"]["ports"] == ["5432:5432"]


def test_the_stack_of_a_cluster_needs_no_card_on_its_own_machine() -> None:
    cluster = settings_of(CLUSTER_ADDRESS="http://head:8265", GPU_SCALE_ENABLED=True)
    assert HostCards.of(cluster, []).used == ()


def test_containers_are_started_as_our_commands_start_machines() -> None:
    compose = read("cluster/docker-compose.yml")
    head, host = (compose["services"][name] for name in ("head", "host"))
    assert {f"--port={HEAD_PORT}", f"--dashboard-port={PAGE_PORT}"} <= set(head["command"])
    assert f"--address=${{HEAD}}:{HEAD_PORT}" in host["command"]
    kuberay = read("cluster/kuberay.yml")["spec"]
    (in_pod,) = kuberay["headGroupSpec"]["template"]["spec"]["containers"][0]["env"]
    for said in (compose["x-environment"]["RAY_JOB_START_TIMEOUT_SECONDS"], in_pod["value"]):
        assert said == str(START_TIMEOUT_S)
    pinned = (PROJECT_ROOT / "pyproject.toml").read_text()
    assert f"ray[client,default]=={kuberay['rayVersion']}" in pinned
