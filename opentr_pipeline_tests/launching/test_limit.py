"""Never more transcription steps than worker slots, whoever starts them, in either database."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from dagster._core.storage.tags import MAX_RETRIES_TAG

from opentr_pipeline.defs.gpu_slots import PRIORITIES
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline_tests.conftest import Project, RecordProperty, wait_for
from opentr_pipeline_tests.page_api import TICKS, backfill, free_port
from opentr_pipeline_tests.postgres import running_postgres
from opentr_pipeline_tests.runs import (
    Lease,
    cpu_s,
    leases,
    most_at_once,
    num_asking,
    partition_statuses,
    speech_file,
)

pytestmark = pytest.mark.slow
NUM_PARTITIONS = 20


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.mark.usefixtures("models_root")
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_never_more_steps_than_slots(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: RecordProperty,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)  # for what we read of it ourselves
    one = Project(
        tmp_path,
        tmp_path / "archive",
        DAGSTER_PORT=free_port(),
        DAGSTER_POSTGRES_URL=url,
        PYTHONPATH=TICKS,
        GPU_SCALE_ENABLED="true",
        GPU_SCALE_DEVICE_ID="cpu",
        GPU_SCALE_WORKERS="2",
        SHARD_AUDIO_S="30",
        UPLOAD_SETTLE_S="2",
    )
    keys = [f"p{number:02d}" for number in range(NUM_PARTITIONS)]
    for number, key in enumerate(keys):
        speech_file(one.archive / key / "a.wav", number)
    try:
        one.serve()
        record_property("figures", f"{database}: {_everything_at_once(one, keys)}")
    finally:
        DevServices.of(one.settings).stop()


def _everything_at_once(one: Project, keys: list[str]) -> str:
    """A backfill, two command lines and an upload; what was seen."""
    backfill(one, keys)
    commands = [
        one.start("run"),
        one.start(
            *("dagster", "asset", "materialize", "--select", "transcripts"),
            *("--partition-range", f"{keys[0]}...{keys[NUM_PARTITIONS // 2]}"),
        ),
    ]
    home = one.settings.workspace.dagster_home
    # What is there when ``run`` makes its plan it takes on itself.
    wait_for(lambda: num_asking(home, {MAX_RETRIES_TAG: "0"}))
    speech_file(one.archive / "uploads" / "new.wav", NUM_PARTITIONS)
    wait_for(lambda: len(leases(home)) >= 2)
    shares = _cpu_shares([command.pid for command in commands], over_s=5.0)
    assert [command.poll() for command in commands] == [None, None]
    assert max(shares) < 0.4, "a run spins on a core while it waits for a slot"
    outputs = [command.communicate(timeout=500) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], outputs
    everything = dict.fromkeys([*keys, "uploads"], "MATERIALIZED")
    wait_for(lambda: partition_statuses(home, "transcripts") == everything)
    held = leases(home)
    assert most_at_once(held) == 2
    assert sum(lease.num_transcribed for lease in held) == NUM_PARTITIONS + 1
    assert {row["status"] for row in one.transcripts().values()} == {"ok"}
    _check_the_turn_of_the_upload(held)
    said = f"limit 2: {len(held)} steps, {most_at_once(held)} at once, CPU of runs that wait"
    return f"{said} {', '.join(f'{share:.2f}' for share in shares)}"


def _cpu_shares(processes: Sequence[int], over_s: float) -> list[float]:
    before = [cpu_s(process) for process in processes]
    time.sleep(over_s)
    return [
        (cpu_s(process) - past) / over_s for process, past in zip(processes, before, strict=True)
    ]


def _check_the_turn_of_the_upload(held: list[Lease]) -> None:
    """It had to wait for the shards under way, and for none that began later."""
    (upload,) = [lease for lease in held if lease.priority == PRIORITIES["uploads"]]
    others = [lease for lease in held if lease is not upload]
    overtook = [
        one
        for one in others
        if upload.asked_at < one.leased_at < upload.leased_at and one.num_transcribed
    ]
    # One for each slot may slip in while the step that asks is being started.
    assert len(overtook) <= 2
    assert any(one.leased_at > upload.leased_at for one in others), "nothing was left to overtake"
