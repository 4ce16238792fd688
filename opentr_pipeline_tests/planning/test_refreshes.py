"""What is made from transcripts follows them: the plan, the sensor, and the real daemon."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetsDefinition,
    AssetSelection,
    BackfillPolicy,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorResult,
    asset,
    build_sensor_context,
    materialize,
)
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import create_run_for_test

from opentr_pipeline.definitions import defs
from opentr_pipeline.defs.derived_assets import derived_assets
from opentr_pipeline.defs.gpu_slots import PRIORITY_TAG
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.refresh_sensor import refreshes_sensor
from opentr_pipeline.defs.tags import REFRESH_TAG
from opentr_pipeline.planning.refreshes import (
    PATIENCE_S,
    Asked,
    Follower,
    Kind,
    Look,
    Memory,
    Refresh,
    Seen,
    due_refreshes,
)
from opentr_pipeline.planning.run_ranges import RunRange
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.making import settings_of
from opentr_pipeline_tests.page_api import free_port
from opentr_pipeline_tests.runs import (
    SPEECH,
    holder_of,
    make_archive,
    partition_statuses,
    speech_file,
    transcribing_runs,
)

HOUR_S = 3600.0


def test_a_cursor_says_the_same_again() -> None:
    asked = {"subtitles": Asked(7, 1.5), "report": Asked()}
    memory = Memory(asked, [Refresh("stock", ("subtitles",), ("a", "b", "c"))])
    assert Memory.from_cursor(memory.to_cursor()) == memory
    assert Memory.from_cursor(None) == Memory.from_cursor("") == Memory({}, [])


def test_many_partitions_share_a_run_and_all_assets_with_them() -> None:
    order = [f"p{number:03d}" for number in range(200)]
    published = {key: number + 11 for number, key in enumerate(order) if number % 3 == 0}
    followers = [Follower(name, False, Asked(10), {}) for name in ("subtitles", "pages")]
    found = due_refreshes(followers, [], Seen(published, order, (), 5.0))
    assert found.refreshes == [Refresh("new", ("subtitles", "pages"), tuple(published))]
    assert found.memory == Memory(
        dict.fromkeys(("subtitles", "pages"), Asked(max(published.values()), 5.0)), []
    )
    assert found.sentence == "Runs to be started: 1 (subtitles, pages)."


def ends(refresh: Refresh) -> tuple[str, str]:
    """The first and the last of its partitions."""
    return refresh.keys[0], refresh.keys[-1]


def test_what_was_there_before_is_made_by_and_by_and_news_go_between() -> None:
    order = [f"p{number:03d}" for number in range(250)]
    # A run says in any order what it has published.
    published = {key: number * 7 % 250 + 1 for number, key in enumerate(order)}
    memory, found = Memory({}, []), []
    for busy in ((), ("stock",), (), (), ()):
        follower = Follower("pages", False, memory.asked.get("pages"), {})
        one = due_refreshes([follower], memory.waiting, Seen(published, order, busy, 5.0))
        memory = Memory.from_cursor(one.memory.to_cursor())
        found.append([(refresh.kind, *ends(refresh)) for refresh in one.refreshes])
        published["p007"] = 251  # after the first look, again
    assert found == [
        [("stock", "p000", "p099")],
        [("new", "p007", "p007")],
        [("stock", "p100", "p199")],
        [("stock", "p200", "p249")],
        [],
    ]


def test_scattered_partitions_are_started_together() -> None:
    order = [f"p{number:03d}" for number in range(250)]
    published = {"p000": 1, "p100": 2, "p240": 3}
    found = due_refreshes(
        [Follower("pages", False, Asked(), {})], [], Seen(published, order, (), 5.0)
    )
    assert [one.keys for one in found.refreshes] == [("p000",), ("p100",), ("p240",)]


def test_of_runs_that_wait_deleted_partitions_alone_are_forgotten() -> None:
    order = [f"p{number:03d}" for number in range(20)]
    waiting = [Refresh("new", ("pages",), ("p000", *order[5:8], "p010"))]
    waiting += [Refresh("new", ("pages",), ("p015",))]
    # One is deleted, one deleted and registered again, and one was the only one of its run.
    order = [*order[1:10], *order[11:15], *order[16:], "p010"]
    later = due_refreshes([], waiting, Seen({}, order, {"new"}, 5.0)).memory.waiting
    assert later == [Refresh("new", ("pages",), ("p005", "p006", "p007", "p010"))]
    now = due_refreshes([], later, Seen({}, order, (), 5.0))
    assert now.refreshes == later
    assert not now.memory.waiting


def test_an_asset_that_came_later_is_made_of_what_was_there_and_the_others_are_not() -> None:
    followers = [
        Follower("subtitles", False, Asked(8), {}),
        Follower("pages", False, None, {"b": 10}),  # by hand
    ]
    found = due_refreshes(followers, [], Seen({"a": 3, "b": 9}, ["a", "b"], (), 5.0))
    stock, new = sorted(found.refreshes, key=lambda one: one.names)
    assert (stock, new) == (
        Refresh("stock", ("pages",), ("a",)),
        Refresh("new", ("subtitles",), ("b",)),
    )


def test_what_comes_while_a_run_works_waits_for_it_and_is_not_forgotten() -> None:
    followers = [Follower("subtitles", False, Asked(8), {})]
    busy = due_refreshes(followers, [], Seen({"a": 9}, ["a"], {"new"}, 5.0))
    assert not busy.refreshes
    assert busy.memory == Memory({"subtitles": Asked(8, due_at_s=5.0)}, [])
    assert "subtitles follows when the runs before have ended" in busy.sentence
    assert due_refreshes(followers, [], Seen({"a": 9}, ["a"], {"stock", "whole"}, 5.0)).refreshes
    # What was there before is looked at once: what such a run makes meanwhile says nothing.
    first = due_refreshes(
        [Follower("pages", False, None, {})], [], Seen({"a": 9}, ["a"], {"stock"}, 5.0)
    )
    assert not first.refreshes
    assert first.memory == Memory({"pages": Asked(9, 5.0)}, [Refresh("stock", ("pages",), ("a",))])


def test_what_a_run_publishes_while_it_works_follows_at_its_end_or_in_minutes() -> None:
    def at(now_s: float, asked: Asked, *, is_transcribing: bool) -> Look:
        seen = Seen({"a": 9}, ["a"], (), now_s, is_transcribing)
        return due_refreshes([Follower("subtitles", False, asked, {})], [], seen)

    first = at(5.0, Asked(8), is_transcribing=True)
    assert not first.refreshes
    assert "subtitles follows when the runs that transcribe have ended" in first.sentence
    asked = at(200.0, first.memory.asked["subtitles"], is_transcribing=True).memory.asked
    assert asked == first.memory.asked
    assert at(200.0, asked["subtitles"], is_transcribing=False).refreshes
    late = at(5.0 + PATIENCE_S, asked["subtitles"], is_transcribing=True)
    assert late.refreshes
    assert late.memory.asked["subtitles"] == Asked(9, 5.0 + PATIENCE_S)


def test_what_has_no_partitions_is_made_once_an_hour_at_most_and_only_for_news() -> None:
    def at(now_s: float, asked: Asked | None, **published: int) -> Look:
        seen = Seen(published, ["a"], (), now_s)
        return due_refreshes([Follower("report", True, asked, {})], [], seen)

    first = at(HOUR_S, None, a=3)
    assert first.refreshes == [Refresh("whole", ("report",), ())]
    asked = first.memory.asked["report"]
    soon = at(HOUR_S + 600, asked, a=5)
    assert not soon.refreshes
    assert soon.memory.asked["report"] == asked._replace(due_at_s=HOUR_S + 600)
    assert "report follows in 50 min (once an hour)" in soon.sentence
    assert at(2 * HOUR_S, asked, a=5).refreshes
    later = at(9 * HOUR_S, asked, a=3)
    assert not later.refreshes
    assert later.sentence.startswith("Nothing new: ")


def test_what_leads_to_all_others_is_made_after_them_or_an_hour_later() -> None:
    order = [f"p{number:03d}" for number in range(101)]
    published = {key: number + 1 for number, key in enumerate(order)}
    memory, found = Memory({}, []), []

    def at(now_s: float, *busy: Kind) -> None:
        nonlocal memory
        asked = memory.asked.get
        followers = [Follower(name, name == "report", asked(name), {}) for name in ("report", "b")]
        one = due_refreshes(followers, memory.waiting, Seen(published, order, busy, now_s))
        memory = Memory.from_cursor(one.memory.to_cursor())
        found.append([refresh.names for refresh in one.refreshes])
        assert ("report follows when the others have been made" in one.sentence) == (
            not memory.asked["report"].until
        )

    for _ in range(2):
        at(HOUR_S)
        at(HOUR_S, "stock")
    assert found == [[("b",)], [], [("b",)], []]
    at(HOUR_S + 5)
    assert found.pop() == [("report",)]
    memory = Memory({"b": Asked(101)}, [])
    for minute in (0, 20, 40, 60):  # something is new at each look
        published["p000"] += 101
        at(HOUR_S + minute * 60)
    assert found[-4:] == [[("b",)], [("b",)], [("b",)], [("report",), ("b",)]]


class Eye:
    """The sensor's ticks, one after another, as the daemon has them."""

    def __init__(self, instance: DagsterInstance, *more: AssetsDefinition) -> None:
        self.instance = instance
        subtitles, _, search_index, _ = derived_assets(settings_of(), Names())
        self.sensor = refreshes_sensor(Names(), [subtitles, search_index, *more], 30)
        self.cursor: str | None = None

    def tick(self) -> SensorResult:
        with build_sensor_context(self.instance, cursor=self.cursor) as context:
            result = self.sensor(context)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        return result

    def asked(self) -> list[tuple[list[str], str]]:
        """The assets and the first partition of each run that a tick asks for."""
        return [
            (
                [key.to_user_string() for key in one.asset_selection or ()],
                one.tags.get("dagster/partition")
                or one.tags.get("dagster/asset_partition_range_start", ""),
            )
            for one in self.tick().run_requests or ()
        ]

    def says(self, *events: AssetMaterialization | AssetObservation) -> None:
        for event in events:
            self.instance.report_runless_asset_event(event)


