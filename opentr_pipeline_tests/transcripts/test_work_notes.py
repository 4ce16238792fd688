"""What is promised about claims, attempts and what was heard, in files and in PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opentr_pipeline import postgres
from opentr_pipeline.errors import StoreError
from opentr_pipeline.postgres import Database
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts import shared_notes
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.shared_notes import SharedNotes, renew
from opentr_pipeline.transcripts.work_notes import FileNotes, WorkNotes
from opentr_pipeline_tests.making import OTHER_OPTIONS, content, transcript
from opentr_pipeline_tests.transcripts.conftest import BOTH

SOUND, OTHER = content("sound"), content("other sound")
HOLDER = """
import sys, time
from pathlib import Path
from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts import shared_notes
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline_tests.making import content
url = sys.argv[2]
shared_notes.CLAIM_S = float(sys.argv[3])
shared_notes.RENEW_S = shared_notes.CLAIM_S / 6
kept = Checkpoints(Path(sys.argv[1]) / ".store", Database(url) if url else None)
claim = kept.lock(content("sound"))
print(claim is not None, kept.begin_attempt(content("sound")), flush=True)
time.sleep(60)
"""


def kept_in(folder: Path, database: Database | None) -> Checkpoints:
    return Checkpoints(folder / ".store", database)


def notes_in(folder: Path, database: Database | None) -> WorkNotes:
    if database:
        return SharedNotes(database, "checkpoints")
    return FileNotes(folder / ".store" / "checkpoints", folder)


@contextmanager
def holder(
    folder: Path, database: Database | None, claim_s: float = 60.0
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that has claimed a recording and begun an attempt."""
    url = database.url if database else ""
    command = [sys.executable, "-c", HOLDER, str(folder), url, str(claim_s)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.kill()


@BOTH
def test_a_recording_has_one_claim_at_a_time(tmp_path: Path, database: Database | None) -> None:
    notes = notes_in(tmp_path, database)
    claim = notes.claim(SOUND)
    assert claim
    assert notes_in(tmp_path, database).claim(SOUND) is None
    assert notes.claim(SOUND) is None
    other, others = notes.claim(OTHER), notes.claim(content("sound", OTHER_OPTIONS))
    assert other
    assert others
    claim.release()
    again = notes.claim(SOUND)
    assert again
    for one in (again, other, others):
        one.release()


@BOTH
def test_of_many_who_ask_at_once_one_has_the_claim(
    tmp_path: Path, database: Database | None
) -> None:
    notes, begin, had = notes_in(tmp_path, database), threading.Barrier(8), []

    def ask() -> None:
        mine = Database(database.url) if database else None
        asking = notes_in(tmp_path, mine)
        begin.wait()
        for _ in range(10):
            if claim := asking.claim(SOUND):
                had.append(1)
                assert sum(had) == 1
                had.remove(1)
                claim.release()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    claim = notes.claim(SOUND)
    assert claim
    claim.release()


@BOTH
def test_attempts_are_counted_withdrawn_forgiven_and_forgotten(
    tmp_path: Path, database: Database | None
) -> None:
    notes = notes_in(tmp_path, database)
    assert notes.num_attempts(SOUND) == 0
    assert [notes.begin_attempt(SOUND) for _ in range(4)] == [1, 2, 3, 4]
    assert notes.begin_attempt(OTHER) == 1
    notes.withdraw_attempt(SOUND)
    assert notes.num_attempts(SOUND) == 3
    notes.forgive(SOUND)
    assert notes.num_attempts(SOUND) == 1
    claim = notes.claim(SOUND)
    notes.clear(SOUND)  # somebody works on it
    assert notes.num_attempts(SOUND) == 1
    assert claim
    claim.release()
    notes.clear(SOUND)
    assert notes.num_attempts(SOUND) == 0
    notes.forget_attempts(OTHER)
    notes.withdraw_attempt(OTHER)
    assert notes.num_attempts(OTHER) == 0


@BOTH
def test_what_was_heard_comes_back_in_order(tmp_path: Path, database: Database | None) -> None:
    notes, before = notes_in(tmp_path, database), datetime.now(UTC) - timedelta(seconds=1)
    assert notes.heard(SOUND) == notes.last_heard(SOUND) == []
    lines = ['{"a": "Señor, “qué” \\n"}', '{"b": 2}', '{"c": 3}']
    notes.add_heard(SOUND, lines[:2])
    notes.add_heard(SOUND, lines[2:])
    notes.add_heard(OTHER, ["{}"])
    assert [line for line in notes.heard(SOUND) if line] == lines
    assert notes.last_heard(SOUND)[-1] == lines[-1]
    assert notes.all_heard() == {SOUND, OTHER}
    assert {found for found, _ in notes.heard_since(before)} == {SOUND, OTHER}
    assert list(notes.heard_since(datetime.now(UTC) + timedelta(days=1))) == []
    notes.sweep()
    notes.forget_heard(SOUND)
    assert notes.all_heard() == {OTHER}


@BOTH
def test_an_outcome_ends_attempts_and_what_was_heard(
    tmp_path: Path, database: Database | None
) -> None:
    kept = kept_in(tmp_path, database)
    failed, done = transcript("sound", status="failed"), transcript("sound")
    kept._notes.add_heard(SOUND, ["{}"])
    assert kept.begin_attempt(SOUND) == 1
    kept.save(failed)
    assert (kept.num_attempts(SOUND), kept.listed("heard")) == (0, {SOUND})
    assert kept.begin_attempt(SOUND) == 1
    kept.save(done)
    assert (kept.num_attempts(SOUND), kept.listed("heard")) == (0, set())
    kept.drop(SOUND)
    assert not kept.has(SOUND)


@BOTH
@pytest.mark.slow
def test_a_killed_holder_has_no_claim_and_leaves_its_attempt(
    tmp_path: Path, database: Database | None
) -> None:
    kept = kept_in(tmp_path, database)
    for num_deaths in range(2):
        with holder(tmp_path, database) as (process, said):
            assert said == f"True {num_deaths + 1}"
            assert kept.lock(SOUND) is None
            assert str(process.pid) in kept._notes.holder(SOUND)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            claim = kept.lock(SOUND)  # at once, not only when it ends by itself
            assert claim
            assert kept.num_attempts(SOUND) == num_deaths + 1
            claim.release()
    assert kept.begin_attempt(SOUND) == 3  # ``shard_run.MAX_DEATHS`` gives no third one


@pytest.fixture
def short_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_notes, "CLAIM_S", 0.6)


