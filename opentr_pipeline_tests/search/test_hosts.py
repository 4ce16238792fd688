"""Hosts that publish into one bucket: each finds what any has said, and so does the index there."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import obstore
import pytest
from click.testing import CliRunner
from obstore.store import ObjectStore

from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.cli.app import main
from opentr_pipeline.defs.derived_assets import BY_PARTITION
from opentr_pipeline.errors import StoreError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.transcripts.published import store_of
from opentr_pipeline.transcripts.store import Entry
from opentr_pipeline_tests.bucket_server import new_bucket
from opentr_pipeline_tests.making import recording, transcript

Host = Callable[[str], Settings]


@pytest.fixture
def host(tmp_path: Path, buckets: str, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Settings by a host's name, which are the environment's as well from then on."""
    (tmp_path / "archive").mkdir()
    shared = {
        "ARCHIVE_DIR": str(tmp_path / "archive"),
        "OUTPUT_DIR": f"s3://{new_bucket(buckets)}/tables",
        "S3_ENDPOINT_URL": buckets,
    }

    def called(name: str) -> Settings:
        variables = {**shared, "OPENTR_HOME": str(tmp_path / name)}
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        return load_settings(variables, env_file=None)

    return called


def publish(settings: Settings, path: str, text: str) -> None:
    one, store = recording(path, path, path.partition("/")[0]), store_of(settings.workspace)
    store.write_recordings(one.partition_key, [one])
    store.publish(one.partition_key, [Entry(one.recording_id, path, transcript(path, text))])


def found(*words: str) -> str:
    result = CliRunner().invoke(main, ["search", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_each_host_finds_what_any_has_published_and_needs_no_index_of_another(host: Host) -> None:
    publish(host("one"), "radio/a.wav", "the lighthouse stands")
    assert "radio/a.wav" in found("lighthouse")
    publish(host("two"), "film/b.wav", "another lighthouse burns")
    assert {"radio/a.wav", "film/b.wav"} <= set(found("lighthouse").split())
    host("one")
    assert {"radio/a.wav", "film/b.wav"} <= set(found("lighthouse").split())


def made_by_two(name: str, host: Host) -> ObjectStore:
    """The bucket after two hosts have published and made something, each of its own partition."""
    for called, key, path in (("one", "radio", "radio/a.wav"), ("two", "film", "film/b.wav")):
        settings = host(called)
        publish(settings, path, "the lighthouse stands")
        of_partition, last_act = BY_PARTITION[name][1](Setup(settings))
        of_partition(key)
        last_act()
    place = host("three").workspace.output_bucket
    assert place
    return object_store(place)


def test_the_index_that_is_sent_has_what_all_hosts_have_published(
    host: Host, tmp_path: Path
) -> None:
    """Whichever of them has sent it last, though each makes its own partitions alone."""
    store = made_by_two("search_index", host)
    (index,) = (o["path"] for page in obstore.list(store, ".store/search") for o in page)
    (tmp_path / "index").write_bytes(obstore.get(store, index).bytes())
    with closing(sqlite3.connect(tmp_path / "index")) as database:
        rows = database.execute("SELECT path FROM recordings ORDER BY path").fetchall()
    assert rows == [("film/b.wav",), ("radio/a.wav",)]


def test_what_hinders_the_index_of_another_hosts_partition_is_said(host: Host) -> None:
    publish(host("one"), "radio/a.wav", "the lighthouse stands")
    settings = host("two")
    publish(settings, "film/b.wav", "another lighthouse burns")
    of_partition, last_act = BY_PARTITION["search_index"][1](Setup(settings))
    for table in settings.workspace.output.rglob("radio*/**/*.parquet"):
        table.unlink()
    of_partition("film")
    with pytest.raises(StoreError, match="radio"):
        last_act()


def test_home_and_the_index_of_visitors_name_what_all_hosts_have_published(host: Host) -> None:
    store = made_by_two("pages", host)
    for name in ("index.html", "search/manifest.js"):
        text = bytes(obstore.get(store, f"pages/{name}").bytes()).decode()
        assert [key for key in ("film", "radio") if key in text] == ["film", "radio"], name
