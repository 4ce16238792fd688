"""How the benchmarks count: words of spelled signs, and what is chance."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks import scores
from benchmarks.contexts import RULES, Once
from benchmarks.speech_sets import BenchmarkRecording
from opentr_pipeline.recognition.whisper.decoded import Decoded


def recording(
    number: int, text: str, language: str = "en", kind: str = "sentence"
) -> BenchmarkRecording:
    return BenchmarkRecording(Path(f"{number}.wav"), language, text, 2.0, kind)


@pytest.mark.parametrize(
    ("language", "kind", "text", "heard", "errors"),
    [
        ("en", "letters", "z w q", "ZWQ", 0),
        ("en", "letters", "z w q", "Z, W, K.", 1),
        ("en", "letters", "a", "Hey.", 1),
        ("en", "digits", "two three nine", "239", 0),
        ("fr", "digits", "deux zéro sept", "Deux, zéro, 7.", 0),
        ("ru", "digits", "пять один", "5-2", 1),
        ("en", "word", "NATO", "NATO", 0),
        ("fr", "sentence", "faites le deux", "Faites le 2", 1),
    ],
)
def test_spelled_signs_are_a_word_each_however_they_are_joined(
    language: str, kind: str, text: str, heard: str, errors: int
) -> None:
    ones = [recording(1, text, language, kind)]
    counted = scores.counts(ones, {"1.wav": heard})
    assert counted.tolist() == [[errors, len(text.split())]]


def test_a_difference_stands_beside_what_chance_leaves() -> None:
    ones = [recording(n, "one more time", "en" if n < 20 else "es") for n in range(40)]
    right = {str(one.path): one.text for one in ones}
    worse = right | {f"{n}.wav": "one more" for n in (1, 2, 21)}
    mixed = right | {f"{n}.wav": "one more" for n in range(0, 20, 2)}
    groups = scores.groups(ones)
    counted = [scores.counts(ones, texts) for texts in (right, worse, mixed)]
    found = scores.differences(counted[1], counted[0], groups)
    assert list(found) == ["all", "en", "es"]
    assert (found["all"]["errors"], found["all"]["words"]) == ([3, 0], 120)
    assert found["all"]["rate"] == pytest.approx(3 / 120)
    low, high = found["all"]["interval"]
    assert 0 <= low < 3 / 120 < high < 0.06
    assert found == scores.differences(counted[1], counted[0], groups)
    assert scores.differences(counted[2], counted[2], groups)["en"]["interval"] == [0.0, 0.0]


def test_languages_are_right_or_were_not_looked_for() -> None:
    ones = [recording(1, "hola", "es", "word"), recording(2, "ciao", "it")]
    groups = scores.groups(ones)
    assert scores.languages_right(ones, {"1.wav": "es", "2.wav": "es"}, groups) == {
        "all": 0.5,
        "es": 1.0,
        "word": 1.0,
        "it": 0.0,
        "sentence": 0.0,
    }
    assert scores.languages_right(ones, {}, groups) == {}


def test_a_rule_takes_what_it_pays_for() -> None:
    unsure = Decoded((1,), "unsure", -0.45, 0.1, 1.0, is_endless=False)
    likelier = dataclasses.replace(unsure, text="likelier", avg_logprob=-0.35)
    cut, full = Once(10.0, 1.0, unsure), Once(30.0, 4.0, likelier)
    assert RULES["cut only"].of((cut, full)) == ("unsure", 1.0)
    assert RULES["again below -0.5, the second"].of((cut, full)) == ("unsure", 1.0)
    assert RULES["again below -0.4, the likelier"].of((cut, full)) == ("likelier", 5.0)
    cut = dataclasses.replace(cut, decoded=likelier)
    full = dataclasses.replace(full, decoded=unsure)
    assert RULES["again below -0.3, the second"].of((cut, full)) == ("unsure", 5.0)
    assert RULES["again below -0.3, the likelier"].of((cut, full)) == ("likelier", 5.0)
    # What is heard in full at once is not heard again.
    assert RULES["again below -0.3, the second"].of((full, full)) == ("unsure", 4.0)
