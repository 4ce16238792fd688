"""Until when a night works, and what the schedule asks for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dagster import AssetKey, DagsterInstance, RunRequest, SkipReason, build_schedule_context
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.defs.gpu_slots import rank_of
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.schedules import nights_schedule
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.planning import backlog, nights
from opentr_pipeline.planning.backlog import known_work
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.transcripts.store import Entry
from opentr_pipeline_tests.making import PROPERTY, settings_of, transcript, wav
from opentr_pipeline_tests.planning.test_backlog import USUAL

ROME = ZoneInfo("Europe/Rome")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
CLOCKS = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))


@PROPERTY
@given(CLOCKS, MOMENTS)
def test_the_next_time_is_ahead_and_the_clock_shows_it(clock: str, after: datetime) -> None:
    found = nights.next_time(clock, after, ROME)
    ahead_s = found.timestamp() - after.timestamp()
    assert 0 < ahead_s <= timedelta(hours=25).total_seconds()
    # In spring the clock skips an hour.
    assert f"{found:%H:%M}" == clock
    shown = datetime.fromtimestamp(found.timestamp(), ROME)
    assert f"{shown:%H:%M}" == clock or (shown.month, clock[:2]) == (3, "02")


def test_a_night_ends_on_the_clock_of_its_time_zone() -> None:
    settings = settings_of(NIGHT_UNTIL="06:00", NIGHT_TIME_ZONE="Europe/Rome", NIGHT_BUDGET="90m")
    taking = nights.taking_of(settings, datetime(2026, 7, 1, 22, 0, tzinfo=ROME))
    assert taking.audio_budget_s == 5400.0
    assert taking.deadline == datetime(2026, 7, 2, 4, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NIGHT_BUDGET", "10"),
        ("NIGHT_BUDGET", "0h"),
        ("NIGHT_BUDGET", "10 days"),
        ("NIGHT_UNTIL", "6"),
        ("NIGHT_UNTIL", "24:00"),
        ("NIGHT_TIME_ZONE", "Rome"),
    ],
)
def test_what_makes_no_night_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} must be .*, got '{value}'"):
        settings_of({variable: value})


def test_a_schedule_that_cron_does_not_know_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"NIGHT_CRON must be .* got 'at night'"):
        nights_schedule(settings_of(NIGHT_CRON="at night"), Names(), with_speakers=False)


@pytest.fixture
def variables(tmp_path: Path, models_root: Path) -> dict[str, str]:
    """An archive of five recordings of ten minutes in three partitions, by their size."""
    for name in ("a/1", "a/2", "b/3", "b/4", "c/5"):
        path = tmp_path / "archive" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.truncate(9_600_000)
    return {
        "ARCHIVE_DIR": str(tmp_path / "archive"),
        "OUTPUT_DIR": str(tmp_path / "output"),
        "OPENTR_HOME": str(tmp_path / "state"),
        "MODELS_DIR": str(models_root),
        "GPU_DEVICE_ID": "cpu",
    }


def _tick(
    variables: dict[str, str], began_at: datetime | None = None, **more: str
) -> list[RunRequest] | SkipReason:
    schedule = nights_schedule(settings_of(variables, **more), Names(), with_speakers=True)
    Path(variables["OPENTR_HOME"]).mkdir(exist_ok=True)
    with (
        DagsterInstance.local_temp(variables["OPENTR_HOME"]) as instance,
        build_schedule_context(instance, began_at or datetime.now(UTC)) as context,
    ):
        return schedule(context)  # type: ignore[return-value]


def _planned(variables: dict[str, str], request: RunRequest) -> dict[str, object]:
    ops = request.run_config["ops"]["transcripts"]["ops"]
    config: dict[str, object] = ops["plan_shards"]["config"]
    return config


@pytest.mark.slow
def test_a_night_asks_for_few_runs_within_its_budget(variables: dict[str, str]) -> None:
    soon = datetime.now(UTC) + timedelta(hours=3)
    requests = _tick(variables, NIGHT_UNTIL=f"{soon:%H:%M}")
    assert isinstance(requests, list)
    (request,) = requests
    assert request.tags["dagster/asset_partition_range_start"] == "a"
    assert request.tags["dagster/asset_partition_range_end"] == "c"
    assert rank_of(request.tags) == "backfills"
    config = _planned(variables, request)
    assert config["deadline"] == soon.replace(second=0, microsecond=0).timestamp()

    # Each file is 9.6 MB, and counts as ten minutes until somebody has looked into it.
    (request,) = _tick(variables, NIGHT_BUDGET="31m")
    assert request.tags["dagster/asset_partition_range_end"] == "b"
    assert _planned(variables, request)["audio_budget_s"] == pytest.approx(1801, abs=1)


@pytest.mark.slow
def test_a_night_asks_for_several_runs_where_one_would_be_too_long(
    variables: dict[str, str],
) -> None:
    requests = _tick(variables, RUN_MAX_AUDIO_S="1300")
    assert isinstance(requests, list)
    keys = [one.tags.get("dagster/partition") for one in requests]
    assert keys == ["a", "b", "c"]
    assert len({one.run_key for one in requests}) == 3
    budgets = [_planned(variables, one)["audio_budget_s"] for one in requests]
    assert budgets == [1201, 1201, 601]


@pytest.mark.slow
def test_an_empty_night_says_why(variables: dict[str, str]) -> None:
    late = settings_of(variables)
    for path in (late.workspace.archive).rglob("*.wav"):
        path.unlink()
    skipped = _tick(variables)
    assert isinstance(skipped, SkipReason)
    assert "Nothing is missing" in str(skipped.skip_message)


@pytest.mark.slow
def test_a_night_that_is_evaluated_too_late_asks_for_nothing(variables: dict[str, str]) -> None:
    skipped = _tick(variables, datetime.now(UTC) - timedelta(days=2))
    assert isinstance(skipped, SkipReason)
    assert "ended at 06:00" in str(skipped.skip_message)


def test_what_nobody_has_looked_into_counts_by_its_size(variables: dict[str, str]) -> None:
    settings = settings_of(variables)
    wav(settings.workspace.archive / "a" / "1.wav")
    wav(settings.workspace.archive / "a" / "2.wav", pitch_hz=220.0)
    found = scan(settings.workspace.archive)
    guessed = backlog.known_work(Setup(settings), found, USUAL)
    assert {one.state for one in guessed} == {"missing"}
    assert guessed[2].audio_s == pytest.approx(600, abs=1)
    backlog.recordings_of(Setup(settings), ["a"])
    known = backlog.known_work(Setup(settings), found, USUAL)
    assert [one.recording.media_fingerprint[:6] == "unread" for one in known] == [
        *(False, False),
        *(True, True, True),
    ]


@pytest.mark.slow
def test_a_night_tells_speakers_apart_where_a_recording_may_fail_again(
    variables: dict[str, str],
) -> None:
    """For Dagster skips what follows in a run in which it does."""
    setup = Setup(settings_of(variables))
    entries = []
    for one in known_work(setup, scan(setup.workspace.archive), setup.options):
        path, (media, settings) = one.recording.media_file.path, one.content
        facts: dict[str, object] = {"media_fingerprint": media, "settings_fingerprint": settings}
        if path == "a/2.wav":
            facts |= {"status": "failed", "num_attempts": 1}
        if one.recording.partition_key == "a":
            said = transcript("", "good morning", **facts)
            entries.append(Entry(one.recording.recording_id, path, said))
    setup.store.publish("a", entries)
    requests = _tick(variables, SPEAKERS="true")
    assert isinstance(requests, list)
    everything, speakers = requests
    assert everything.asset_selection is None
    assert speakers.asset_selection == [AssetKey("speakers")]
    assert speakers.tags["dagster/partition"] == "a"
