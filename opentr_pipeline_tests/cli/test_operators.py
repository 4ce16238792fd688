"""The operators' commands on archives without a model: facts, what is shown, JSON, logs, reset."""

import contextlib
import dataclasses
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance
from dagster._core.test_utils import create_run_for_test
from rich.console import Console

from opentr_pipeline import locks
from opentr_pipeline.cli import eta, shared
from opentr_pipeline.cli.app import main
from opentr_pipeline.cli.errors import of_errors
from opentr_pipeline.cli.queue import of_queue
from opentr_pipeline.defs.tags import REFRESH_TAG
from opentr_pipeline.devices import leases
from opentr_pipeline.devices.cards import CPU, WorkerSlot
from opentr_pipeline.errors import MediaError, OpentrError, ServiceError
from opentr_pipeline.launching import reset, run_state
from opentr_pipeline.launching.home import PREPARED
from opentr_pipeline.monitoring import health
from opentr_pipeline.planning.backlog import RecordingWork
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.quality import pace as operations
from opentr_pipeline.quality import problems
from opentr_pipeline.quality.pace import Finished
from opentr_pipeline.services import dev, log_files, processes, started_with, supervisor
from opentr_pipeline.steps.outcome import ShardOutcome
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import REMEDIES, STATUSES
from opentr_pipeline.transcripts.window_results import Heard
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.making import OPTIONS, content, recording, settings_of, transcript, wav
from opentr_pipeline_tests.steps.test_hearing import Case, StandIn

NOON = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
RUN_ID = "0" * 8 + "-0000-0000-0000-" + "0" * 12


def shown(renderable: object) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def after(minutes: float, audio_s: float, wall_s: float) -> Finished:
    return Finished(NOON + timedelta(minutes=minutes), audio_s, wall_s)


def test_idle_time_does_not_count_and_long_recordings_do() -> None:
    outcomes = [
        after(0, 60, 6),
        after(0.5, 60, 6),  # 30 s after the one before, all of them busy
        after(120, 60, 6),  # after hours of nothing: its own time
        after(130, 6000, 600),  # ten minutes on one recording are no pause
    ]
    assert operations.busy(outcomes) == [6, 30, 6, 600]
    pace = operations.pace(outcomes)
    assert (pace.num_recordings, pace.audio_s, pace.busy_s) == (4, 6180, 642)
    assert pace.speed_x == pytest.approx(6180 / 642)
    assert operations.pace([]).speed_x is None


def test_hours_and_days_are_of_local_time() -> None:
    zone = datetime.fromisoformat("2026-05-17T14:30:00+02:00")
    outcomes = [after(-3 * 24 * 60, 30, 3), after(-13 * 60, 20, 2), after(1, 10, 1)]
    hours, days = operations.throughput(outcomes, zone)
    assert (len(hours), len(days)) == (24, 14)
    assert {one.begins: one.pace.audio_s for one in hours if one.pace.num_recordings} == {
        "2026-05-17T14:00:00+02:00": 10,
        "2026-05-17T01:00:00+02:00": 20,
    }
    assert {one.begins: one.pace.audio_s for one in days if one.pace.num_recordings} == {
        "2026-05-14T00:00:00+02:00": 30,
        "2026-05-17T00:00:00+02:00": 30,
    }
    text = shown(eta.of_throughput(hours, days))
    assert "2026-05-17 14:00           1    0.003  10.0x" in text
    assert "13:00" not in text


def works(**states: str) -> list[RecordingWork]:
    return [
        RecordingWork(recording(f"{name}.wav", name), content(name), state)  # type: ignore[arg-type]
        for name, state in states.items()
    ]


