"""Windows that a long recording keeps while it is transcribed, and the notes of its attempts."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.transcript import Segment, Word
from opentr_pipeline.transcripts.window_results import Heard
from opentr_pipeline_tests.making import OTHER_OPTIONS, content, transcript

SOUND = content("sound")


def window(number: int, text: str = "Señor, “qué”\u2028tal\n") -> Heard:
    words = (Word(f" {text}", 1.0, 2.0, 0.5),)
    said = Segment(1.0, 2.0, text, -0.2, 0.1, 1.5, words, language="es")
    return Heard(number * 16_000, None, 1.5, "es", 0.9, 0.1, (said,) * (number % 3))


WINDOWS = [window(number) for number in range(6)]


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / ".store")


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[str], Path]:
    media_fingerprint, settings_fingerprint = SOUND
    folder = tmp_path / ".store" / "checkpoints" / settings_fingerprint
    return lambda kind: folder / f"{media_fingerprint}.{kind}"


def test_nothing_was_heard_of_what_was_never_begun(kept: Checkpoints, tmp_path: Path) -> None:
    assert kept.heard_so_far(SOUND) == []
    assert list(tmp_path.iterdir()) == []


def test_windows_that_are_kept_are_found_in_the_order_they_came(kept: Checkpoints) -> None:
    kept.keep_heard(SOUND, WINDOWS[:4])
    kept.keep_heard(SOUND, WINDOWS[4:])
    assert kept.heard_so_far(SOUND) == WINDOWS
    assert kept.heard_so_far(content("other sound")) == []
    assert kept.heard_so_far(content("sound", OTHER_OPTIONS)) == []


def test_a_write_that_was_cut_anywhere_costs_its_last_window_alone(
    kept: Checkpoints, file_of: Callable[[str], Path]
) -> None:
    kept.keep_heard(SOUND, WINDOWS[:2])
    whole = file_of("heard").read_bytes()
    last = len(whole.rstrip(b"\n").rpartition(b"\n")[2]) + 1
    for missing in range(1, last + 1):
        file_of("heard").write_bytes(whole[: len(whole) - missing])
        assert kept.heard_so_far(SOUND) == WINDOWS[: 2 if missing == 1 else 1]
        if missing % 20 == 2:  # what comes after is not damaged by it
            kept.keep_heard(SOUND, WINDOWS[2:])
            assert kept.heard_so_far(SOUND) == [WINDOWS[0], *WINDOWS[2:]]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\0" * 100, id="zeros, after a power cut"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"{}", id="of a release with other fields"),
        pytest.param(b'{"segments": {"text": "a"}}', id="of a release with other segments"),
        pytest.param(b'{"segments": [{"words": null}]}', id="of one with other words"),
        pytest.param(b"[1]", id="no window"),
        pytest.param(b"null", id="nothing"),
        pytest.param(b'{"segments": [], "volume": 1}', id="of a release with more fields"),
    ],
)
def test_a_line_that_makes_no_sense_is_left_out(
    kept: Checkpoints, line: bytes, file_of: Callable[[str], Path]
) -> None:
    kept.keep_heard(SOUND, WINDOWS[:2])
    with file_of("heard").open("ab") as stream:
        stream.write(line + b"\n")
    kept.keep_heard(SOUND, WINDOWS[2:])
    assert kept.heard_so_far(SOUND) == WINDOWS


def test_a_recording_that_gets_on_is_forgiven_its_deaths(kept: Checkpoints) -> None:
    for _ in range(3):
        kept.begin_attempt(SOUND)
    kept.keep_heard(SOUND, WINDOWS)
    assert kept.num_attempts(SOUND) == 1  # the one that is under way
    assert kept.begin_attempt(SOUND) == 2


def test_keeping_windows_begins_no_attempt(kept: Checkpoints) -> None:
    kept.keep_heard(SOUND, WINDOWS)
    assert kept.num_attempts(SOUND) == 0


def test_keeping_windows_late_gives_no_attempt_back(kept: Checkpoints) -> None:
    """A process that is told to end withdraws its attempts while its model is still at work."""
    kept.begin_attempt(SOUND)
    kept.withdraw_attempt(SOUND)
    kept.keep_heard(SOUND, WINDOWS)
    assert kept.num_attempts(SOUND) == 0


def test_an_outcome_that_is_final_needs_no_windows(
    kept: Checkpoints, file_of: Callable[[str], Path]
) -> None:
    kept.begin_attempt(SOUND)
    kept.keep_heard(SOUND, WINDOWS)
    kept.save(transcript())
    assert kept.heard_so_far(SOUND) == []
    assert [path.suffix for path in file_of("json").parent.iterdir()] == [".json"]


def test_after_a_failure_the_windows_are_there_for_the_next_attempt(kept: Checkpoints) -> None:
    kept.keep_heard(SOUND, WINDOWS)
    kept.save(transcript(status="failed"))
    kept.drop(SOUND)  # as a plan does that takes it on again
    assert kept.heard_so_far(SOUND) == WINDOWS
    kept.save(transcript())
    assert kept.heard_so_far(SOUND) == []


def test_attempts_count_until_there_is_an_outcome(kept: Checkpoints) -> None:
    assert [kept.begin_attempt(SOUND) for _ in range(3)] == [1, 2, 3]
    kept.withdraw_attempt(SOUND)
    assert kept.num_attempts(SOUND) == 2
    kept.save(transcript(status="failed"))
    assert kept.num_attempts(SOUND) == 0
    kept.withdraw_attempt(SOUND)
    assert kept.num_attempts(SOUND) == 0


def test_a_window_without_words_is_kept_as_it_is(kept: Checkpoints) -> None:
    still = dataclasses.replace(WINDOWS[1], segments=(), channel=1)
    kept.keep_heard(SOUND, [still])
    assert kept.heard_so_far(SOUND) == [still]
    assert kept.heard_so_far(SOUND)[0].place == (16_000, 1)
