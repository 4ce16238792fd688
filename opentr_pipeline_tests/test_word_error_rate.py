"""Real public speech through the whole pipeline, beside faster-whisper called directly."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from opentr_pipeline.settings import load_settings
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.speech import (
    ReferenceSpeech,
    SpeechUnavailableError,
    fetch,
    word_error_rate,
)

pytestmark = pytest.mark.slow
# Ten minutes and a little over five languages.
SECONDS_PER_LANGUAGE = 125.0
# Points above faster-whisper's own batched pipeline that would be a loss.
MAX_LOSS = 0.002

Hypotheses = dict[Path, str]


@pytest.fixture(scope="module")
def speech() -> list[ReferenceSpeech]:
    try:
        return fetch(load_settings({}, None).state_root / "speech", SECONDS_PER_LANGUAGE)
    except SpeechUnavailableError as error:
        pytest.skip(f"public speech ({error})")


def _direct(files: Sequence[Path], model: Path) -> Hypotheses:
    """What faster-whisper's batched pipeline says with its own defaults."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    loaded = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=2)
    said = {}
    for file in files:
        segments, _ = BatchedInferencePipeline(loaded).transcribe(str(file), beam_size=5)
        said[file] = " ".join(segment.text for segment in segments)
    return said


def _through_the_pipeline(project: Project, files: Sequence[Path]) -> Hypotheses:
    project.opentr("run")
    by_path = project.transcripts()
    return {file: str(by_path[f"{file.parent.name}/{file.name}"]["text"]) for file in files}


def test_no_worse_than_faster_whisper_called_directly(
    speech: list[ReferenceSpeech],
    project: Callable[..., Project],
    models_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for one in speech:
        target = tmp_path / "archive" / one.language / one.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(one.path.read_bytes())
    files = [tmp_path / "archive" / one.language / one.path.name for one in speech]
    ours = _through_the_pipeline(project(tmp_path / "archive"), files)
    theirs = _direct(files, models_root / "base")

    pairs: dict[str, dict[str, list[tuple[str, str, str]]]] = {
        "ours": defaultdict(list),
        "theirs": defaultdict(list),
    }
    for one, file in zip(speech, files, strict=True):
        for name, said in (("ours", ours), ("theirs", theirs)):
            for group in (one.language, "all"):
                pairs[name][group].append((one.language, one.text, said[file]))
    with capsys.disabled():
        for language in sorted(pairs["ours"]):
            rates = [100 * word_error_rate(pairs[name][language]) for name in ("ours", "theirs")]
            print(
                f"\nWER {language}: pipeline {rates[0]:.2f} %, faster-whisper {rates[1]:.2f} %",
                end="",
            )
    assert len(pairs["ours"]) - 1 >= 3
    loss = word_error_rate(pairs["ours"]["all"]) - word_error_rate(pairs["theirs"]["all"])
    assert loss <= MAX_LOSS