def test_what_is_kept_is_not_pending_any_more(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    checkpoints = Checkpoints(store.inner)
    all_work = works(a="missing", b="stale", c="done", d="failed")
    copy = dataclasses.replace(all_work[0], recording=recording("copy.wav", "a"))
    given_up = dataclasses.replace(all_work[3], num_attempts=3)
    all_work = [*all_work[:3], copy, given_up]

    facts = operations.eta(all_work, 7, store, 2)
    # Two bytes of 2 s: a and its copy are heard once.
    assert (facts.num_pending, facts.pending_audio_s) == (3, 4.0)
    assert (facts.num_given_up, facts.num_unprobed, facts.lately.speed_x) == (1, 7, None)
    assert (facts.left_s, facts.done_at) == (None, None)
    assert "nothing was measured" in shown(eta.of_eta(facts))
    assert "unknown until" in shown(eta.of_eta(facts))

    now = datetime.now(UTC).isoformat()
    checkpoints.save(transcript("a", "one two", transcribed_at=now, wall_s=0.5))
    facts = operations.eta(all_work, 0, store, 2)
    assert (facts.num_pending, facts.pending_audio_s) == (1, 2.0)
    assert facts.lately.speed_x == pytest.approx(4.0)
    assert facts.left_s == pytest.approx(0.5)
    assert "4.0x over 1 recordings" in shown(eta.of_eta(facts))


def test_old_outcomes_say_nothing_about_the_speed_of_late(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    one = recording("a.wav", "a")
    store.publish("key", [Entry(one.recording_id, "a.wav", transcript("a"))])
    assert len(operations.finished(store)) == 1
    assert len(operations.finished(store, model="base", compute_type="int8")) == 1
    assert operations.finished(store, model="base", compute_type="float32") == []
    assert operations.eta(works(b="missing"), 0, store, 1).lately.num_recordings == 0


def test_the_last_minutes_say_how_fast_it_goes(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    checkpoints = Checkpoints(store.inner)
    now = datetime.now(UTC)

    def finish(name: str, minutes_ago: float, wall_s: float) -> None:
        at = (now - timedelta(minutes=minutes_ago)).isoformat()
        checkpoints.save(transcript(name, transcribed_at=at, duration_s=120.0, wall_s=wall_s))

    for number in range(10):  # an hour ago one slot worked
        finish(f"old{number}", 70 - number, 60)
    assert operations.eta([], 0, store, 1).lately.speed_x == pytest.approx(2.0)
    for number in range(12):  # now four do
        finish(f"new{number}", 12 - number / 4, 60)
    lately = operations.eta([], 0, store, 4).lately
    assert lately.num_recordings == 12
    assert lately.speed_x == pytest.approx(12 * 120 / (60 + 11 * 15))


def test_long_recordings_say_how_fast_it_goes_before_they_are_done(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    checkpoints = Checkpoints(store.inner)
    for name in ("one", "two"):
        windows = [
            Heard(minute * 60 * 16_000, None, 20.0, "en", 0.9, 6.0, ()) for minute in range(31)
        ]
        checkpoints.keep_heard(content(name), windows)
    lately = operations.eta(works(one="missing", two="missing"), 0, store, 2).lately
    assert (lately.num_recordings, lately.audio_s) == (2, 3600.0)
    assert lately.speed_x == pytest.approx(3600 / (31 * 6), rel=0.01)


def test_every_status_that_is_not_well_has_a_remedy() -> None:
    assert set(REMEDIES) == set(STATUSES) - {"ok", "no_speech"}


def test_errors_are_grouped_with_their_remedy(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    names = ("good", "cut1", "cut2", "tired", "fresh", "loop")
    ids = {name: recording(f"{name}.wav", name).recording_id for name in (*names, "gone")}
    facts = {
        "good": transcript("good"),
        "cut1": transcript("cut1", status="truncated", reason="Only 1.5 s and 1 packet of it."),
        "cut2": transcript("cut2", status="truncated", reason="Only 2 s and 21 packets of it."),
        "gone": transcript("gone", status="corrupt", reason="It makes no sense."),
        "tired": transcript("tired", "", status="failed", reason="Broken.", num_attempts=3),
    }
    store.publish("key", [Entry(ids[n], f"{n}.wav", one) for n, one in facts.items()])
    kept = transcript("fresh", "", status="failed", reason="Broken.", num_attempts=1)
    Checkpoints(store.inner).save(kept)
    all_work = works(good="done", cut1="done", cut2="done", tired="failed", fresh="failed")
    all_work[3] = dataclasses.replace(all_work[3], num_attempts=3)
    all_work[4] = dataclasses.replace(all_work[4], num_attempts=1)

    found = problems.errors(all_work, store, max_files=1)
    said = [(one.status, one.kind, one.remedy, one.num_recordings) for one in found]
    assert said == [
        ("failed", "Broken.", problems.remedy_when_given_up(), 1),
        ("failed", "Broken.", REMEDIES["failed"], 1),
        ("truncated", "Only N s and N packets of it.", REMEDIES["truncated"], 2),
    ]
    assert found[0].files[0].num_attempts == 3
    text = shown(of_errors(found))
    assert "cut1.wav" in text
    assert "cut2.wav" not in text
    assert "... and 1 more (--all names them)" in text
    every = problems.errors(all_work, store)[-1].files
    assert [file.path for file in every] == ["cut1.wav", "cut2.wav"]


def asked(*arguments: str, code: int = 0) -> object:
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.output)


def test_who_looks_needs_a_model_only_once_something_is_transcribed(bare: Path) -> None:
    """As in a fresh clone."""
    seen = asked("status")
    assert isinstance(seen, dict)
    assert (seen["num_unprobed"], seen["num_done"], seen["num_stale"]) == (1, 0, 0)
    assert CliRunner().invoke(main, ["errors"]).output.startswith("Nothing: every recording")
    unknown = CliRunner().invoke(main, ["status"], env={"WHISPER_MODEL": "bas"})
    assert unknown.exit_code == 2
    assert "There is no model bas; did you mean base?" in unknown.output
    one = recording("a/one.wav", partition_key="a")
    published = Entry(one.recording_id, "a/one.wav", transcript("one"))
    shared.setup_of(None).store.publish("a", [published])
    for command in ("status", "errors", "eta", "metrics"):
        refused = CliRunner().invoke(main, [command])  # what is stale, the model alone could say
        assert refused.exit_code == 2
        assert refused.output.startswith("opentr: The model base is not in ")


def test_the_keys_of_json_are_stable(bare: Path) -> None:
    assert set(asked("status")) == set(  # type: ignore[call-overload]
        """num_done num_missing num_stale num_failed num_unprobed num_partitions done_audio_s
        pending_audio_s num_unpublished num_by_status num_speakers_left num_speakers_failed
        num_worker_slots num_slots_in_use slots_in_use
        closed_slots batch_limits devices runs speed_x page""".split()
    )
    assert set(asked("eta")) == set(  # type: ignore[call-overload]
        """num_pending pending_audio_s num_given_up num_unprobed num_worker_slots lately left_s
        done_at speakers""".split()
    )
    assert set(asked("throughput")) == {"hours", "days"}  # type: ignore[call-overload]
    assert asked("errors") == []
    assert set(asked("queue")) == {  # type: ignore[call-overload]
        *("runs", "num_worker_slots", "slots_in_use", "ranks_waiting", "closed_slots")
    }
    assert not (bare / "state" / "archives").exists()  # looking makes no state


def test_plan_eta_and_errors_speak_of_speakers(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENTR_HOME", str(bare / "home"))
    monkeypatch.setenv("SPEAKERS", "true")
    monkeypatch.setattr(Setup, "options", ArchiveOptions(OPTIONS))
    monkeypatch.setattr(Case, "setup", lambda *_, **__: shared.setup_of(None))
    case = Case(bare)
    wav(bare / "archive" / "new.wav", pitch_hz=600)  # whose words come first

    def said(*arguments: str) -> str:
        return CliRunner().invoke(main, list(arguments)).output

    to_do = "to be told apart in 5 recordings, 0.000 h of audio"
    assert f"Speakers are {to_do}, on the CPU.\n" in said("plan", "--model", "base")
    case.recordings()  # looked into
    assert f"speakers      {to_do}, which is not in the time above" in said("eta")
    assert "every recording that was looked at is as it should be" in said("errors")

    def once(number: int) -> None:
        if number == 1:  # three paths of the same bytes
            raise MediaError("corrupt", f"It makes no sense at {number} s.")

    case.run(StandIn(once))
    assert "to be told apart in 1 recording" in said("eta")
    text = said("errors")
    assert "3 without speakers: It makes no sense at N s." in text
    assert "opentr retry-failed; the words are kept" in text
    assert "film/same.wav" in text
    monkeypatch.setenv("SPEAKERS", "false")
    assert "Speakers are to be taken back in 4 recordings, on" in said("plan", "--model", "base")
    assert "without speakers" not in said("errors")


def test_health_says_what_is_wrong(bare: Path) -> None:
    facts = asked("health", code=1)
    assert isinstance(facts, dict)
    checks = {check["name"]: check for check in facts["checks"]}
    wrong = {name for name, check in checks.items() if not check["is_ok"]}
    assert wrong == {"model"}
    assert "1 media files" in checks["archive"]["said"]
    assert "nobody started it; opentr start dev does" in checks["page"]["said"]
    result = CliRunner().invoke(main, ["health"])
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == len(checks)
    assert "WRONG  model" in result.output
    assert list((bare / "worker_slots").iterdir()) == []


def test_health_of_settings_that_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_SCALE_WORKERS", "0")
    facts = asked("health", code=1)
    assert isinstance(facts, dict)
    assert [check["name"] for check in facts["checks"]] == ["settings"]
    assert "GPU_SCALE_WORKERS must be 1..64" in facts["checks"][0]["said"]


def test_the_file_system_of_a_folder(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / ext4 rw 0 0\nb {tmp_path.resolve()} nfs4 rw 0 0\n")
    assert health.file_system(tmp_path / "deep" / "er", mounts) == "nfs4"
    assert health.file_system(Path("/"), mounts) == "ext4"
    assert health.file_system(tmp_path, tmp_path / "nothing") == ""


def state(home: Path) -> DagsterInstance:
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / PREPARED).touch()
    return DagsterInstance.from_config(str(home))


def test_runs_say_where_they_come_from_and_whether_they_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterEvent, DagsterEventType, DagsterRunStatus

    for name in ("DAGSTER_HOME", "ARCHIVE_DIR", "DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(name, "")  # given back at the end
    settings = settings_of(ARCHIVE_DIR=tmp_path, OPENTR_HOME=tmp_path / "state")
    home = settings.workspace.dagster_home
    home.mkdir(parents=True)
    (home / "dagster.yaml").touch()  # another process is about to make the databases
    assert run_state.active_runs(settings.workspace) == []
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with state(settings.workspace.dagster_home) as instance:
        tags = {"dagster/partition": "a", "dagster/sensor_name": "s", "dagster/priority": "10"}
        create_run_for_test(instance, status=DagsterRunStatus.NOT_STARTED, tags=tags)
        span = {
            "dagster/asset_partition_range_start": "b",
            "dagster/asset_partition_range_end": "c",
        }
        lost = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=span)
        create_run_for_test(instance, status=DagsterRunStatus.SUCCESS)
        follows = {"dagster/sensor_name": "s", REFRESH_TAG: "whole"}
        create_run_for_test(instance, status=DagsterRunStatus.STARTING, tags=follows)
        event = DagsterEvent(DagsterEventType.RUN_START.value, lost.job_name, pid=dead.pid)
        instance.report_dagster_event(event, lost.run_id)
    runs = run_state.active_runs(settings.workspace)
    facts = [(one.status, one.partitions, one.launched_by, one.priority) for one in runs]
    assert facts == [
        ("running", ("b", "c"), "command line", 0),
        ("starting", ("a",), "upload", 10),
        ("starting", (), "refresh", 0),
    ]
    assert [one.is_orphan for one in runs] == [True, False, False]
    text = shown(of_queue(runs, [], 2, ["uploads"]))
    assert "process gone" in text
    assert "b...c" in text
    assert "0 of 2 worker slots in use; uploads wait for one" in text
    assert all(not beat.is_fresh for beat in run_state.daemon_beats(settings.workspace))


def test_a_slot_says_who_holds_it(tmp_path: Path) -> None:
    slots = (WorkerSlot(CPU, 0), WorkerSlot(CPU, 1))
    assert leases.holders(slots, tmp_path) == []
    with leases.lease(slots, tmp_path) as slot:
        unsaid = leases.Holder(slot.name, worker="worker-0")
        assert leases.holders(slots, tmp_path) == [unsaid]
        mine = leases.Holder(slot.name, RUN_ID, "/archive", partitions=("[a]", "b"))
        leases.introduce(mine, tmp_path)
        (holder,) = leases.holders(slots, tmp_path)
        assert dataclasses.replace(holder, since="", worker="") == mine
        assert holder.held_s is not None
        assert 0 <= holder.held_s < 60
        text = shown(of_queue([], [holder], 2, []))
        assert "worker-0 cpu.slot-0, run 00000000, [a], b" in text
        # Who counts the slots otherwise calls it otherwise.
        (other,) = leases.holders(slots[::-1], tmp_path)
        assert (other.slot, other.worker) == ("cpu.slot-0", "worker-1")
    assert leases.holders(slots, tmp_path) == []


def test_who_waits_for_a_slot_is_seen(tmp_path: Path) -> None:
    slots = (WorkerSlot(CPU, 0),)
    over = threading.Event()

    def wait() -> None:
        with leases.lease(slots, tmp_path, "uploads"):
            over.set()

    with leases.lease(slots, tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        wait_for(lambda: leases.ranks_waiting(slots, tmp_path) == ["uploads"], 20)
    thread.join()
    assert over.is_set()
    assert leases.ranks_waiting(slots, tmp_path) == []


def test_a_slot_has_a_log_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = ShardOutcome()
    home = tmp_path / "dagster_home"
    with log_files.slot_log(home, "cpu.slot-0"):
        outcome.add("a/1.wav", transcript("a", "one two", wall_s=0.5))
        outcome.add("a/2.wav", transcript("b", "", status="failed", reason="Broken."))
    with pytest.raises(OpentrError), log_files.slot_log(home, "cpu.slot-0"):
        raise OpentrError("no room")
    logging.getLogger("opentr_pipeline.later").warning("not for the slot")
    lines = (tmp_path / "logs" / "cpu.slot-0.log").read_text().splitlines()
    assert [line.partition("'")[2] for line in lines[:2]] == [
        "a/1.wav': ok, 2.0 s of audio in 0.5 s (4.0x). ",
        "a/2.wav': failed, 0.0 s of audio in 0.5 s (0.0x). Broken.",
    ]
    assert lines[2].endswith("Worker slot cpu.slot-0 given up: OpentrError: no room")
    assert len(lines) == 3
    assert "a/1.wav" in capfd.readouterr().err
    outcome.wall_s = 4.0
    assert outcome.summary() == "1 failed, 1 ok; 2.0 s of audio in 4.0 s (0.5x)"


def test_logs_are_named_and_shown_from_their_end(bare: Path) -> None:
    home = settings_of(
        ARCHIVE_DIR=bare / "archive", OPENTR_HOME=bare / "state"
    ).workspace.dagster_home
    result = CliRunner().invoke(main, ["logs"])
    assert result.exit_code == 2
    assert "There is no log dev; the logs of this archive are: none yet." in result.output
    for folder in (home, log_files.slot_logs(home)):
        folder.mkdir(parents=True)
    (home / "dev.log").write_text("".join(f"line {number}\n" for number in range(99)))
    (log_files.slot_logs(home) / "cpu.slot-0.log").write_text("taken\n")
    result = CliRunner().invoke(main, ["logs"])
    assert result.stdout.splitlines() == [f"line {number}" for number in range(49, 99)]
    assert "there are: dev, cpu.slot-0." in result.stderr
    # Dagster's daemon writes its colours into files too; what else drives a terminal is shown.
    (log_files.slot_logs(home) / "cpu.slot-0.log").write_text("\x1b[32m12:00\x1b[0m taken\x1b[2J\n")
    assert CliRunner().invoke(main, ["logs", "cpu.slot-0"]).stdout == "12:00 taken\\x1b[2J\n"


def test_a_log_may_be_of_another_archive(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bare)
    wav(bare / "tapes" / "1.wav")
    home = shared.settings_of(Path("tapes")).workspace.dagster_home
    log_files.slot_logs(home).mkdir(parents=True)
    (log_files.slot_logs(home) / "cpu.slot-0.log").write_text("of the tapes\n")
    for words in (["tapes", "worker-0"], [str(bare / "tapes"), "cpu.slot-0"]):
        assert CliRunner().invoke(main, ["logs", *words]).stdout == "of the tapes\n"
    for words, said in (
        (["tapes"], "There is no log dev"),
        (["worker-0", "tapes"], "tapes is one name too many"),
        (["./tapes/1.wav"], "./tapes/1.wav is a file, and an archive is a folder of recordings"),
    ):
        result = CliRunner().invoke(main, ["logs", *words])
        assert result.exit_code == 2
        assert said in result.output


def test_a_long_log_is_put_out_of_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "LOG_BYTES", 5)
    log = tmp_path / "runs.log"
    log_files.turn_over(log)  # there is none yet
    for text in ("short", "longer", "the longest"):
        log.write_text(text)
        log_files.turn_over(log)
    assert (tmp_path / "runs.log.1").read_text() == "the longest"
    assert not log.exists()
    # Dagster's servers empty the folder of that name in theirs.
    assert log_files.slot_logs(tmp_path / "dagster_home") == tmp_path / "logs"


@contextlib.contextmanager
def services_started(**values: str) -> Iterator[None]:
    """Make it look as if services ran that somebody started in another shell."""
    services = dev.DevServices.of(shared.settings_of(None, typed=values))
    services.home.mkdir(parents=True, exist_ok=True)
    (services.home / "dev.pid").write_text("1 3000")
    started_with.keep(services.home / "dev.settings.json", services.values)
    with locks.locked(services.home / "dev.lock"):
        yield


def test_who_looks_from_another_shell_sees_what_runs(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = {"gpu_scale_device_id": "cpu", "gpu_scale_workers": "3", "whisper_model": "small"}
    with services_started(gpu_scale_enabled="true", **scaled):
        monkeypatch.setenv("OUTPUT_DIR", "auto")
        facts = asked("queue")
        assert isinstance(facts, dict)
        assert facts["num_worker_slots"] == 3
        seen = shared.setup_to_look(None)
        assert (seen.model_name, seen.workspace.output) == ("small", bare / "output")
        # Who transcribes shares the worker slots, and says the rest himself.
        mine = shared.setup_of(None)
        assert (len(mine.slots), mine.model_name) == (3, "base")
        said = CliRunner().invoke(main, ["start", "dev", "--gpu-scale"])
        assert said.exit_code == 2
        assert said.output == (
            "opentr: It runs already, scaled (GPU_SCALE_WORKERS=3, GPU_SCALE_DEVICE_ID=cpu): "
            "http://127.0.0.1:3000; opentr stop ends it.\n"
        )
    with services_started():
        said = CliRunner().invoke(main, ["start", "dev", "--gpu-scale"])
        assert said.exit_code == 2
        assert said.output == (
            "opentr: It runs already, not scaled: http://127.0.0.1:3000; opentr stop ends it, "
            "then opentr start dev --gpu-scale starts it scaled.\n"
        )
    facts = asked("health", code=1)  # nobody stopped them
    assert isinstance(facts, dict)
    [page] = [check["said"] for check in facts["checks"] if check["name"] == "page"]
    assert "ended, and nobody stopped them" in page


def test_logs_are_named_by_the_workers_of_the_settings(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GPU_SCALE_ENABLED": "true",
        "GPU_SCALE_DEVICE_ID": "cpu",
        "GPU_SCALE_WORKERS": "3",
    }.items():
        monkeypatch.setenv(name, value)
    home = settings_of(
        ARCHIVE_DIR=bare / "archive", OPENTR_HOME=bare / "state"
    ).workspace.dagster_home
    log_files.slot_logs(home).mkdir(parents=True)
    (log_files.slot_logs(home) / "cpu.slot-2.log").write_text("taken\n")
    assert CliRunner().invoke(main, ["logs", "worker-2"]).stdout == "taken\n"
    silent = CliRunner().invoke(main, ["logs", "worker-1", "--follow"])
    assert silent.exit_code == 2
    assert "The worker slot cpu.slot-1 has not written a log yet" in silent.output
    unknown = CliRunner().invoke(main, ["logs", "worker-3"])
    assert unknown.exit_code == 2
    assert (
        "There is no log worker-3; the logs of this archive are: cpu.slot-2; the worker slots "
        "are: worker-0 (cpu.slot-0), worker-1 (cpu.slot-1), worker-2 (cpu.slot-2)."
    ) in unknown.output
    # A device that is not there hides no log that is.
    monkeypatch.setenv("GPU_SCALE_DEVICE_ID", "77")
    assert CliRunner().invoke(main, ["logs", "cpu.slot-2"]).stdout == "taken\n"


def test_a_followed_log_may_be_cut_short_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("old\n")
    followed = log_files.Followed(path)
    assert followed.new_lines() == []
    with path.open("a") as stream:
        stream.write("one\nhal")
    assert followed.new_lines() == ["one"]
    with path.open("a") as stream:
        stream.write("f\n")
    assert followed.new_lines() == ["half"]
    path.write_text("new\n")  # shorter than what was read
    assert followed.new_lines() == []
    assert followed.new_lines() == ["new"]
    with path.open("a") as stream:
        stream.write("last\n")
    path.rename(tmp_path / "x.log.1")
    assert followed.new_lines() == ["last"]
    path.write_text("first\n")
    assert followed.new_lines() == []
    assert followed.new_lines() == ["first"]


def test_reset_deletes_what_it_says_and_nothing_else(bare: Path) -> None:
    settings = settings_of(
        ARCHIVE_DIR=bare / "archive", OPENTR_HOME=bare / "state", OUTPUT_DIR=bare / "output"
    )
    for path in (
        settings.workspace.dagster_home / "dev.log",
        settings.workspace.dagster_home.parent / "uploads" / "ledger",
        settings.workspace.home / "models" / "model.bin",
        settings.workspace.home / "archives" / "other" / "dagster_home" / "dagster.yaml",
        settings.workspace.output / "words" / "a.parquet",
        settings.workspace.output / "exports" / "a" / "one.wav.srt",
        settings.workspace.output / "pages" / "report.html",
        settings.workspace.output / "notes.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("12345")
    (settings.workspace.output / ".store").symlink_to(bare / "archive")

    assert reset.to_delete(
        Setup(settings).store, settings.workspace.dagster_home.parent, outputs=False
    ) == {settings.workspace.dagster_home.parent: 10}
    (settings.workspace.output / ".store").unlink()
    folders = reset.to_delete(
        Setup(settings).store, settings.workspace.dagster_home.parent, outputs=True
    )
    ours = (settings.workspace.output / name for name in ("words", "exports", "pages"))
    assert set(folders) == {settings.workspace.dagster_home.parent, *ours}
    reset.delete(folders)
    left = {str(path.relative_to(bare)) for path in bare.rglob("*") if path.is_file()}
    assert left == {
        "archive/a/one.wav",
        "output/notes.txt",
        "state/models/model.bin",
        "state/archives/other/dagster_home/dagster.yaml",
    }


def test_reset_asks_first_and_waits_for_command_lines(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterRunStatus

    monkeypatch.setattr("opentr_pipeline.cli.services.options_of", lambda *_, **__: None)
    home = shared.settings_of(None).workspace.dagster_home
    with state(home) as instance:
        result = CliRunner().invoke(main, ["reset", "dev"])
        assert result.exit_code == 2
        assert str(home.parent) in result.output
        assert "without a terminal say --yes" in result.output
        run = create_run_for_test(instance, status=DagsterRunStatus.STARTED)
    result = CliRunner().invoke(main, ["reset", "dev", "--yes"])
    assert result.exit_code == 2
    assert f"The run {run.run_id} works on this archive from a command line" in result.output
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://somewhere/dagster")
    result = CliRunner().invoke(main, ["reset", "dev", "--yes"])
    assert "Dagster's state is in PostgreSQL" in result.output
    assert home.exists()


def sleeper(home: Path, *, deaf: bool = False) -> "subprocess.Popen[bytes]":
    """A process of some services, the first of a session."""
    said = "import signal, time; " + "signal.signal(15, signal.SIG_IGN); " * deaf
    process = subprocess.Popen(
        [sys.executable, "-c", said + "print(flush=True); time.sleep(99)"],
        env={**os.environ, "DAGSTER_HOME": str(home)},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_processes_are_found_by_session_and_state_folder_and_ended(tmp_path: Path) -> None:
    process = sleeper(tmp_path, deaf=True)
    try:
        assert [one.pid for one in processes.members(process.pid, tmp_path)] == [process.pid]
        assert processes.members(process.pid, tmp_path / "other") == []
        assert processes.members(os.getsid(0), tmp_path) == []
        find = lambda: [one for one in processes.members(process.pid, tmp_path)]  # noqa: C416, E731
        processes.end(find, (signal.SIGTERM, signal.SIGKILL), 0.5)
        assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()


def test_the_supervisor_gives_up_on_what_ends_at_once(tmp_path: Path) -> None:
    assert supervisor.supervise(tmp_path, [sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert supervisor.supervise(tmp_path, [sys.executable, "-c", ""]) == 1


def test_both_processes_of_the_code_server_are_needed() -> None:
    outer = processes.Process(11, 10, "python -m dagster code-server start")
    inner = processes.Process(12, 11, "python -m dagster api grpc")
    old = [processes.Process(8, 1, outer.command), processes.Process(9, 8, inner.command)]
    assert supervisor.has_code_server(10, [*old, outer, inner])
    assert not supervisor.has_code_server(10, [*old, outer])
    assert not supervisor.has_code_server(10, [*old, inner])
    with pytest.raises(ServiceError, match="no log nothing"):
        log_files.named(Path("/nowhere"), "nothing", {})
