"""The words of the pages in other languages: none is missing, none holds what it should not."""

import re

import pytest

from opentr_pipeline.pages.html import FOLDER
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.pages.words import catalogue, find_texts
from opentr_pipeline.settings.page import PAGES_LANGUAGES
from opentr_pipeline.site.scripts import texts_of
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import STATUSES, Segment
from opentr_pipeline_tests.making import recording, settings_of, transcript, wav

# What a template asks for by a name that is worked out: statuses, flags, headings of fields.
WORKED_OUT = {
    *STATUSES.values(),
    *(status.replace("_", " ") for status in STATUSES),
    *("low confidence", "loop", "likely silence", "boilerplate", "unmatched text"),
    *("recording", "recordings", "Transcribed", "Tried", "Folder", "Speaker"),
}
PLACEHOLDER = re.compile(r"{\w+}")


def asked_for() -> set[str]:
    """What stands in the templates of pages, and in the scripts of search and editor."""
    texts = [path.read_text() for path in FOLDER.glob("*.html")]
    quoted = (re.findall(r"""_\(("|')(.+?)\1\)""", text) for text in texts)
    literal = {text for found in quoted for _, text in found if " if " not in text}
    searching = {text for text in find_texts("en").values() if isinstance(text, str)}
    scripts = (path.read_text() for path in FOLDER.glob("*.js"))
    worded = {text for script in scripts for text in texts_of(script)}
    return literal | searching | worded | WORKED_OUT


@pytest.mark.parametrize("language", PAGES_LANGUAGES[1:])
def test_every_word_of_the_templates_has_one_in_each_language(language: str) -> None:
    known = catalogue(language)
    assert known.keys() == asked_for()
    for english, theirs in known.items():
        assert theirs.strip()
        assert PLACEHOLDER.findall(english) == PLACEHOLDER.findall(theirs), english
        assert not set("<>") & set(theirs)
    segment = Segment(0.0, 1.0, "x", -9.0, 1.0, 9.0, is_unmatched=True)
    assert {flag.replace("_", " ") for flag in segment.flags} <= known.keys()


def test_pages_speak_the_language_of_the_setting(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("german")
    settings = settings_of(ARCHIVE_DIR=folder / "a", OUTPUT_DIR=folder / "o", PAGES_LANGUAGE="de")
    wav(settings.workspace.archive / "tape.wav")
    store = TranscriptStore(settings.workspace.output)
    one = recording("tape.wav")
    store.publish("@root", [Entry(one.recording_id, "tape.wav", transcript(text="good day"))])
    pages = Pages(settings)
    pages.write("@root")
    home = pages.write_home().read_text()
    page = (pages.root / "recordings" / "tape.wav.html").read_text()
    assert '<html lang="de">' in home
    assert "Finden, was gesagt wird" in home
    assert "Link kopieren" in page
    assert '<span class="said" dir="auto" lang="en">' in page
