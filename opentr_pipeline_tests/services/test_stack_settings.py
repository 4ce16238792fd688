"""What the production stack is told, what it refuses, what a run's container gets; no engine."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from opentr_pipeline.defs.container_launcher import copied
from opentr_pipeline.devices.cards import Device, worker_slots
from opentr_pipeline.devices.shared_folder import CONTAINERS_USER
from opentr_pipeline.errors import OpentrError
from opentr_pipeline.launching.instance import LOCAL_LAUNCHER
from opentr_pipeline.services import docker, stack_settings
from opentr_pipeline.services.stack import Stack
from opentr_pipeline.services.stack_settings import HostCards, environment, list_host_cards
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.making import settings_of

COMPOSE = PROJECT_ROOT / "docker" / "docker-compose.yml"
UUIDS = [f"GPU-{digit * 8}-1111-2222-3333-444444444444" for digit in "abc"]
CARDS = [Device(str(n), uuid, "A card", 24 * 10**9) for n, uuid in enumerate(UUIDS)]
CPU_CARDS = HostCards((), "0", "cpu")


def told(tmp_path: Path, **variables: object) -> dict[str, str]:
    """The variables that the compose files get."""
    settings = settings_of(
        ARCHIVE_DIR=tmp_path / "archive", POSTGRES_PASSWORD="secret", **variables
    )
    return environment(settings, CPU_CARDS, tmp_path / "state")


# What only the compose file says.
ON_HOST = {"OPENTR_IN_STACK", "OPENTR_ARCHIVE_ON_HOST", "OPENTR_OUTPUT_ON_HOST"}


def compose_file(name: str = COMPOSE.name) -> Any:
    return yaml.safe_load((COMPOSE.parent / name).read_text())


def test_a_container_gets_every_setting_but_the_password() -> None:
    host_only = {"POSTGRES_PASSWORD", "PROMETHEUS_FILE", "RUN_MEMORY"}
    host_only |= {"S3_ENDPOINT_URL", "BUCKET_LOOK_S"}  # the stack takes folders
    names = {name.upper() for name in Settings.model_fields}
    for service in ("code", "webserver", "daemon"):
        said = compose_file()["services"][service]["environment"]
        assert said.keys() == names - host_only | ON_HOST | {"OPENTR_COMMAND"}
        assert said["ARCHIVE_DIR"] == "/archive"


def test_the_words_that_a_container_gets_are_the_settings(tmp_path: Path) -> None:
    said = told(tmp_path, WHISPER_HOTWORDS="a $b, 'c' \"d\"", GPU_SCALE_ENABLED="1")
    inside = {name: said[name] for name in compose_file()["x-settings"] if name in said}
    settings = load_settings(inside, None)
    assert settings.whisper_hotwords == "a $b, 'c' \"d\""
    assert settings.gpu_scale_enabled


def test_a_password_may_hold_anything(tmp_path: Path) -> None:
    settings = settings_of(POSTGRES_PASSWORD="a/b:c@d %$", ARCHIVE_DIR=tmp_path)
    said = environment(settings, CPU_CARDS, tmp_path)
    assert "opentr:a%2Fb%3Ac%40d%20%25%24@postgres/opentr" in said["DAGSTER_POSTGRES_URL"]


def test_files_of_terms_and_options_must_be_in_the_archive(tmp_path: Path) -> None:
    inside = tmp_path / "archive" / "terms.txt"
    said = told(tmp_path, WHISPER_VOCABULARY_FILE=inside, FOLDER_OPTIONS_FILE="auto")
    assert said["WHISPER_VOCABULARY_FILE"] == "/archive/terms.txt"
    assert said["FOLDER_OPTIONS_FILE"] == "auto"
    for name in ("WHISPER_VOCABULARY_FILE", "FOLDER_OPTIONS_FILE"):
        with pytest.raises(OpentrError, match=f"{name}=.* is outside the archive"):
            told(tmp_path, **{name: tmp_path / "terms.txt"})


def test_what_cannot_be_mounted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for variable, value, why in (
        ("WHISPER_MODEL", tmp_path / "model", "is a directory, which the containers do not have"),
        ("MODELS_DIR", tmp_path / "a:b", "has a colon"),
    ):
        with pytest.raises(OpentrError, match=f"{variable}={value} {why}"):
            told(tmp_path, **{variable: value})


def test_the_containers_must_be_able_to_take_worker_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_settings, "user", lambda: os.getuid() + 1)
    monkeypatch.setattr(stack_settings, "group", lambda: os.getgid() + 1)
    slots = tmp_path / "kept"
    slots.mkdir(mode=0o755)
    with pytest.raises(OpentrError, match=f"WORKER_SLOTS_DIR={slots} cannot be written by user"):
        told(tmp_path, WORKER_SLOTS_DIR=slots)
    slots.chmod(0o777)
    assert told(tmp_path, WORKER_SLOTS_DIR=slots)["WORKER_SLOTS_DIR"] == str(slots)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives folders away")
def test_root_hands_over_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    settings = settings_of(
        ARCHIVE_DIR=tmp_path / "archive",
        OUTPUT_DIR=tmp_path / "out",
        MODELS_DIR=tmp_path / "models",
    )
    for name in ("transcripts/a.parquet", ".store/locks", "exports", "pages", "photos/a.jpg"):
        (tmp_path / "out" / name).mkdir(parents=True)
    stack_settings.make_folders(settings.workspace, tmp_path / "state")
    owners = {path.name: path.stat().st_uid for path in (tmp_path / "out").rglob("*")}
    theirs = {name for name, owner in owners.items() if owner == CONTAINERS_USER}
    assert theirs == {"transcripts", "a.parquet", ".store", "locks", "exports", "pages"}
    assert (tmp_path / "out").stat().st_uid == CONTAINERS_USER


def test_cards_are_named_by_what_they_are_called_everywhere() -> None:
    scaled = settings_of(
        GPU_SCALE_ENABLED="1",
        GPU_SCALE_DEVICE_ID=f"2,{UUIDS[0]}",
        GPU_SCALE_DEFAULT_WORKER="1",
        GPU_DEVICE_ID="1",
    )
    cards = HostCards.of(scaled, CARDS)
    assert cards.used == (UUIDS[2], UUIDS[0], UUIDS[1])
    assert cards.scaled == f"{UUIDS[2]},{UUIDS[0]}"
    assert cards.default == UUIDS[1]
    assert HostCards.of(settings_of(), []) == CPU_CARDS
    assert HostCards.of(settings_of(), CARDS).used == (UUIDS[0],)


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, *memory_mib: str) -> None:
    """A driver's tool that lists cards with so much memory."""
    rows = [f"{n}, {UUIDS[n]}, A card, {said}" for n, said in enumerate(memory_mib)]
    path = programs(folder, nvidia_smi="\n".join(f"echo '{row}'" for row in rows))
    monkeypatch.setenv("PATH", path)


