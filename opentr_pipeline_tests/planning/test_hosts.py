"""Which clusters are refused, in one sentence; the hosts are folders here."""

import dataclasses
import io
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import obstore
import pytest

from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.cli.shared import settings_of as command_settings
from opentr_pipeline.devices.cluster_slots import Host
from opentr_pipeline.errors import OpentrError
from opentr_pipeline.planning import hosts
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.services import host_look, ray_cluster
from opentr_pipeline.services.ray_cluster import RayCluster
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline_tests import making
from opentr_pipeline_tests.bucket_server import new_bucket

ADDRESS = "http://head:8265"
HEAD = Host("n0", "10.0.0.1", 0, 0, "head")
HOST = Host("n1", "10.0.0.2", 2, 0, "one")
Say = Callable[[dict[str, str]], str]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    making.wav(tmp_path / "archive" / "radio" / "1.wav")
    (tmp_path / "models").mkdir()
    return making.settings_of(
        ARCHIVE_DIR=tmp_path / "archive",
        OUTPUT_DIR=tmp_path / "output",
        OPENTR_HOME=tmp_path / "state",
        MODELS_DIR=tmp_path / "models",
        CLUSTER_ADDRESS=ADDRESS,
        GPU_SCALE_ENABLED=True,
        GPU_SCALE_DEVICE_ID="cpu",
        GPU_SCALE_WORKERS=2,
        DAGSTER_POSTGRES_URL="postgresql://opentr@10.0.0.1/opentr",
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were asked; they see what this machine sees."""
    return cluster_of(monkeypatch, [HEAD, HOST], lambda kept: json.dumps(host_look.facts(kept)))


def cluster_of(monkeypatch: pytest.MonkeyPatch, there: list[Host], say: Say) -> list[str]:
    names: list[str] = []

    def say_on_each(
        self: RayCluster, found: Sequence[Host], program: str, environment: Mapping[str, str]
    ) -> dict[str, str]:
        names.extend(host.name for host in found)
        kept = json.loads(shlex.split(program)[-1])
        return {host.node: f"noise\n{host_look.MARK}{say(kept)}\n" for host in found}

    monkeypatch.setattr(RayCluster, "hosts", lambda self: there)
    monkeypatch.setattr(RayCluster, "say_on_each", say_on_each)
    return names


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(OpentrError) as caught:
        act()
    said = str(caught.value)
    assert said.count("\n") == 0
    return said


def test_hosts_are_looked_at_once(settings: Settings, asked: list[str]) -> None:
    for _ in range(3):
        assert [host.name for host in hosts.meet(settings)] == ["one"]
    assert asked == ["one"], "the head has no slots, and a host is asked once"
    assert [slot.name for slot in Setup(settings).slots] == ["one-cpu.slot-0", "one-cpu.slot-1"]


def test_a_cluster_without_hosts_says_how_to_join(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_of(monkeypatch, [HEAD], lambda kept: json.dumps(host_look.facts(kept)))
    assert "cluster join head:6379" in refusal(lambda: Setup(settings).slots)


def test_a_host_that_joins_again_is_looked_at_again(
    settings: Settings, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.meet(settings)
    again = Host("n2", HOST.address, HOST.num_cpus, 0, HOST.name)
    names = cluster_of(monkeypatch, [again], lambda kept: json.dumps(host_look.facts(kept)))
    assert [host.node for host in hosts.meet(settings)] == ["n2"]
    assert names == ["one"]


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("OUTPUT_DIR", "output/.store/cluster-token"),
        ("OPENTR_HOME", "state/archives/*/cluster-token"),
        ("ARCHIVE_DIR", "archive/radio/1.wav"),
        ("MODELS_DIR", "models"),
    ],
)
def test_a_folder_that_a_host_does_not_share_is_refused(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    path: str,
) -> None:
    def elsewhere(kept: dict[str, str]) -> str:
        """The folder is there, and it is another one."""
        (place,) = tmp_path.glob(path)
        if place.name == "cluster-token":
            place.write_text("of another folder")
        else:
            place.rename(place.with_name("gone"))
        return json.dumps(host_look.facts(kept))

    cluster_of(monkeypatch, [HOST], elsewhere)
    said = refusal(lambda: hosts.meet(settings))
    assert said.startswith(f"{variable}={tmp_path}")
    assert "one (10.0.0.2)" in said


def test_another_release_on_a_host_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"version": "0.0.9", "cards": [], "missing": []}
    cluster_of(monkeypatch, [HOST], lambda kept: json.dumps(old))
    assert "0.0.9" in refusal(lambda: hosts.meet(settings))


def test_a_cluster_with_sqlite_is_refused(settings: Settings) -> None:
    in_sqlite = settings.model_copy(update={"dagster_postgres_url": ""})
    assert "PostgreSQL" in refusal(lambda: hosts.meet(in_sqlite))


@pytest.mark.slow
def test_a_bucket_must_be_within_a_hosts_reach_and_nothing_else_is_shared(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, buckets: str
) -> None:
    bucket = new_bucket(buckets)
    places = {"output_dir": f"s3://{bucket}/tables", "archive_dir": f"s3://{bucket}/media"}
    in_bucket = settings.model_copy(update={**places, "s3_endpoint_url": buckets})
    obstore.put(object_store(BucketAddress(places["archive_dir"], buckets)), "1.wav", b"sound")
    asked: list[dict[str, str]] = []

    def here(kept: dict[str, str]) -> str:
        asked.append(kept)
        return json.dumps(host_look.facts(kept))

    cluster_of(monkeypatch, [HOST], here)
    assert hosts.meet(in_bucket)
    assert asked[0].keys() == {"OUTPUT_DIR", "ARCHIVE_DIR", "MODELS_DIR"}
    for name, told in (("OUTPUT_DIR", "another token"), ("ARCHIVE_DIR", "")):
        place, _, server = asked[0][name].split("\n")
        elsewhere = {name: f"{place}{'' if told else '/none'}\n{told}\n{server}"}
        assert host_look.looked_for(elsewhere) == [name]

    again = dataclasses.replace(HOST, node="n2")
    cluster_of(monkeypatch, [again], lambda kept: json.dumps(host_look.facts(kept | elsewhere)))
    said = refusal(lambda: hosts.meet(in_bucket))
    assert said.startswith(f"ARCHIVE_DIR={places['archive_dir']} is not shared with one")
    assert "credentials" in said


def test_a_cluster_without_its_library_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    assert "extra cluster" in refusal(lambda: hosts.meet(settings))


def test_a_head_that_is_not_there_is_a_sentence(settings: Settings) -> None:
    nobody = settings.model_copy(update={"cluster_address": "http://127.0.0.1:9"})
    assert "CLUSTER_ADDRESS=http://127.0.0.1:9" in refusal(lambda: hosts.meet(nobody))
    assert not RayCluster(nobody.cluster_address).answers()


def test_long_shards_and_runs_are_the_default_of_a_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = making.settings_of(CLUSTER_ADDRESS=f"{ADDRESS}/")
    assert (cluster.shard_audio_s, cluster.run_max_audio_s) == (14_400, 14_400_000)
    assert cluster.cluster_address == ADDRESS
    assert making.settings_of(CLUSTER_ADDRESS=ADDRESS, SHARD_AUDIO_S=60).shard_audio_s == 60
    typed = command_settings(None, gpu_scale=False, typed={"cluster_address": ADDRESS})
    assert typed.shard_audio_s == 14_400
    refused = refusal(lambda: making.settings_of(CLUSTER_ADDRESS="ray://head:10001"))
    assert "http://head.example:8265" in refused


def test_what_a_host_prints_can_be_read_among_other_things() -> None:
    said = io.StringIO()
    said.write("warning: something\n")
    said.write(f"{host_look.MARK}{json.dumps(host_look.facts({'ARCHIVE_DIR': '/nowhere'}))}\n")
    assert host_look.read(said.getvalue())["missing"] == ["ARCHIVE_DIR"]
    with pytest.raises(ValueError, match="nothing"):
        host_look.read("nothing of the kind")
