"""Settings that are given in code, and such with some other values."""

import pytest

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.given import changed_settings
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
