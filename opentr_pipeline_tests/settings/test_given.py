"""Settings that are given in code, and such with some other values."""

from pathlib import Path

import pytest

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.folder_file import folder_file
from opentr_pipeline.settings.given import archive_settings, changed_settings
from opentr_pipeline_tests.making import settings_of


def test_changed_settings_keep_all_others() -> None:
    before = settings_of(
        GPU_SCALE_DEVICE_ID="0,2",
        NIGHT_BUDGET="90m",
        WHISPER_HOTWORDS="Po, Arno",
        ASSET_TAGS="team=radio,kind=speech",
        RUN_MEMORY="8g",
    )
    changed = changed_settings(before, {"gpu_scale_enabled": True, "night_budget": "2h"})
    expected = {"gpu_scale_enabled": True, "night_budget": "2h"}
    assert changed.model_dump() == {**before.model_dump(), **expected}
    with pytest.raises(SettingsError, match="NIGHT_BUDGET must be"):
        changed_settings(before, {"night_budget": "much"})


def test_the_folder_of_the_process_gives_an_archive_of_others_no_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opentr_pipeline.settings.folder_file.call_folder", lambda: tmp_path)
    (tmp_path / "opentr.toml").touch()
    (tmp_path / "tapes").mkdir()
    settings = archive_settings("tapes", {"output_dir": "out"}, tmp_path)
    assert folder_file(settings_of(ARCHIVE_DIR=tmp_path / "tapes")) == tmp_path / "opentr.toml"
    assert folder_file(settings) is None
    (tmp_path / "tapes" / "opentr.toml").touch()
    assert folder_file(changed_settings(settings, {})) == tmp_path / "tapes" / "opentr.toml"