def test_a_card_need_not_tell_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvidia_smi(tmp_path / "bin", monkeypatch, "24000", "[N/A]")
    assert [card.memory_bytes for card in list_host_cards()] == [24000 * 2**20, 0]


def test_cards_that_nobody_is_to_see_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_smi(tmp_path / "bin", monkeypatch, "24000", "24000", "24000")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    scaled = settings_of(GPU_SCALE_ENABLED="1", GPU_SCALE_DEVICE_ID="0")
    assert HostCards.of(scaled).used == (UUIDS[2],)


def test_the_overlay_reserves_cards_by_id_for_the_code_location_alone() -> None:
    overlay = compose_file("docker-compose.gpu-scale.yml")["services"]
    reserving = {name for name, service in overlay.items() if "deploy" in service}
    assert reserving == {"code"}
    (device,) = overlay["code"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["device_ids"] == ["${STACK_CARDS:?}"]
    assert {service["image"] for service in overlay.values()} == {"opentr-pipeline:gpu"}


def test_a_run_gets_what_the_code_location_has() -> None:
    request = {"Driver": "nvidia", "DeviceIDs": UUIDS[:1], "Capabilities": [["gpu"]]}
    host = {
        **dict.fromkeys(("CpuShares", "PidsLimit", "ShmSize", "CapDrop", "SecurityOpt"), None),
        **{"Memory": 8, "DeviceRequests": [request], "LogConfig": {}, "Init": True},
    }
    mounts = [
        {"Source": "/media", "Destination": "/archive", "RW": False},
        {"Name": "slots", "Source": "/var/x", "Destination": "/slots", "RW": True},
    ]
    made = copied({"HostConfig": host, "Config": {"User": "1000:1000"}, "Mounts": mounts})
    assert made["volumes"] == ["/media:/archive:ro", "slots:/slots:rw"]
    assert made["device_requests"] == [request]
    assert (made["mem_limit"], made["user"], made["init"]) == (8, "1000:1000", True)


def test_production_takes_all_of_dagster_yaml_but_the_launcher() -> None:
    assert (PROJECT_ROOT / "dagster.yaml").read_text().count(LOCAL_LAUNCHER) == 1


def programs(folder: Path, **scripts: str) -> str:
    """A PATH with these programs alone."""
    folder.mkdir()
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scripts", "said"),
    [
        ({}, "needs Docker, which is not installed"),
        ({"docker": "echo no daemon >&2; exit 1"}, "engine does not answer: no daemon"),
        ({"docker": "[ $1 = info ]"}, "Neither docker compose nor docker-compose"),
    ],
)
def test_start_prod_refuses_in_a_sentence(
    tmp_path: Path, scripts: dict[str, str], said: str
) -> None:
    project = Project(tmp_path, tmp_path / "archive", POSTGRES_PASSWORD="secret")
    path = programs(tmp_path / "bin", **scripts)
    refused = project.opentr("start", "prod", code=2, PATH=path)
    assert said in refused
    assert len(refused.splitlines()) == 1
    assert project.opentr("stop", PATH=path) == "Nothing was running.\n"


