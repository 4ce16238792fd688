"""In what band a recording is, by what is heard of it."""

import numpy as np
import pytest

from opentr_pipeline.speakers.embeddings import NUM_BANDS, Band


def features(lower: float) -> np.ndarray:
    """Logarithms of energy, less of it by so much above 4 kHz."""
    made = np.random.default_rng(1).normal(-6, 2, (200, NUM_BANDS))
    made[:, 56:] -= lower
    return made.astype(np.float32)


@pytest.mark.parametrize(("lower", "is_narrow"), [(0, False), (2, False), (5.5, True), (99, True)])
def test_a_telephone_is_known_by_what_it_takes_away(lower: float, is_narrow: bool) -> None:
    band = Band()
    band.hear(features(lower))
    assert band.is_narrow == is_narrow


def test_one_good_voice_makes_a_recording_wide() -> None:
    """So that a call within a broadcast is compared with the others there."""
    band = Band()
    assert not band.is_narrow
    for lower in (5.5, 5.5, 0):
        band.hear(features(lower))
    assert not band.is_narrow
