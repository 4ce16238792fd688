"""``opentr import`` and ``opentr corrections``, as somebody types them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice
from opentr_pipeline_tests.making import transcript


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TranscriptStore:
    monkeypatch.setenv("ARCHIVE_DIR", str(tmp_path / "archive"))
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path / "output"))
    monkeypatch.setenv("OPENTR_HOME", str(tmp_path / "state"))
    (tmp_path / "archive").mkdir()
    made = TranscriptStore(tmp_path / "output")
    heard = transcript(text="we went to ferara by train. and so say all of us")
    turns, voices = (Turn(0, 0.0, 6.0), Turn(1, 6.0, 12.0)), (Voice(0, 6.0), Voice(1, 6.0))
    heard = attributed(heard, Spoken(heard.media_fingerprint, "s" * 64, turns, voices))
    made.publish("radio", [Entry("r1", "radio/a.mp3", heard)])
    return made


def told(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_a_file_is_edited_taken_in_listed_and_taken_back(store: TranscriptStore) -> None:
    told("export", "--format", "srt,txt")
    file = store.root / "exports/radio/a.mp3.srt"
    text = file.read_text()
    file.write_text(text.replace("ferara", "Ferrara").replace("SPEAKER_01", "Berta Neri"))
    said = told("import", str(file), "--who", "anna", "--why", "the town")
    assert said == "radio/a.mp3: 1 of words, SPEAKER_01 is Berta Neri.\n"
    assert "Ferrara" in file.read_text()
    assert "Berta Neri: and so" in (store.root / "exports/radio/a.mp3.txt").read_text()
    (row,) = json.loads(told("corrections", "--json"))
    assert (row["path"], row["state"], row["who"]) == ("radio/a.mp3", "applied", "anna")
    assert told("corrections") == (
        f"radio/a.mp3\n  {row['edit_id']}  0:03  applied  'ferara' -> 'Ferrara'  "
        f"(anna, {row['made_at'][:10]}, the town)\n"
        "1 correction in 1 recording, 0 of them in conflict.\n"
    )
    assert told("import", str(file)) == "radio/a.mp3: nothing changed.\n"
    edited = store.root / "exports/radio/a.mp3.txt"
    edited.write_text("mine")  # and is not taken in
    said = told("corrections", "undo", row["edit_id"])
    assert said.startswith("1 correction undone.\n")
    assert "a.mp3.txt (edited by hand; opentr import takes it in)" in said
    assert edited.read_text() == "mine"
    assert "ferara" in file.read_text()
    assert "undone" in told("corrections", "list", "--recording", "radio/a.mp3")
    told("corrections", "undo", "nobody", code=2)
    (store.root / "edits" / f"{'0' * 64}.jsonl").write_text("")
    assert told("corrections", "apply") == "0 partitions changed.\n"


def test_what_is_most_in_doubt_comes_first_until_somebody_was_there(store: TranscriptStore) -> None:
    sure = transcript("other", text="thank you. it is so")
    segments = [replace(sure.segments[0], avg_logprob=-2.0), sure.segments[1]]
    store.publish("radio", [Entry("r2", "radio/b.mp3", replace(sure, segments=tuple(segments)))])
    assert told("corrections", "next", "--limit", "2") == (
        "radio/b.mp3 0:00  low_confidence  thank you\n"
        "radio/a.mp3 0:00  we went to ferara by train\n"
    )
    told("export", "--format", "txt")
    file = store.root / "exports/radio/b.mp3.txt"
    file.write_text(file.read_text().replace("thank you", "Thank you all"))
    told("import", str(file))
    listed = json.loads(told("corrections", "next", "--json"))
    assert [one["path"] for one in listed] == ["radio/a.mp3", "radio/a.mp3", "radio/b.mp3"]