def test_an_archive_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", docker="exit 0"))
    archive = tmp_path / "misspelt"
    one = Stack(settings_of(ARCHIVE_DIR=archive, POSTGRES_PASSWORD="p", GPU_DEVICE_ID="cpu"))
    with pytest.raises(OpentrError, match=f"There is no folder {archive};"):
        one.check_possible()


def test_a_stack_is_stopped_whatever_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No password, no such card: the daemon goes first, the database last, the volume stays."""
    done: list[str] = []

    def call(*arguments: str) -> str:
        if "-q" in arguments:  # lists: what has these labels
            return arguments[-1].rpartition("=")[2]
        done.append(f"{arguments[0]} {arguments[-1]}")
        return ""

    monkeypatch.setattr(docker, "call", call)
    one = Stack(settings_of(ARCHIVE_DIR=tmp_path, GPU_SCALE_ENABLED="1", GPU_SCALE_DEVICE_ID="7"))
    one.stop()
    order = ("daemon", one.project, "webserver", "code", "postgres")
    removed = [f"{action} {what}" for what in order for action in ("stop", "rm")]
    assert done == [*removed, f"network {one.project}"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="a card")
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"POSTGRES_PASSWORD": ""}, "POSTGRES_PASSWORD"),
        ({"GPU_SCALE_ENABLED": "true"}, "no CUDA card"),
    ],
)
def test_start_prod_needs_a_password_and_the_cards(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    project = Project(tmp_path, tmp_path, **{"POSTGRES_PASSWORD": "p", **variables})
    path = programs(tmp_path / "bin", docker="exit 0")
    assert said in project.opentr("start", "prod", code=2, PATH=path)
    assert not (tmp_path / "state" / "prod").exists()


def test_who_looks_into_the_stack_need_not_say_what_it_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"ARCHIVE_DIR": tmp_path / "archive", "OPENTR_HOME": tmp_path / "state"}
    started = {"POSTGRES_PASSWORD": "secret", "DAGSTER_PORT": "3055", "GPU_SCALE_ENABLED": "true"}
    stack = Stack(settings_of(places, GPU_SCALE_DEVICE_ID="cpu", **started))
    for name in ("check_possible", "_build", "start_database", "_check_password", "inside"):
        monkeypatch.setattr(Stack, name, lambda *_: None)
    monkeypatch.setattr(Stack, "compose", lambda *_: "")
    monkeypatch.setattr(Stack, "is_running", lambda _: False)
    monkeypatch.setattr(Stack, "_is_ready", lambda _: True)
    stack.state.mkdir(parents=True)
    stack.start(print)

    seen = Stack.as_started(settings_of(places)).settings
    assert (seen.postgres_password, seen.dagster_port) == ("secret", 3055)
    assert len(worker_slots(seen, [])) == 4
    # Not where the containers or a backup have it, and nobody else's to read.
    assert [path.name for path in stack.state.iterdir()] == ["page.token"]
    [kept] = stack.state.parent.glob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
