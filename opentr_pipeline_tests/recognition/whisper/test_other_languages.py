"""A window in which two languages are spoken, and the model writes one of them; it is a fake."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.recognition.recognizer import Part
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.transcriber import Transcriber
from opentr_pipeline.transcripts.transcript import Word
from opentr_pipeline_tests.making import OPTIONS
from opentr_pipeline_tests.recognition.whisper.test_transcriber import GOOD, Whisper

EACH_WINDOW = dataclasses.replace(OPTIONS, language="each_window")
ENGLISH = 12  # seconds of the window, of which the last 4 are in English
# The alignment stretches the second word backwards over what was said before it in Spanish.
WORDS = {
    ENGLISH: ((" Hello", 0.0, 0.5), (" I", 0.5, 8.5), (" am", 8.5, 9.0), (" calling", 9.0, 11.0))
}


class Bilingual(Whisper):
    """Hears English wherever there are some seconds of it, and Spanish alone by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths_s: list[float] = []

    def decode(
        self, encoded: Sequence[Any], languages: Sequence[str], *facts: Any
    ) -> list[Decoded]:
        says = {"en": "Hello I am calling", "es": "muy largo"}
        return [dataclasses.replace(GOOD, text=says[one]) for one in languages]

    def languages(self, encoded: Any) -> dict[str, float]:
        return {"en": 0.9, "es": 0.1} if encoded[0, 0, 0] == 1 else {"en": 0.1, "es": 0.9}

    def align(self, encoded: Any, decoded: Any, languages: Any, windows: Any, task: str) -> Any:
        self.lengths_s += [one.duration_s for one in windows]
        spanish = ((" muy", 0.5, 2.5), (" largo", 2.5, 4.5))
        return [[Word(*word, 0.5) for word in WORDS.get(round(windows[0].duration_s), spanish)]]


def heard(options: Any, *pauses_s: tuple[float, float]) -> tuple[Any, Bilingual]:
    """The window from 100 s on; samples tell the languages."""
    samples = np.ones(ENGLISH * SAMPLE_RATE_HZ, np.float32)
    samples[SAMPLE_RATE_HZ // 2 : 8 * SAMPLE_RATE_HZ] = 2
    for start_s, end_s in pauses_s:
        samples[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)] = 0
    start = 100 * SAMPLE_RATE_HZ
    part = Part(Window(((start, start + len(samples)),), samples), options)
    model = Bilingual()
    (one,) = Transcriber(model).hear([part])  # type: ignore[arg-type]
    return one, model


def test_what_is_said_in_another_language_is_heard_by_itself() -> None:
    one, model = heard(EACH_WINDOW)
    assert [(said.text, said.language) for said in one.segments] == [
        ("Hello", "en"),
        ("muy largo", "es"),
        ("I am calling", "en"),
    ]
    # Between the words, and a little away from them.
    assert model.lengths_s == [ENGLISH, pytest.approx(5.4, abs=0.1)]
    times = [time_s for said in one.segments for time_s in (said.start_s, said.end_s)]
    assert times == sorted(times)
    assert 100.8 <= one.segments[1].start_s < one.segments[1].end_s < 106.3
    assert (one.language, one.speech_s) == ("en", ENGLISH)


@pytest.mark.parametrize(
    ("pauses_s", "length_s"),
    [
        (((0.55, 0.75), (6.4, 7.4)), 6.9 - 0.65),  # to the middles of both
        (((0.7, 0.9), (6.1, 6.9)), 6.5 - 0.8),  # in pauses already
        (((0.1, 0.2), (7.0, 7.9)), 6.2 - 0.8),  # the next word is not half a word
    ],
)
def test_no_word_is_cut_in_two_where_a_pause_is_near(
    pauses_s: Sequence[tuple[float, float]], length_s: float
) -> None:
    _, model = heard(EACH_WINDOW, *pauses_s)
    assert model.lengths_s == [ENGLISH, pytest.approx(length_s, abs=0.02)]


def test_where_a_recording_has_a_language_nothing_is_heard_twice() -> None:
    one, model = heard(dataclasses.replace(OPTIONS, language="en"))
    assert [said.text for said in one.segments] == ["Hello I am calling"]
    assert model.lengths_s == [ENGLISH]