BOTH = ["subtitles", "search_index"]  # of those that there are


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        made.add_dynamic_partitions("archive", ["a", "b", "c"])
        yield made


@pytest.mark.slow
def test_each_publication_is_followed_once_though_the_run_fails(instance: DagsterInstance) -> None:
    eye = Eye(instance)
    said = eye.tick().skip_reason
    assert said
    assert "Nothing new" in str(said.skip_message)
    eye.says(AssetMaterialization("transcripts", partition="a"))
    (request,) = eye.tick().run_requests or []
    assert request.tags[REFRESH_TAG] == "new"
    assert request.tags[PRIORITY_TAG] == "0"
    # Whatever becomes of that run.
    assert eye.asked() == []
    # Recordings of a partition failed: what there is of it is published all the same.
    eye.says(AssetObservation("transcripts", partition="b"))
    assert eye.asked() == [(BOTH, "b")]
    assert eye.asked() == []
    # A run that has read what was there before says so later.
    eye.says(AssetMaterialization("transcripts", partition="c"))
    eye.says(*(AssetMaterialization(name, partition="c") for name in BOTH))
    assert eye.asked() == [(BOTH, "c")]
    assert eye.asked() == []
    eye.cursor = None
    assert eye.asked() == [(BOTH, "a")]


@pytest.mark.slow
def test_a_run_that_began_before_a_publication_has_not_followed_it(
    instance: DagsterInstance,
) -> None:
    @asset(partitions_def=Names().partitions, backfill_policy=BackfillPolicy.single_run())
    def notes(context: AssetExecutionContext) -> None:
        if context.has_partition_key_range:  # published while the run works
            event = AssetMaterialization("transcripts", partition="b")
            context.instance.report_runless_asset_event(event)

    tags = RunRange(("a", "b")).tags
    eye = Eye(instance, notes)
    eye.says(*(AssetMaterialization("transcripts", partition=key) for key in "ab"))
    assert materialize([notes], tags=tags, instance=instance).success
    eye.says(*(AssetMaterialization(name, partition=key) for name in BOTH for key in "ab"))
    assert eye.asked() == [(["notes"], "b")]
    eye.cursor = None
    assert materialize([notes], partition_key="b", instance=instance).success
    assert eye.asked() == []


