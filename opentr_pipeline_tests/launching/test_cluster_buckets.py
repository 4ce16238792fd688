"""A bucket and three machines that share no folder: what the guide says to type, typed.

Ray, PostgreSQL, Dagster, the leases and the server of the bucket (moto's) are real; the recognizer
waits and hears one word. The state of each machine is in a /tmp of its own.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline_tests.cluster_project import WAITING, BucketProject, bucket_project
from opentr_pipeline_tests.conftest import Project, RecordProperty, wait_for
from opentr_pipeline_tests.virtual_hosts import need_hosts

pytestmark = pytest.mark.cluster
GUIDE = PROJECT_ROOT / "docs" / "guides" / "cluster.md"
SAMPLES = PROJECT_ROOT / "samples" / "archive"
# When something was done, and how long it took.
OTHER_EACH_TIME = {"modified_at", "transcribed_at", "wall_s"}
TABLES = ("recordings", "transcripts", "segments", "words")


class Page:
    """What the guide says to write into .env, and to type on which machine."""

    def __init__(self) -> None:
        text = GUIDE.read_text(encoding="utf-8")
        section = text.partition("## A bucket and three machines\n")[2].partition("\n## ")[0]
        (said,) = re.findall(r"```sh\n(.*?)```", section, re.S)
        (typed,) = re.findall(r"```console\n(.*?)```", section, re.S)
        self.settings = dict(line.split("=", 1) for line in said.splitlines())
        found = re.findall(r"^(\w+)\$ +./opentr.sh (.*)$", typed, re.M)
        self.typed = [(machine, words.split()) for machine, words in found]


PAGE = Page()


def as_here(said: str, project: BucketProject) -> str:
    """What stands on the page, with the addresses and folders of the test."""
    instead = {
        "10.0.0.1": project.head.address,
        "opentr:password@": "opentr@",
        ":5432/opentr": ":5432/postgres",
        "/var/lib/opentr": "/tmp/opentr",
        "/srv/models": project.environ["MODELS_DIR"],
    }
    for there, here in instead.items():
        said = said.replace(there, here)
    return said


@pytest.fixture
def three() -> Iterator[BucketProject]:
    need_hosts()
    names = sorted({machine for machine, _ in PAGE.typed}, key=["one", "two", "three"].index)
    with bucket_project(names, wait_s=3.0) as project:
        said = {name: as_here(value, project) for name, value in PAGE.settings.items()}
        project.environ.update(said, GPU_SCALE_WORKERS="2", SHARD_AUDIO_S="60")
        yield project


def test_what_the_guide_types_transcribes_from_bucket_to_bucket_though_a_host_dies(
    three: BucketProject, tmp_path: Path, record_property: RecordProperty
) -> None:
    machines = {host.name: host for host in three.network.hosts}
    three.copy(SAMPLES, PAGE.settings["ARCHIVE_DIR"])
    there = three.folder / "fetched"
    there.mkdir()
    three.copy(there, PAGE.settings["OUTPUT_DIR"])  # nothing yet, so that the bucket is made
    began = time.time()
    took = {}
    for machine, words in PAGE.typed:
        command = [as_here(word, three) for word in words]
        if command != ["run"]:
            said = three.on(machines[machine], *command)
            continue
        run = three.begin(machines[machine], *command)
        kept = kill_in_the_middle(three, run)
        killed_at = time.time()
        printed, _ = run.communicate(timeout=300)
        assert run.returncode == 0, printed
        took["after the loss"] = time.time() - killed_at
    took["all"] = time.time() - began
    assert "1 host, " in said

    three.copy(PAGE.settings["OUTPUT_DIR"], there)
    here = folder_to_folder(tmp_path)
    for table in TABLES:
        assert _rows(_public(there, table)) == _rows(here.store.read(table)), table
    when = _public(there, "transcripts").to_pylist()
    times = {row["media_fingerprint"]: row["transcribed_at"] for row in when}
    again = [media for media, at in kept.items() if times[media] != datetime.fromisoformat(at)]
    assert not again, "what was finished and not published was done again"
    left = three.ask_database("SELECT name FROM opentr_files WHERE kind = 'checkpoints'")
    assert not left, "what is published is kept no more"
    shared = ("opentr", "tables", "state", "output", "archives")
    assert not [path for path in three.folder.iterdir() if path.name in shared]
    record_property(
        "figures",
        f"bucket and three machines: {len(when)} recordings in {took['all']:.0f} s with all that "
        f"is typed, {took['after the loss']:.0f} s of it after a host was lost, with "
        f"{len(kept)} outcomes kept and not published",
    )


def kill_in_the_middle(three: BucketProject, run: "subprocess.Popen[str]") -> dict[str, str]:
    """Switch the third machine off while it works, with finished work of its own unpublished.

    Returns:
        When each outcome that was kept then was made, by its media.
    """
    last = three.network.hosts[-1]
    theirs: set[str] = set()

    def is_time() -> bool:
        claims = f"SELECT media FROM opentr_claims WHERE host LIKE '{last.name} %'"
        try:
            now = {media for (media,) in three.ask_database(claims)}
            kept = kept_outcomes(three)
        except Exception:  # no tables yet
            return False
        finished = theirs & kept.keys() - now
        theirs.update(now)
        return bool(now and finished)

    wait_for(lambda: is_time() or run.poll() is not None, 120)
    assert run.poll() is None, run.communicate()[0]
    last.power_off()
    kept = kept_outcomes(three)
    assert theirs & kept.keys()
    return kept


def kept_outcomes(three: BucketProject) -> dict[str, str]:
    query = "SELECT content FROM opentr_files WHERE kind = 'checkpoints' AND name LIKE '%.json'"
    outcomes = [json.loads(bytes(content)) for (content,) in three.ask_database(query)]
    return {one["media_fingerprint"]: one["transcribed_at"] for one in outcomes}


def folder_to_folder(folder: Path) -> Project:
    """The same archive and recognizer, one machine, folders."""
    project = Project(
        folder,
        SAMPLES,
        GPU_SCALE_DEVICE_ID="cpu",
        GPU_SCALE_ENABLED="true",
        WHISPER_MODEL="base",
        PYTHONPATH=WAITING,
        OPENTR_TEST_HEARD=str(folder / "heard"),
        OPENTR_TEST_WAIT_S="0",
    )
    project.opentr("run")
    return project


def _public(folder: Path, table: str) -> pa.Table:
    return TranscriptStore(folder).read(table)


def _rows(table: pa.Table) -> list[dict[str, object]]:
    kept = table.drop_columns([name for name in table.column_names if name in OTHER_EACH_TIME])
    return sorted(kept.to_pylist(), key=str)
