"""Whose state a state folder is."""

from pathlib import Path

import pytest

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.launching.instance import claim_state
from opentr_pipeline.settings.workspace import Workspace


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
