"""What the tests of sound listen to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline_tests.audio.sounds import content, saved, silence
from opentr_pipeline_tests.runs import SAMPLES


@pytest.fixture(scope="session")
def speech() -> Any:
    """Speech of 45 s."""
    return content(SAMPLES / "interviews/the_lighthouse.mp3")[:, : 45 * SAMPLE_RATE_HZ]


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory, speech: Any) -> Path:
    """The speech twice, with silences of 2 and 35 s before it."""
    parts = [silence(2), speech, silence(35), speech]
    return saved(tmp_path_factory.mktemp("a") / "spoken.wav", np.concatenate(parts, axis=1))
