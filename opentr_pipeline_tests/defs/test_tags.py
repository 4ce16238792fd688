"""The tags of our runs: hidden on the page, and known by their names of before."""

import re

import yaml
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.storage.tags import TagType, get_tag_type
from dagster._core.test_utils import create_run_for_test

from opentr_pipeline import build_defs
from opentr_pipeline.defs import descriptions, refresh_sensor, sensors, tags
from opentr_pipeline.defs.names import Names
from opentr_pipeline.launching.home import POOL_EXTRA
from opentr_pipeline.settings.installation import stock


def test_the_page_hides_tags_of_ours_and_queues_go_by_them() -> None:
    assert {get_tag_type(tag) for tag in tags.BEFORE} == {TagType.HIDDEN}
    config = yaml.safe_load(stock("dagster.yaml").read_text())
    limited = {one["key"] for one in config["concurrency"]["runs"]["tag_concurrency_limits"]}
    assert limited == {tags.NIGHT_TAG, tags.REFRESH_TAG, "dagster/backfill"}


def test_runs_of_the_release_before_are_known() -> None:
    with DagsterInstance.ephemeral() as instance:
        for number, tag in enumerate((str, tags.BEFORE.__getitem__)):
            asked = {tag(tags.UPLOADS_TAG): "stock", tag(tags.REQUEST_TAG): f"request {number}"}
            made = {tag(tags.REFRESH_TAG): ("new", "whole")[number]}
            for sensor, own in (("uploads", asked), ("refreshes", made)):
                own[tags.SENSOR_TAG] = sensor
                create_run_for_test(instance, status=DagsterRunStatus.STARTED, tags=own)
        under_way = sensors._under_way(instance, Names())
        assert under_way == {"request 0": True, "request 1": True}
        assert refresh_sensor._refreshing(instance.get_runs(), Names()) == {"new", "whole"}


def test_sensors_and_schedules_say_what_they_do_without_markup() -> None:
    """Their pages show a description as it is, other than those of assets and jobs."""
    made = build_defs("samples/archive", "tapes", output_dir="output/tapes")
    found = [one.description or "" for one in (*(made.sensors or ()), *(made.schedules or ()))]
    assert len(found) == 3
    assert [text for text in found if re.search(r"[`*]|\]\(", text)] == []


def test_the_description_explains_the_limit_of_the_pool() -> None:
    """Which stands beside the worker slots' number on the page, and is no slots' number."""
    assert POOL_EXTRA == 9
    assert "its limit is\nthe worker slots and nine" in descriptions.TRANSCRIPTS
