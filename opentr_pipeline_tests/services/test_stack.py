"""The production stack on a real engine, from an upload to a restored backup, in this order."""

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from opentr_pipeline.services.stack import PROJECT_LABEL, RUNS_LABEL, Stack
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.page_api import free_port
from opentr_pipeline_tests.runs import SAMPLES, speech_file

pytestmark = [pytest.mark.stack, pytest.mark.slow]
NUM_SAMPLES = 18
NUM_TAPES = 20
RUNS = """{ runsOrError { ... on Runs { results {
  runId status parentRunId tags { key value } } } } }"""
PARTITIONS = """{ assetNodeOrError(assetKey: {path: ["transcripts"]}) { ... on AssetNode {
  partitionStats { numMaterialized numFailed } } } }"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Stack]]:
    """A stack of two CPU slots on an empty archive, which fetches its model itself."""
    if not shutil.which("docker") or subprocess.run(["docker", "info"], check=False).returncode:
        pytest.skip("the production stack (no Docker engine answers)")
    folder = tmp_path_factory.mktemp("stack")
    (folder / "archive").mkdir()
    project = Project(
        folder,
        folder / "archive",
        DAGSTER_PORT=free_port(),
        GPU_SCALE_DEVICE_ID="cpu",
        GPU_SCALE_WORKERS="2",
        MODELS_DIR=str(folder / "models"),
        POSTGRES_PASSWORD="not / so:simple@all$",
        RUN_MEMORY="6g",
        SHARD_AUDIO_S="60",
        UPLOAD_SETTLE_S="2",
    )
    project.opentr("start", "prod", "--gpu-scale")
    one = Stack(project.settings)
    yield project, one
    project.opentr("stop")
    one.delete_state()
    assert not one.is_running()


def inspected(*filters: str) -> list[dict[str, Any]]:
    """What Docker says about the containers with these labels that work at this moment."""
    labels = [part for label in filters for part in ("--filter", f"label={label}")]
    found = subprocess.check_output(["docker", "ps", "-q", *labels], text=True).split()
    if not found:
        return []
    # Of those that have ended since it says nothing, and fails.
    asked = subprocess.run(["docker", "inspect", *found], check=False, stdout=subprocess.PIPE)
    said: list[dict[str, Any]] = json.loads(asked.stdout)
    return said


def asked(stack: Stack, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {stack.token}"}
    request = urllib.request.Request(f"{stack.address}/graphql", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        (said,) = json.load(answer)["data"].values()
    return said


def transcribing(stack: Stack) -> list[dict[str, Any]]:
    """The runs as the page shows them, less those that make subtitles and pages of the others."""
    found: list[dict[str, Any]] = asked(stack, RUNS)["results"]
    return [one for one in found if "refreshes" not in {tag["value"] for tag in one["tags"]}]


def runs(stack: Stack) -> dict[str, str]:
    """The status of each of these."""
    return {one["runId"]: one["status"] for one in transcribing(stack)}


def is_over(stack: Stack) -> bool:
    """Whether every run has ended, and each that was lost has been taken up with success."""
    found = transcribing(stack)
    lost = {one["runId"] for one in found if one["status"] == "FAILURE"}
    taken_up = {one["parentRunId"] for one in found if one["status"] == "SUCCESS"}
    return lost <= taken_up and {one["status"] for one in found} <= {"SUCCESS", "FAILURE"}


def working_runs(stack: Stack) -> list[dict[str, Any]]:
    """The containers of these, once there are any."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        containers = inspected(f"{RUNS_LABEL}={stack.project}")
        ours = runs(stack)
        found.extend(one for one in containers if run_of(one) in ours)
        return bool(found)

    wait_for(look)
    return found


def run_of(container: dict[str, Any]) -> str:
    return str(container["Config"]["Labels"]["dagster/run_id"])


def known(project: Project, stack: Stack) -> tuple[object, ...]:
    """All that must outlive a restart, and a reset that a restore takes back."""
    status = json.loads(project.opentr("prod", "status", "--json"))
    counts = [status[f"num_{what}"] for what in ("done", "missing", "stale", "failed")]
    times = {path: row["transcribed_at"] for path, row in project.transcripts().items()}
    return runs(stack), asked(stack, PARTITIONS), counts, times


def test_what_is_uploaded_is_transcribed_in_a_container(stack: tuple[Project, Stack]) -> None:
    project, one = stack
    shutil.copytree(SAMPLES, project.archive, dirs_exist_ok=True)
    container = working_runs(one)[0]
    mounts = {mount["Destination"]: mount["RW"] for mount in container["Mounts"]}
    assert mounts == {
        "/archive": False,
        **dict.fromkeys(("/output", "/state", "/models", "/slots"), True),
    }
    assert container["HostConfig"]["Memory"] == 6 * 2**30
    assert container["HostConfig"]["CapDrop"] == ["ALL"]

    wait_for(lambda: len(project.transcripts()) == NUM_SAMPLES)
    wait_for(lambda: is_over(one))
    assert set(runs(one).values()) == {"SUCCESS"}
    statuses = [row["status"] for row in project.transcripts().values()]
    assert statuses.count("ok") == 15
    (row,) = [row for path, row in project.transcripts().items() if "harvest_report" in path]
    assert "farmers" in str(row["text"])