@pytest.mark.slow
def test_what_was_there_before_is_caught_up_after_everything_else(
    instance: DagsterInstance,
) -> None:
    eye = Eye(instance)
    eye.says(*(AssetMaterialization("transcripts", partition=key) for key in "abc"))
    eye.says(AssetMaterialization("subtitles", partition="a"))
    requests = eye.tick().run_requests or []
    found = [
        (one.asset_selection, one.tags["dagster/asset_partition_range_start"]) for one in requests
    ]
    assert found == [([AssetKey("subtitles")], "b"), ([AssetKey("search_index")], "a")]
    assert {one.tags[REFRESH_TAG] for one in requests} == {"stock"}
    assert {one.tags[PRIORITY_TAG] for one in requests} == {"-10"}
    assert eye.asked() == []


@pytest.mark.slow
def test_a_tick_waits_for_the_run_before(instance: DagsterInstance) -> None:
    eye = Eye(instance)
    eye.tick()
    tags = {REFRESH_TAG: "new", "dagster/sensor_name": "refreshes"}
    run = create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=tags)
    eye.says(AssetMaterialization("transcripts", partition="a"))
    assert eye.asked() == []
    instance.report_run_canceled(run)
    eye.says(AssetMaterialization("transcripts", partition="b"))
    assert eye.asked() == [(BOTH, "a")]


