"""The handed cases in ../shared/cases beside the checkout, through the whole product.

They lie there for those who work on the project, and in no repository: elsewhere this is left out.
What each of them shows has a test of its own, with inputs that the test makes.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.conftest import HANDED_CASES, Project
from opentr_pipeline_tests.runs import SAMPLES
from opentr_pipeline_tests.speech import word_error_rate

CASES = PROJECT_ROOT.parent / "shared" / "cases"
LIBRARY = (SAMPLES / "opening_of_the_library.reference.txt").read_text()
CALL = (SAMPLES / "interviews/telephone_call.reference.txt").read_text()
MAX_WORD_ERROR_RATE = 0.1


class Right(NamedTuple):
    """What a case gives: one of the statuses, what is said, how long it is, one of the flags."""

    statuses: str
    text: str = ""
    duration_s: float | None = None
    flags: str = ""


WHOLE = Right("ok", LIBRARY, 12.1)
# ``A3_loop_no.mp3`` shows what A1 does, and takes as long as twenty others.
RIGHT = {
    "A1_loop_flite_no.mp3": Right("suspect no_speech", flags="loop"),
    "B1_inverted.flac": WHOLE,
    "C2_picture_longer.mkv": WHOLE,
    "C3_picture_longer.flv": WHOLE,
    "C4_picture_longer.wmv": WHOLE,
    "C6_commentary_longer.mka": WHOLE,
    "C9_control_really_cut.mkv": Right("truncated", duration_s=6.0),
    "D2_wav_7ffff000.wav": WHOLE,
    "D9_control_ffffffff.wav": WHOLE,
    "E3_two_wavs_joined.wav": WHOLE,
    "F3_chain_16k_then_22k.ogg": Right("ok", f"{LIBRARY} {CALL}", 26.5),
    "G2_camera_tracks.mov": WHOLE,
    # What is said again and again at the end is heard as such, or not at all.
    "H2_speech_then_no.mp3": Right("suspect", "", 47.9, "loop speech_without_words"),
    "I1_24bit_quiet.wav": WHOLE,
    "I9_control_same_gained.wav": WHOLE,
    "J1_call.ul": WHOLE,
    "J2_call.al": WHOLE,
    "K1_clock_goes_back.ts": WHOLE,
    "ff_101_229.asf": Right("corrupt"),
    "ff_104_260.avi": Right("truncated too_long suspect corrupt"),
    "ff_106_114.rm": Right("truncated too_long suspect corrupt"),
    "flac_8Hz_2frames.flac": Right("unsupported corrupt"),
}


@pytest.mark.slow
def test_the_handed_cases_are_as_they_should_be(
    project: Callable[..., Project], tmp_path: Path
) -> None:
    if not CASES.is_dir():
        pytest.skip(HANDED_CASES)
    archive = tmp_path / "archive"
    archive.mkdir()
    for name in RIGHT:
        shutil.copyfile(CASES / name, archive / name)
    made = project(archive)
    made.opentr("run")
    rows = made.transcripts()
    assert set(rows) == set(RIGHT)
    wrong = {}
    for name, right in RIGHT.items():
        said = {key: rows[name][key] for key in ("status", "flags", "duration_s", "text", "reason")}
        if not is_right(right, said):
            wrong[name] = said
    assert wrong == {}


def is_right(right: Right, row: dict[str, object]) -> bool:
    """Whether a row is as it should be."""
    if row["status"] not in right.statuses.split():
        return False
    flags = set(right.flags.split())
    if flags and row["status"] == "suspect" and flags.isdisjoint(row["flags"]):  # type: ignore[call-overload]
        return False
    is_as_long = right.duration_s is None or row["duration_s"] == pytest.approx(
        right.duration_s, abs=0.2
    )
    if not right.text:
        return is_as_long
    rate = word_error_rate([("en", right.text, str(row["text"]))])
    return is_as_long and rate <= MAX_WORD_ERROR_RATE
