"""The round of a person: hear, correct, hear again with another beam, take back; real speech."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from opentr_pipeline.transcripts.matching import num_common
from opentr_pipeline_tests.conftest import Project, RecordProperty
from opentr_pipeline_tests.steps.test_aligning_real import joined, prompts_of

pytestmark = pytest.mark.slow
NUM_PROMPTS = 12


def test_corrections_outlast_another_beam_and_teach(
    project: Callable[..., Project], tmp_path: Path, record_property: RecordProperty
) -> None:
    """What the model mishears is corrected by the written text of the prompts."""
    prompts, archive = prompts_of("en")[:NUM_PROMPTS], tmp_path / "archive"
    joined(prompts, archive / "desk/talk.wav", 0)
    made = project(archive, WHISPER_BEAM_SIZE="1")
    made.opentr("run")
    exports = made.store.root / "exports/desk"
    made.opentr("export", "--format", "txt,srt")
    for ending in ("txt", "srt"):
        said = made.opentr("import", str(exports / f"talk.wav.{ending}"))
        assert said == "desk/talk.wav: nothing changed.\n"
    file = exports / "talk.wav.txt"
    file.write_text("\n".join(prompt.text for prompt in prompts) + "\n", encoding="utf-8")
    made.opentr("import", "--checked", "--who", "anna", str(file))
    wanted = " ".join(prompt.text for prompt in prompts).split()
    assert str(made.transcripts()["desk/talk.wav"]["text"]).split() == wanted
    made.opentr("run", WHISPER_BEAM_SIZE="5")
    after = str(made.transcripts()["desk/talk.wav"]["text"])
    rows = json.loads(made.opentr("corrections", "--json"))
    states = [row["state"] for row in rows]
    counts = {state: states.count(state) for state in sorted(set(states))}
    share = _share_right(after.split(), wanted)
    record_property(
        "figures",
        f"{len(rows)} corrections of {len(wanted)} words by beam 1, after beam 5: {counts}; "
        f"{share:.1%} of the words are as they were corrected",
    )
    assert share > 0.97
    plain = _errors(made)
    assert plain["num_words"] >= len(wanted) - 2
    terms = made.opentr("corrections", "words", "--at-least", "1")
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text(terms, encoding="utf-8")
    made.opentr("run", WHISPER_BEAM_SIZE="5", WHISPER_VOCABULARY_FILE=str(vocabulary))
    taught = _errors(made)
    record_property(
        "figures",
        f"word errors of the model by what was checked: {plain['rate']:.1%}; with "
        f"{len(terms.splitlines())} corrected words as a vocabulary {taught['rate']:.1%}",
    )
    assert taught["num_words"] == plain["num_words"]
    ids = [row["edit_id"] for row in rows]
    made.opentr("corrections", "undo", *ids)
    assert all(row["model_text"] is None for row in made.rows("words"))


def _errors(made: Project) -> dict[str, float]:
    found: dict[str, float] = json.loads(made.opentr("report", "--json"))["word_errors"]
    return found


def _share_right(found: list[str], wanted: list[str]) -> float:
    return num_common(found, wanted) / max(len(found), len(wanted))