def test_pages_and_subtitles_follow_and_lead_to_the_archive_of_the_host(
    stack: tuple[Project, Stack],
) -> None:
    project, _ = stack
    output = project.settings.workspace.output
    page = output / "pages" / "recordings" / "radio" / "harvest_report.flac.html"
    wait_for(lambda: page.exists() and (output / "pages" / "index.html").exists())
    wait_for((output / "exports" / "radio" / "harvest_report.flac.srt").exists)
    links = [os.readlink(path) for path in (output / "pages" / "media").rglob("*.flac")]
    assert str(project.archive / "radio" / "harvest_report.flac") in links


def is_open(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as knocking:
        return knocking.connect_ex((host, port)) == 0


def test_nobody_but_the_database_is_root_and_only_loopback_is_open(
    stack: tuple[Project, Stack],
) -> None:
    project, one = stack
    containers = inspected(f"{PROJECT_LABEL}={one.project}")
    assert len(containers) == 4
    for container in containers:
        name = container["Config"]["Labels"]["com.docker.compose.service"]
        user = container["Config"]["User"].split(":")[0]
        assert (name == "postgres") == (user in ("", "0", "root"))
        for ports in (container["NetworkSettings"]["Ports"] or {}).values():
            assert {port["HostIp"] for port in ports or []} <= {"127.0.0.1"}
    for container in containers:  # every user of the host reaches its own address
        (network,) = container["NetworkSettings"]["Networks"].values()
        name = container["Config"]["Labels"]["com.docker.compose.service"]
        open_ports = [port for port in (3000, 4000, 5432) if is_open(network["IPAddress"], port)]
        assert open_ports == {"webserver": [3000], "postgres": [5432]}.get(name, [])
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(one.address, timeout=60)
    assert refused.value.code == 401
    assert "start prod printed" in refused.value.read().decode()
    assert "code location loaded" in project.opentr("prod", "health")
    assert "Schedule: nights" in project.opentr("prod", "dagster", "schedule", "list")
    assert one.address in project.opentr("status")
    assert "already" in project.opentr("start", "prod", code=2)


def test_a_run_whose_container_is_killed_is_taken_up(stack: tuple[Project, Stack]) -> None:
    project, one = stack
    tapes = [project.folder / "tapes" / f"{n}.wav" for n in range(NUM_TAPES)]
    for number, path in enumerate(tapes):
        speech_file(path, number)
    (project.folder / "tapes").rename(project.archive / "tapes")
    wait_for(lambda: len(project.kept_times()) > NUM_TAPES // 6)
    containers = working_runs(one)
    ids = [container["Id"] for container in containers]
    done = subprocess.run(["docker", "kill", *ids], check=False, stdout=subprocess.PIPE, text=True)
    kept = project.kept_times()
    assert len(kept) < NUM_TAPES

    wait_for(lambda: len(project.transcripts()) == NUM_SAMPLES + NUM_TAPES)
    killed = {run_of(one) for one in containers if one["Id"] in done.stdout.split()}
    assert killed
    wait_for(lambda: killed <= {run for run, status in runs(one).items() if status == "FAILURE"})
    wait_for(lambda: is_over(one))
    rows = [row for path, row in project.transcripts().items() if path.startswith("tapes/")]
    assert {row["status"] for row in rows} == {"ok"}
    times = {row["media_fingerprint"]: row["transcribed_at"] for row in rows}
    assert kept.items() <= times.items(), "what was done before the kill is not done again"


def test_a_restart_forgets_nothing(stack: tuple[Project, Stack]) -> None:
    project, one = stack
    before = known(project, one)
    # What a start needs a stop does not.
    assert project.opentr("stop", POSTGRES_PASSWORD="").startswith("Stopped prod.")
    assert not one.is_running()
    assert "first started with" in project.opentr("start", "prod", code=2, POSTGRES_PASSWORD="x")
    assert not one.is_running()
    project.opentr("start", "prod", "--gpu-scale")
    assert known(project, one) == before


def test_a_backup_brings_back_what_a_reset_deleted(stack: tuple[Project, Stack]) -> None:
    project, one = stack
    before = known(project, one)
    file = project.folder / "state.backup"
    project.opentr("backup", str(file))
    reset = ("reset", "prod", "--gpu-scale")
    assert "--yes" in project.opentr(*reset, code=2)
    assert "no model nonsense" in project.opentr(*reset, "--yes", code=2, WHISPER_MODEL="nonsense")
    assert known(project, one) == before

    project.opentr(*reset, "--yes")
    assert runs(one) == {}
    assert len(project.transcripts()) == NUM_SAMPLES + NUM_TAPES

    project.opentr("restore", str(file), "--gpu-scale", "--yes")
    assert known(project, one) == before
    assert project.opentr("logs", "prod", "daemon", "--no-follow")
