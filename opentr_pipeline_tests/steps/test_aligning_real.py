"""Given texts of real public speech, with errors in them, on what the model heard of it."""

import random
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline_tests.conftest import Project, RecordProperty
from opentr_pipeline_tests.speech import ReferenceSpeech, SpeechUnavailableError, fetch

pytestmark = pytest.mark.slow
SECONDS_PER_LANGUAGE = 125.0
PAUSE_S = 2.0
RANDOM_SEED = 15
# The same recording under several names; its text has something wrong in each.
CHANGES = ("same", "removed", "changed", "moved")


def prompts_of(language: str) -> list[ReferenceSpeech]:
    """Telephone prompts of one voice."""
    try:
        speech = fetch(load_settings({}, None).workspace.home / "speech", SECONDS_PER_LANGUAGE)
    except SpeechUnavailableError as error:
        pytest.skip(f"public speech ({error})")
    return [one for one in speech if one.language == language and "asterisk" in one.source]


def joined(prompts: Sequence[ReferenceSpeech], target: Path, silence: int) -> list[float]:
    """One recording of them; when each begins, and the end. Other silence makes other bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    edges = [0.0]
    with wave.open(str(target), "wb") as whole:
        whole.setparams((1, 2, 8000, 0, "NONE", ""))
        for prompt in prompts:
            with wave.open(str(prompt.path)) as stream:
                whole.writeframes(stream.readframes(stream.getnframes()))
            whole.writeframes(bytes(2 * int(PAUSE_S * 8000)))
            edges.append(whole.tell() / 8000)
        whole.writeframes(bytes(2 * silence))
    return edges


def written(prompts: Sequence[ReferenceSpeech], change: str) -> list[tuple[str, int | None]]:
    """The words of the text, with the prompt in which each is said; None: in none."""
    drawn = random.Random(RANDOM_SEED)
    order = list(range(len(prompts)))
    if change == "moved":
        order = [*order[1:], 0]
    words: list[tuple[str, int | None]] = []
    for number in order:
        for word in prompts[number].text.split():
            hit = change in ("removed", "changed") and drawn.random() < 0.1
            is_there = not hit and not (change == "moved" and number == 0)
            if not (hit and change == "removed"):
                words.append(("zebra" if hit else word, number if is_there else None))
    return words


def test_words_of_given_texts_lie_in_the_sound_that_says_them(
    project: Callable[..., Project], tmp_path: Path, record_property: RecordProperty
) -> None:
    """Each prompt's place in the recording is known, so each word's is as well, to the prompt."""
    prompts, archive = prompts_of("en"), tmp_path / "archive"
    edges = joined(prompts, archive / "talk.wav", 0)
    other = archive / "other.wav"
    joined(prompts[:2], other, 1)
    other.with_suffix(".txt").write_text("\n".join(one.text for one in prompts_of("es")))
    made = project(archive)
    made.opentr("run")
    for change in CHANGES:
        text = written(prompts, change)
        (archive / "talk.txt").write_text(" ".join(word for word, _ in text), encoding="utf-8")
        made.opentr("align")
        row = made.transcripts()["talk.wav"]
        assert row["provided"]
        found = [one for one in made.rows("words") if one["recording_id"] == row["recording_id"]]
        assert "".join(str(one["text"]) for one in found).split() == [word for word, _ in text]
        inside = [
            edges[number] - 0.5 <= float(str(one["start_s"])) <= edges[number + 1]
            for one, (_, number) in zip(found, text, strict=True)
            if number is not None
        ]
        share = sum(inside) / len(inside)
        heard = sum(float(str(one["probability"])) > 0.0 for one in found) / len(found)
        record_property(
            "figures", f"given text, {change}: {share:.1%} in their prompt, {heard:.1%} heard"
        )
        assert share >= 0.98
        assert ("unmatched_text" in list(row["flags"] or ())) == (change == "moved")  # type: ignore[call-overload]
    row = made.transcripts()["other.wav"]
    assert not row["provided"]
    assert "text_does_not_fit" in list(row["flags"])  # type: ignore[call-overload]