POSTGRES = pytest.mark.parametrize("database", ["postgres"], indirect=True)


@pytest.mark.slow
@POSTGRES
@pytest.mark.usefixtures("short_claims")
def test_a_lost_host_costs_a_recording_no_attempt(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = notes_in(tmp_path, database)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(shared_notes, "this_host", lambda: "spot-1 first-boot")
        assert notes.claim(SOUND)
        assert notes.begin_attempt(SOUND) == 1
    assert notes.claim(SOUND) is None  # nobody here can tell whether it lives
    assert notes.holder(SOUND).endswith("of spot-1")
    time.sleep(0.7)
    claim = notes.claim(SOUND)
    assert claim
    assert notes.num_attempts(SOUND) == 0
    assert notes.begin_attempt(SOUND) == 1  # the host went, and the recording is not to blame
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(shared_notes, "this_host", lambda: "spot-1 first-boot")
        renew(database)  # it was there all along: only that process is gone
        elsewhere.setattr(shared_notes, "this_process", lambda: "0:1:2")
    renew(database)
    assert notes.num_attempts(SOUND) == 2
    claim.release()


@pytest.mark.slow
@POSTGRES
def test_a_claim_lasts_as_long_as_it_is_renewed(tmp_path: Path, database: Database) -> None:
    notes = notes_in(tmp_path, database)
    with holder(tmp_path, database, claim_s=1.2) as (process, said):
        assert said == "True 1"
        for _ in range(8):
            time.sleep(0.3)
            assert notes.claim(SOUND) is None
        os.kill(process.pid, signal.SIGSTOP)  # it hangs, or its host does
        time.sleep(1.3)
        claim = notes.claim(SOUND)
        assert claim
        claim.release()


def test_a_database_that_is_away_is_a_sentence_without_its_password() -> None:
    pytest.importorskip("psycopg2")
    notes = SharedNotes(Database("postgresql://opentr:secret@127.0.0.1:1/none"), "checkpoints")
    with pytest.raises(StoreError, match="DAGSTER_POSTGRES_URL") as caught:
        notes.claim(SOUND)
    assert "secret" not in str(caught.value)


def test_a_process_is_gone_when_it_has_ended() -> None:
    assert not postgres.is_gone(postgres.this_process())
    with subprocess.Popen(["sleep", "60"]) as process:
        name = postgres._process(process.pid)
        assert not postgres.is_gone(name)
        process.kill()
    assert postgres.is_gone(name)
    assert not postgres.is_gone(f"1{name}")  # of another container: nobody here can tell
