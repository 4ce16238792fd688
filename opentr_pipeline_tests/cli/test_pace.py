"""How fast it goes, until when, and what went wrong: what is counted, and what is shown."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opentr_pipeline.cli import eta
from opentr_pipeline.cli.errors import of_errors
from opentr_pipeline.planning.backlog import RecordingWork
from opentr_pipeline.quality import pace as operations
from opentr_pipeline.quality import problems
from opentr_pipeline.quality.pace import Finished
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import REMEDIES, STATUSES
from opentr_pipeline.transcripts.window_results import Heard
from opentr_pipeline_tests.cli.answers import shown
from opentr_pipeline_tests.making import content, recording, transcript

NOON = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)


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