@pytest.mark.slow
def test_what_a_run_published_before_it_was_terminated_is_followed(
    instance: DagsterInstance,
) -> None:
    eye = Eye(instance)
    eye.tick()
    create_run_for_test(instance)  # it has not begun, so it publishes nothing
    started = DagsterRunStatus.STARTED
    create_run_for_test(instance, job_name="of_somebody_else", status=started)
    run = create_run_for_test(instance, job_name="transcribe_archive", status=started)
    eye.says(AssetObservation("transcripts", partition="a"))
    assert eye.asked() == []
    instance.report_run_canceled(run)
    assert eye.asked() == [(BOTH, "a")]


@pytest.mark.slow
def test_an_asset_without_partitions_has_a_run_of_its_own(instance: DagsterInstance) -> None:
    @asset(deps=["transcripts"])
    def report() -> None: ...

    eye = Eye(instance, report)
    eye.says(AssetMaterialization("transcripts", partition="a"))
    assert eye.asked() == [(BOTH, "a")]
    assert eye.asked() == [(["report"], "")]
    eye.says(AssetMaterialization("transcripts", partition="a"))
    assert eye.asked() == [(BOTH, "a")]
    said = eye.tick().skip_reason
    assert said
    assert "report follows in 60 min" in str(said.skip_message)


def test_the_sensor_runs_by_default_and_names_all_that_is_made_from_transcripts() -> None:
    found = next(one for one in defs.sensors or () if one.name == "refreshes")
    assert found.default_status == DefaultSensorStatus.RUNNING
    below = AssetSelection.assets("transcripts").downstream(include_self=False)
    made = [one for one in defs.assets or () if isinstance(one, AssetsDefinition)]
    names = {key.to_user_string() for key in below.resolve(made)}
    assert names >= set(BOTH)
    assert all(name in str(found.description) for name in names)


@pytest.fixture
def one(project: Callable[..., Project], tmp_path: Path) -> Iterator[Project]:
    """An archive that was transcribed before its services were there, all but one recording."""
    files = {"good/a.wav": SPEECH[0], "mixed/b.opus": SPEECH[1], "old/c.flac": SPEECH[2]}
    archive = make_archive(tmp_path / "archive", files)
    variables = {"UPLOAD_SETTLE_S": "4", "GPU_DEVICE_ID": "cpu"}
    one = project(archive, DAGSTER_PORT=free_port(), **variables)
    with growing(speech_file(archive / "mixed" / "d.wav", 1)):
        one.opentr("run", code=1)
    # In the way of a file of subtitles.
    (exports(one) / "old" / "c.flac.srt" / "folder").mkdir(parents=True)
    one.opentr("start", "dev")
    yield one
    DevServices.of(one.settings).stop()


