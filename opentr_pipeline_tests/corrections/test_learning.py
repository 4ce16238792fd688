"""What corrections teach: references, and terms for a vocabulary; recognition is made up."""

from pathlib import Path

from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.overlay import put_corrections
from opentr_pipeline.corrections.vocabulary import Term, recurring
from opentr_pipeline.quality.archive_facts import ReferenceFacts, archive_facts
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import media_file, settings_of, transcript


def test_checked_stretches_are_references_for_what_the_model_wrote(tmp_path: Path) -> None:
    settings = settings_of(ARCHIVE_DIR=tmp_path, OUTPUT_DIR=tmp_path / "output")
    store = TranscriptStore(settings.workspace.output)
    for name, text in (("a", "we went to ferara by train"), ("b", "ferara is on a river")):
        heard = transcript(name, text=text)
        path = f"radio/{name}.mp3"
        store.publish("radio", [Entry(media_file(path).recording_id, path, heard)])
        maker = EditMaker(heard)
        at = text.split().index("ferara")
        maker.words(None, at, at + 1, "Piero Ferrara,")
        if name == "a":
            whole = maker.correcting.transcript()
            maker.checked(0.0, whole.duration_s, whole.text)
        EditFiles(store).add(heard.media_fingerprint, name, maker.edits)
    put_corrections(store, ["radio"])

    def errors() -> list[ReferenceFacts]:
        (facts,) = archive_facts(settings.workspace, Partitioning("folder", 1, 1), []).partitions
        return facts.references

    assert errors() == [ReferenceFacts("radio/a.mp3", 7, 2)]
    assert recurring(store, 2) == [Term("Piero Ferrara", 2)]
    assert recurring(store, 3) == []
    reference = tmp_path / "radio/a.reference.txt"
    reference.parent.mkdir(exist_ok=True)
    reference.write_text("we went to Ferrara by train")
    reference.with_name("a.mp3").write_bytes(b"")
    assert len(errors()) == 1  # one recording counts once
