"""The real command on an archive in a bucket of a real server, with tables in a bucket too."""

import contextlib
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import obstore
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.services import log_files
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline_tests import making
from opentr_pipeline_tests.bucket_server import CREDENTIALS, Between, new_bucket
from opentr_pipeline_tests.cluster_project import WAITING
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.postgres import running_postgres
from opentr_pipeline_tests.runs import make_archive

pytestmark = pytest.mark.slow
FILES = (
    "opening_of_the_library.wav",
    "opening_of_the_library.reference.txt",
    "film/newsreel.mp4",
    "film/unfinished_copy.mp4",
    "radio/harvest_report.flac",
    "radio/blank_tape.flac",
)
# When something was done, and how long it took.
OTHER_EACH_TIME = {"modified_at", "transcribed_at", "wall_s"}
TABLES = ("recordings", "transcripts", "segments", "words")


def test_from_bucket_to_bucket_as_from_folder_to_folder(
    project: Callable[..., Project], buckets: str, tmp_path: Path
) -> None:
    here = make_archive(tmp_path / "archive", {name: name for name in FILES})
    (here / "opentr.toml").write_text('["radio"]\nhotwords = "harvest"\n')
    folder = Project(tmp_path / "folder", here)
    folder.opentr("run", str(here))

    with Between(buckets).running() as endpoint:
        bucket = new_bucket(buckets)
        media = BucketAddress(f"s3://{bucket}/media", endpoint)
        tables = BucketAddress(f"s3://{bucket}/tables", endpoint)
        for path in here.rglob("*.*"):
            obstore.put(object_store(media), str(path.relative_to(here)), path)
        there = project(
            Path("/nowhere"),
            ARCHIVE_DIR=media.url,
            OUTPUT_DIR=tables.url,
            S3_ENDPOINT_URL=endpoint,
        )
        said = there.opentr("run", media.url)
        assert "newsreel.mp4" in said
        assert f"{tables.url}/words" in said
        for table in TABLES:
            assert _rows(_public(tables, table)) == _rows(folder.store.read(table)), table

        assert "done" in there.opentr("status")
        assert "opening_of_the_library.wav" in there.opentr("search", "ladies")
        for command in ("export", "pages", "report"):
            there.opentr(command)
        # A host that has seen nothing of this reads what is there, and has nothing to do.
        other = Project(tmp_path / "other", Path("/nowhere"))
        other.environ.update(ARCHIVE_DIR=media.url, OUTPUT_DIR=tables.url, S3_ENDPOINT_URL=endpoint)
        assert "opening_of_the_library.wav" in other.opentr("search", "ladies")
        before = _names(tables)
        other.opentr("run")
        assert _names(tables) == before

    assert {"exports/film/newsreel.mp4.srt", "pages/index.html"} <= before
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"].encode()
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in kept if secret in path.read_bytes()]


def test_of_two_hosts_on_one_recording_one_is_killed_and_the_other_does_it(
    buckets: str, tmp_path: Path
) -> None:
    """Claims in PostgreSQL beside a bucket; the two have no folder together."""
    bucket = new_bucket(buckets)
    media = BucketAddress(f"s3://{bucket}/media", buckets)
    obstore.put(object_store(media), "radio/1.wav", making.wav(tmp_path / "1.wav").read_bytes())
    with running_postgres() as url:
        one, two = (
            Project(
                tmp_path / name,
                Path("/nowhere"),
                ARCHIVE_DIR=media.url,
                OUTPUT_DIR=f"s3://{bucket}/tables",
                S3_ENDPOINT_URL=buckets,
                DAGSTER_POSTGRES_URL=url,
                GPU_DEVICE_ID="cpu",
                WHISPER_MODEL="base",
                PYTHONPATH=WAITING,
                OPENTR_TEST_HEARD=str(tmp_path / "heard"),
                OPENTR_TEST_WAIT_S="0.1",
            )
            for name in ("one", "two")
        )
        first = one.start("run", OPENTR_TEST_WAIT_S="300")
        wait_for(lambda: "Worker slot" in _logs(one))
        wait_for(lambda: len(_claims(url)) == 1)
        second = two.start("run")
        wait_for(lambda: "works on" in _logs(two))
        assert second.poll() is None
        os.killpg(first.pid, signal.SIGKILL)
        said, complaints = second.communicate(timeout=120)
        assert second.returncode == 0, said + complaints
        (row,) = two.rows("transcripts")
        assert (row["status"], row["num_attempts"]) == ("ok", 2)
        assert len((tmp_path / "heard").read_text().splitlines()) == 1
        assert not _claims(url)
        # Whoever would look for claims in files is told.
        told = one.opentr("run", code=2, DAGSTER_POSTGRES_URL="")
        assert f"remove s3://{bucket}/tables/.store/claims" in told


def _logs(project: Project) -> str:
    home = project.settings.workspace.dagster_home
    return "".join(path.read_text() for path in log_files.slot_logs(home).glob("*.log"))


def _claims(url: str) -> list[object]:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SELECT media FROM opentr_claims")
        except psycopg2.errors.UndefinedTable:
            return []
        return list(cursor.fetchall())


def _names(address: BucketAddress) -> set[str]:
    return {one["path"] for page in obstore.list(object_store(address)) for one in page}


def _public(address: BucketAddress, table: str) -> pa.Table:
    """A table as any reader has it, who knows nothing of us."""
    store = object_store(address)
    names = sorted(name for name in _names(address) if name.startswith(f"{table}/"))
    files = [obstore.get(store, name).bytes() for name in names]
    return pa.concat_tables([pq.read_table(io.BytesIO(file)) for file in files])


def _rows(table: pa.Table) -> list[dict[str, object]]:
    kept = table.drop_columns([name for name in table.column_names if name in OTHER_EACH_TIME])
    return sorted(kept.to_pylist(), key=str)
