"""Made vectors -> people."""

import numpy as np
import pytest

from opentr_pipeline.speakers import clustering
from opentr_pipeline.speakers.clustering import people_of, threshold_of

SIZE = 64


def voices(num_people: int, num_vectors: int, spread: float, seed: int = 1) -> np.ndarray:
    """Vectors of people in turn, each of whom is somewhere else."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_people, SIZE))
    made = centres[np.arange(num_vectors) % num_people]
    made = made + rng.normal(scale=spread, size=made.shape)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("num_people", [1, 2, 5])
@pytest.mark.parametrize("at_once", [2000, 40])
def test_people_are_as_many_as_there_are(
    monkeypatch: pytest.MonkeyPatch, num_people: int, at_once: int
) -> None:
    """At once and in stages."""
    monkeypatch.setattr(clustering, "MAX_AT_ONCE", at_once)
    vectors = voices(num_people, 150, 0.3)
    windows = [at // min(num_people, 2) for at in range(150)]
    people = people_of(vectors, [3.0] * 150, windows)
    assert len(people.centres) == num_people
    first = people.of_vectors[:num_people]
    assert people.of_vectors == [first[at % num_people] for at in range(150)]
    assert np.allclose(np.linalg.norm(people.centres, axis=1), 1)


def test_as_many_voices_as_vectors_end() -> None:
    vectors = np.eye(SIZE)
    assert len(people_of(vectors, [3.0] * SIZE, list(range(SIZE))).centres) == SIZE


def test_a_second_word_founds_nobody() -> None:
    """Too short to be sure of, it goes to whom it is nearest to."""
    vectors = np.concatenate([voices(2, 10, 0.1), voices(1, 1, 0.1, seed=9)])
    people = people_of(vectors, [3.0] * 10 + [0.3], list(range(11)))
    assert len(people.centres) == 2
    assert len(people_of(vectors[-1:], [0.3], [0]).centres) == 1


def test_a_recording_says_how_far_apart_its_people_are() -> None:
    """Voices of one window are two people; where there are few of them, the usual holds."""
    near = voices(2, 20, 0.0)
    near = near + 2 * near.mean(axis=0) / np.linalg.norm(near.mean(axis=0))
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    together = np.repeat(np.arange(10), 2)
    apart = 1 - near[0] @ near[1]
    expected = max(clustering.LOWEST_THRESHOLD, clustering.CALIBRATION * apart)
    assert threshold_of(near, together) == pytest.approx(expected)
    assert threshold_of(near, np.arange(20)) == clustering.USUAL_THRESHOLD


def test_where_voices_are_parted_two_of_a_window_may_be_one_person() -> None:
    """And what is short makes nobody: it joins whom it is like."""
    people = voices(2, 40, 0.3)
    seconds = [3.0] * 39 + [1.5]
    found = people_of(people, seconds, None)
    assert len(found.centres) == 2
    assert len(set(found.of_vectors[::2])) == len(set(found.of_vectors[1::2])) == 1
    strange = np.concatenate([people, voices(1, 1, 0.0, seed=9)])
    assert len(people_of(strange, [*seconds, 1.5], None).centres) == 2
    assert len(people_of(strange, [*seconds, 9.0], None).centres) == 3
