"""How the benchmarks count: words of spelled signs, what is chance, and what was heard before."""

import dataclasses
import time
from pathlib import Path

import pytest

from benchmarks import accuracy, engine, scores
from benchmarks.candidates.protocol import Answer, Request
from benchmarks.contexts import RULES, Once
from benchmarks.measured import CANDIDATES, Candidate
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


def test_a_long_recording_is_drawn_in_pieces() -> None:
    said = [f"word{n}" for n in range(130)]
    ones = [recording(1, " ".join(said), "fr"), recording(2, "one more time", "fr")]
    heard = [*said[:10], "added", *said[10:60], "wrong", *said[70:], "more"]
    texts = {"1.wav": " ".join(heard), "2.wav": ""}
    counted, owners = scores.pieces(ones, texts)
    assert counted.tolist() == [[1, 50], [10, 50], [1, 30], [3, 3]]
    assert [one.path.name for one in owners] == ["1.wav"] * 3 + ["2.wav"]
    assert scores.counts(ones, texts).tolist() == [[12, 130], [3, 3]]
    row: engine.Row = {"texts": texts}
    rows = {"ours": {"texts": {**texts, "2.wav": "one more time"}}, engine.BASELINE: row}
    engine.compare(ones, rows)
    found = rows["ours"]["to_baseline"]["all"]
    assert (found["errors"], found["words"]) == ([12, 15], 133)
    assert found["interval"][0] < found["interval"][1] == 0


def test_what_was_heard_is_not_heard_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ones = [dataclasses.replace(recording(n, "one", "en"), duration_s=70.0) for n in range(4)]
    ones.append(recording(4, "uno", "es"))
    asked: list[tuple[str, list[str]]] = []

    def run(candidate: Candidate, request: Request, cache: Path, timeout_s: float) -> Answer:
        (name,) = [name for name, one in CANDIDATES.items() if one is candidate]
        asked.append((name, request.files))
        said = dict.fromkeys(request.files, "one")
        return Answer(0.0, 0.0, 1.0, said, 0, {}, dict.fromkeys(request.files, "en"))

    def request_for(ones: list[BenchmarkRecording], threads: int, *, is_told: bool) -> Request:
        languages = [one.language for one in ones]
        return Request("", [str(one.path) for one in ones], languages, threads, is_told=is_told)

    monkeypatch.setattr(accuracy, "run", run)
    monkeypatch.setattr(engine, "request_for", request_for)
    kept, later_s = tmp_path / "kept.jsonl", time.monotonic() + 60
    assert accuracy.hear(ones[:2], kept, is_told=False, until_s=0.0) == []
    first = accuracy.hear(ones[:2], kept, is_told=False, until_s=later_s)
    assert asked == [(name, ["0.wav", "1.wav"]) for name in ("ours", engine.BASELINE)]
    heard = accuracy.hear(ones, kept, is_told=False, until_s=later_s)
    assert heard[: len(first)] == first
    # The languages take turns, so that a part of the set has all of them.
    assert [files for _, files in asked[2:]] == [["4.wav"]] * 2 + [["2.wav", "3.wav"]] * 2
    assert accuracy.hear(ones, kept, is_told=False, until_s=0.0) == heard
    both, rows = accuracy.compared(ones, heard[:-1])
    assert [one.path.name for one in both] == ["0.wav", "1.wav", "2.wav", "4.wav"]
    assert rows["ours"]["to_baseline"]["es"]["errors"] == [1, 1]


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
