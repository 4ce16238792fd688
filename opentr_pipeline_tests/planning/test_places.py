"""Whose an output folder is, and whose a state folder."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.planning.places import check_places, claim_output, claim_state, settle_claims
from opentr_pipeline.postgres import Database
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline_tests.bucket_server import new_bucket


def workspace(folder: Path, output: str, archive: str = "archive") -> Workspace:
    made = Workspace(
        folder / archive, folder / output, folder / "home", folder / "models", folder / "slots"
    )
    made.state.mkdir(parents=True, exist_ok=True)
    return made


def test_one_archive_has_one_output_in_one_home(tmp_path: Path) -> None:
    first, second = workspace(tmp_path, "one"), workspace(tmp_path, "two")
    claim_state(first)
    claim_state(second)  # of the first there is nothing yet
    (tmp_path / "two").mkdir()
    claim_state(second)
    with pytest.raises(SettingsError, match=f"OUTPUT_DIR={tmp_path}/two, or another OPENTR_HOME"):
        claim_state(first)
    (tmp_path / "two").rename(tmp_path / "one")
    claim_state(first)


def test_an_output_by_another_way_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    claim_state(workspace(tmp_path, "one"))
    claim_state(workspace(tmp_path, "link"))


def test_two_archives_never_meet_in_one_home(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    claim_state(workspace(tmp_path, "one"))
    claim_state(workspace(tmp_path, "two", archive="other/archive"))
    assert len(list((tmp_path / "home" / "archives").iterdir())) == 2


def test_one_output_has_one_archive(tmp_path: Path) -> None:
    first, second = workspace(tmp_path, "out", "tapes"), workspace(tmp_path, "out", "radio")
    for one in (first, second):
        one.archive.mkdir()
    check_places(first)
    assert not first.output.exists()
    claim_output(first)
    claim_output(first)
    (tmp_path / "link").symlink_to(first.archive)
    claim_output(workspace(tmp_path, "out", "link"))
    said = f"remove {tmp_path}/out/.store/archive if that archive is this one now"
    with pytest.raises(SettingsError, match=said):
        claim_output(second)
    with pytest.raises(SettingsError, match=said):
        check_places(second)
    (tmp_path / "out" / ".store" / "archive").unlink()
    claim_output(second)


def test_an_archive_may_be_moved(tmp_path: Path) -> None:
    first, second = workspace(tmp_path, "out", "tapes"), workspace(tmp_path, "out", "moved")
    first.archive.mkdir()
    claim_output(first)
    first.archive.rename(second.archive)
    claim_output(second)
    first.archive.mkdir()
    with pytest.raises(SettingsError, match=f"holds the tables of {second.archive}"):
        claim_output(first)


def test_claims_are_looked_for_in_one_place(tmp_path: Path) -> None:
    here = workspace(tmp_path, "out")
    first, second = (
        cast("Database", SimpleNamespace(token=lambda t=t: t, keeps_files=False)) for t in "ab"
    )
    note = f"remove {tmp_path}/out/.store/claims."
    settle_claims(here, None)
    settle_claims(here, None)
    with pytest.raises(SettingsError, match=f"in files, and .* names a database, .* {note}"):
        settle_claims(here, first)
    (tmp_path / "out" / ".store" / "claims").unlink()
    settle_claims(here, first)
    settle_claims(here, first)
    with pytest.raises(SettingsError, match=f"in PostgreSQL, and .* is empty, .* {note}"):
        settle_claims(here, None)
    with pytest.raises(SettingsError, match=r"in PostgreSQL, and .* names another database"):
        settle_claims(here, second)


@pytest.mark.slow
def test_claims_on_a_bucket_are_looked_for_in_one_place_by_all_hosts(
    tmp_path: Path, buckets: str
) -> None:
    bucket = BucketAddress(f"s3://{new_bucket(buckets)}/tables", buckets)
    one, two = (
        dataclasses.replace(workspace(tmp_path / host, "copy"), output_bucket=bucket)
        for host in ("one", "two")
    )
    settle_claims(one, None)
    with pytest.raises(SettingsError, match=f"OUTPUT_DIR={bucket} .* {bucket}/.store/claims"):
        settle_claims(two, cast("Database", SimpleNamespace(token=lambda: "a", keeps_files=False)))
    settle_claims(two, None)