def refreshes_of(one: Project) -> list[DagsterRun]:
    """The runs that the sensor has asked for, the first one on top."""
    with DagsterInstance.from_config(str(one.settings.workspace.dagster_home)) as instance:
        runs = instance.get_runs(RunsFilter(tags={REFRESH_TAG: ["new", "stock", "whole"]}))
        return list(reversed(runs))


def ticks_of(one: Project) -> list[InstigatorTick]:
    """The sensor's, latest first."""
    with DagsterInstance.from_config(str(one.settings.workspace.dagster_home)) as instance:
        (state,) = (state for state in instance.all_instigator_state() if state.name == "refreshes")
        return list(instance.get_ticks(state.instigator_origin_id, state.selector_id))


def exports(one: Project) -> Path:
    return one.settings.workspace.output / "exports"


def is_subtitled(one: Project, path: str) -> bool:
    return (exports(one) / f"{path}.srt").exists()


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """A file that somebody still writes, so that transcribing it fails."""
    over = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as stream:
            while not over.wait(0.01):
                stream.write(b"\0\0")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def is_idle(one: Project) -> bool:
    """Whether the sensor has found nothing to do, again and again, since the last run ended."""
    with DagsterInstance.from_config(str(one.settings.workspace.dagster_home)) as instance:
        ended_at = max(record.end_time or math.inf for record in instance.get_run_records())
    # A tick is noted before the sensor is asked.
    since = [tick for tick in ticks_of(one) if tick.timestamp > ended_at and tick.is_completed]
    return len(since) >= 2 and {tick.status for tick in since} == {TickStatus.SKIPPED}


def announced(one: Project) -> set[str]:
    """The partitions of transcripts of which somebody said that they were published."""
    with DagsterInstance.from_config(str(one.settings.workspace.dagster_home)) as instance:
        kind = DagsterEventType.ASSET_OBSERVATION
        return {*instance.get_latest_storage_id_by_partition(AssetKey("transcripts"), kind)}


@pytest.mark.slow
def test_what_a_killed_run_has_published_is_followed(
    project: Callable[..., Project], tmp_path: Path
) -> None:
    files = {f"{key}/{Path(said).name}": said for key, said in zip("abcdef", SPEECH, strict=True)}
    archive = make_archive(tmp_path / "archive", files)
    one = project(archive, GPU_DEVICE_ID="cpu", WHISPER_BATCH_SIZE="1")
    home = one.settings.workspace.dagster_home
    process = one.start("run")
    wait_for(one.transcripts)  # who asks Dagster earlier is in the way of a run that prepares it
    wait_for(lambda: announced(one))
    process.kill()
    process.communicate()
    wait_for(lambda: holder_of(tmp_path / "slots" / "cpu.slot-0") is None)
    assert "MATERIALIZED" not in partition_statuses(home, "transcripts").values()
    with DagsterInstance.from_config(str(home)) as instance:
        assert Eye(instance).asked() == [(BOTH, min(announced(one)))]


@pytest.mark.slow
def test_subtitles_appear_by_themselves_and_nothing_is_repeated(one: Project) -> None:
    home = one.settings.workspace.dagster_home
    assert announced(one) == {"good", "mixed", "old"}  # by the steps, though one recording failed
    # The services catch up; by now the last recording is whole, so it is transcribed as well.
    wait_for(lambda: is_subtitled(one, "mixed/d.wav"))
    assert is_subtitled(one, "good/a.wav")
    assert is_subtitled(one, "mixed/b.opus")
    wait_for(lambda: is_idle(one))
    assert partition_statuses(home, "subtitles") == {
        "good": "MATERIALIZED",
        "mixed": "MATERIALIZED",
        "old": "FAILED",
    }
    for name in ("pages", "search_index"):
        made = dict.fromkeys(("good", "mixed", "old"), "MATERIALIZED")
        assert partition_statuses(home, name) == made
    found = {
        (run.tags[REFRESH_TAG], run.tags.get("dagster/partition"), run.status.value)
        for run in refreshes_of(one)
    }
    assert found == {
        ("stock", None, "FAILURE"),
        ("whole", None, "SUCCESS"),
        ("new", "mixed", "SUCCESS"),
    }
    assert len(refreshes_of(one)) == 3
    assert (one.settings.workspace.output / "pages" / "report.html").exists()
    assert len(transcribing_runs(home)) == 2
