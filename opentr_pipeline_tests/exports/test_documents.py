"""DOCX and PDF: what is said is in them, and what a PDF cannot hold is a sentence."""

import io
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.errors import DocumentError
from opentr_pipeline.exports import documents
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.exports.tree import Export
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import recording, settings_of, transcript

docx = pytest.importorskip("docx", reason="the extra documents")


def test_a_document_holds_title_times_and_all_words() -> None:
    said = transcript(text="Good <morning>. Straße & \x0b café. 今日は")
    made = FORMATS["docx"](Document("a/harvest_report.flac", said, settings_of()))
    paragraphs = [one.text for one in docx.Document(io.BytesIO(made)).paragraphs]
    assert paragraphs[0] == "Harvest report"
    assert paragraphs[1].startswith("0:06. Written by a machine (Whisper base) on ")
    assert paragraphs[2:] == ["0:00  Good <morning>", "0:02  Straße & café", "0:05  今日は"]
    assert zipfile.ZipFile(io.BytesIO(made)).testzip() is None


def test_a_pdf_holds_european_and_arabic_letters_and_refuses_others() -> None:
    said = transcript(text="Good morning. Straße. Привет. שלום. مرحبا")
    made = FORMATS["pdf"](Document("a/tape.flac", said, settings_of()))
    assert made.startswith(b"%PDF-")
    with pytest.raises(DocumentError, match="cannot hold '今' and 1 other characters"):
        FORMATS["pdf"](Document("a/tape.flac", transcript(text="今日"), settings_of()))


def test_what_one_format_cannot_hold_costs_no_other_file(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    path = "film/who?.wav"
    store.publish("film", [Entry(recording(path).recording_id, path, transcript(text="今日"))])
    store.write_recordings("film", [recording(path, partition_key="film")])
    export = Export(store, tmp_path / "x", ("txt", "docx", "pdf"), settings_of(), is_portable=True)
    done = export.write("film")
    assert (done.num_written, len(done.left_out), done.unwritten) == (2, 1, [])
    assert {one.name for one in (tmp_path / "x" / "film").iterdir()} == {
        "who%3F.wav.txt",
        "who%3F.wav.docx",
    }
    assert export.write("film").num_unchanged == 2


def test_a_format_without_its_extra_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(documents, "find_spec", lambda _: None)
    answer = CliRunner().invoke(main, ["export", str(tmp_path), "--format", "pdf"])
    assert answer.exit_code == 2
    assert "The format pdf needs the extra documents" in answer.output
