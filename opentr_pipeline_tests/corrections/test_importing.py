"""Exports that are edited by hand and come back; recognition is made up."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.importing import Imported, Importing
from opentr_pipeline.errors import StoreError
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.speakers.attribution import attributed
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice
from opentr_pipeline_tests.making import settings_of, transcript

SETTINGS = settings_of()
KINDS = ("srt", "vtt", "txt", "json", "docx")
TEXT = (
    "Good morning to all of you {really}. Note: the <b>town</b> of ferara & the river. We'll go "
    "there by train, at 10:00:00,5 --> or later. And so say all of us today"
)


def said(kind: str) -> Transcript:
    """Speech of one, of two with and without a name, of two channels, and in Chinese."""
    whole = transcript(text=TEXT)
    turns = (Turn(0, 0.0, 13.0), Turn(1, 13.0, 60.0))
    voices = (Voice(0, 13.0), Voice(1, 20.0))
    spoken = Spoken(whole.media_fingerprint, "s" * 64, turns, voices)
    if kind == "voices":
        return attributed(whole, spoken)
    if kind == "people":
        named = dataclasses.replace(voices[0], person_id="p", name="Anna Rossi", named_by="hand")
        return attributed(whole, dataclasses.replace(spoken, voices=(named, voices[1])))
    if kind == "channels":
        other = transcript(text="Who is it. It is me and the whole town").segments
        both = [dataclasses.replace(one, channel=0) for one in whole.segments]
        both += [dataclasses.replace(one, channel=1) for one in other]
        both.sort(key=lambda one: one.start_s)
        return dataclasses.replace(whole, segments=tuple(both))
    if kind == "chinese":
        words = [
            dataclasses.replace(word, text=text)
            for word, text in zip(
                transcript(text="a b c d e f").segments[0].words,
                ["今天", "天气", "很好", "，", "我们", "出去吧。"],
                strict=True,
            )
        ]
        first = transcript(text="a b c d e f").segments[0]
        text = "".join(word.text for word in words)
        segment = dataclasses.replace(first, text=text, words=tuple(words))
        return transcript(text="", segments=(segment,), duration_s=6.0)
    return whole


def docx(lines: list[str]) -> bytes:
    """A document of Word as exports write it: a title, a word about it, times before lines."""
    timed = (f"{number // 60}:{number % 60:02d}  {line}" for number, line in enumerate(lines))
    lines = ["A title", "0:30. Written by a machine (Whisper base); hear before you quote.", *timed]
    paragraphs = "".join(f"<w:p><w:r><w:t>{escape(line)}</w:t></w:r></w:p>" for line in lines)
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{space}"><w:body>{paragraphs}</w:body></w:document>',
        )
    return stream.getvalue()


class Desk:
    """A recording that is published, and files of it that somebody edits."""

    def __init__(self, folder: Path, of: Transcript) -> None:
        self.store = TranscriptStore(folder / "output")
        self.store.publish("radio", [Entry("r1", "radio/a.mp3", of)])
        self.folder = folder

    @property
    def published(self) -> Transcript:
        return transcript_of(self.store.read_together("radio"), "r1")

    def exported(self, kind: str) -> bytes:
        document = Document("radio/a.mp3", self.published, SETTINGS)
        if kind == "docx":
            return docx(FORMATS["txt"](document).decode().splitlines())
        return FORMATS[kind](document)

    def bring(self, kind: str, raw: bytes, *, is_checked: bool = False) -> Imported:
        file = self.folder / f"a.mp3.{kind}"
        file.write_bytes(raw)
        return Importing(self.store, SETTINGS, "anna", "heard it", is_checked).run(file)

    def edit(self, kind: str, old: str, new: str) -> Imported:
        raw = self.exported(kind)
        text = self._text(raw, kind)
        assert old in text
        changed = text.replace(old, new)
        return self.bring(kind, docx(changed.splitlines()) if kind == "docx" else changed.encode())

    def _text(self, raw: bytes, kind: str) -> str:
        if kind != "docx":
            return raw.decode()
        return FORMATS["txt"](Document("radio/a.mp3", self.published, SETTINGS)).decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", ["one", "voices", "people", "channels", "chinese"])
def test_what_nobody_has_edited_changes_nothing(tmp_path: Path, kind: str, of: str) -> None:
    desk = Desk(tmp_path, said(of))
    state = desk.store.state("radio")
    done = desk.bring(kind, desk.exported(kind))
    assert (done.kinds, done.names, done.num_reverting, done.unplaced) == ({}, {}, 0, [])
    assert desk.store.state("radio") == state
    assert EditFiles(desk.store).media() == set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", ["one", "voices", "people", "channels"])
def test_an_edited_word_comes_back_and_an_old_file_takes_nothing_away(
    tmp_path: Path, kind: str, of: str
) -> None:
    desk = Desk(tmp_path, said(of))
    old = desk.exported(kind)
    done = desk.edit(kind, "ferara", "Ferrara sul Po")
    assert done.kinds == {"words": 1}
    assert (done.path, done.num_conflicts, done.changed) == ("radio/a.mp3", 0, ["radio"])
    assert "of Ferrara sul Po &" in desk.published.text
    words = desk.store.read_partition("words", "radio").to_pylist()
    assert [row["model_text"] for row in words if row["model_text"] is not None] == [
        " ferara",
        "",
        "",
    ]
    assert desk.bring(kind, desk.exported(kind)).kinds == {}
    late = desk.bring(kind, old)
    assert (late.kinds, late.num_reverting) == ({}, 1)


def test_chinese_words_keep_what_is_not_edited(tmp_path: Path) -> None:
    for kind in KINDS:
        desk = Desk(tmp_path / kind, said("chinese"))
        (tmp_path / kind).mkdir(exist_ok=True)
        assert desk.edit(kind, "气很", "候不").kinds == {"words": 1}
        assert desk.published.text == "今天天候不好，我们出去吧。"


def test_lines_of_a_text_are_segments_and_names_in_it_speak(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("one"))
    text = desk.exported("txt").decode()
    lines = text.splitlines()
    assert len(lines) == 4
    parted = text.replace(" of you", "\nBERTA: of you").replace("Note:", "ANNA: Note:")
    done = desk.bring("txt", parted.encode())
    assert done.kinds == {"speaker": 2}
    shown = [(one.speaker, one.text) for one in desk.published.segments]
    assert shown[:3] == [
        ("", "Good morning to all"),
        ("BERTA", "of you {really}"),
        ("ANNA", lines[1]),
    ]
    assert desk.bring("txt", desk.exported("txt")).kinds == {}
    joined = desk.exported("txt").decode().replace("or later\n", "or later ")
    assert desk.bring("txt", joined.encode()).kinds == {"join": 1}
    assert len(desk.published.segments) == len(shown) - 1
    split = desk.exported("txt").decode().replace("the river", "the\nriver")
    assert desk.bring("txt", split.encode()).kinds == {"break": 1}
    assert [one.text for one in desk.published.segments if one.text == "river"] == ["river"]


def test_words_before_a_line_are_of_that_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("one"))
    done = desk.edit("txt", "Note:", "Please note. Note:")
    assert done.kinds == {"words": 1}
    segments = desk.published.segments
    assert segments[0].text == "Good morning to all of you {really}"
    assert segments[1].text.startswith("Please note. Note: the")
    assert desk.bring("txt", desk.exported("txt")).kinds == {}


def test_a_voice_that_has_another_name_everywhere_is_given_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("voices"))
    for kind in KINDS:
        if kind != "json":
            done = desk.edit(kind, "SPEAKER_01", "Berta Neri")
            assert (done.kinds, done.names) == ({}, {"SPEAKER_01": "Berta Neri"})
    raw = json.loads(desk.exported("json"))
    raw["segments"][0]["speaker_name"] = "SPEAKER_01"
    done = desk.bring("json", json.dumps(raw).encode())
    assert done.kinds == {"speaker": 1}
    assert {one.speaker for one in desk.published.segments} == {"SPEAKER_01", "SPEAKER_00"}
    assert desk.published.segments[0].speaker == "SPEAKER_01"


def test_who_has_checked_all_of_it_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("one"))
    done = desk.bring("txt", desk.exported("txt"), is_checked=True)
    assert done.kinds == {"checked": 1}
    (checked,) = desk.published.corrections
    assert (checked.new, checked.state) == (desk.published.text, "applied")


def test_a_file_of_another_recording_and_one_that_is_nobodys_are_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("one"))
    with pytest.raises(StoreError, match=r"is not what radio/a\.mp3 says"):
        desk.bring("txt", b"Something else entirely, and nothing of it was said here.\n")
    with pytest.raises(StoreError, match="no JSON as exports write it"):
        desk.bring("json", b"{}")
    desk.store.publish("film", [Entry("r2", "film/a.mp3", said("one"))])
    with pytest.raises(StoreError, match=r"may be of film/a\.mp3, radio/a\.mp3"):
        desk.bring("txt", b"Good morning")
    importing = Importing(desk.store, SETTINGS, "anna")
    with pytest.raises(StoreError, match="none of srt, vtt"):
        importing.run(tmp_path / "a.pdf")


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85"])
def test_signs_that_part_lines_elsewhere_lock_nothing(tmp_path: Path, sign: str) -> None:
    desk = Desk(tmp_path, said("one"))
    file = tmp_path / "a.mp3.txt"
    file.write_bytes(desk.exported("txt").replace(b"ferara", b"Ferrara"))
    Importing(desk.store, SETTINGS, f"an{sign}na", f"heard{sign}it").run(file)
    (kept,) = desk.published.corrections
    assert (kept.who, kept.why) == (f"an{sign}na", f"heard{sign}it")
    assert "Ferrara" in desk.published.text


def test_what_no_text_holds_is_left_out_or_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("one"))
    raw = desk.exported("json").decode()
    done = desk.bring("json", raw.replace("ferara", r"Fer\u0000ra\u0007ra").encode())
    assert (done.kinds, "of Ferrara &" in desk.published.text) == ({"words": 1}, True)
    state = desk.store.state("radio")
    with pytest.raises(StoreError, match="half of a character"):
        desk.bring("json", raw.replace("ferara", r"Ferra\ud800ra").encode())
    with pytest.raises(StoreError, match="no JSON as exports write it"):
        desk.bring("json", b'{"path":' + b"[" * 100_000)
    assert desk.store.state("radio") == state


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_file_takes_back_nothing_beside_what_it_edits(tmp_path: Path, kind: str) -> None:
    desk = Desk(tmp_path, said("one"))
    old = FORMATS["txt" if kind == "docx" else kind](
        Document("radio/a.mp3", desk.published, SETTINGS)
    ).decode()

    def bring_old(word: str, other: str) -> Imported:
        changed = old.replace(word, other)
        assert changed != old
        return desk.bring(kind, docx(changed.splitlines()) if kind == "docx" else changed.encode())

    desk.edit(kind, "by train", "by tram")
    desk.edit(kind, "of you", "you")
    assert "to all you {really}" in desk.published.text
    done = bring_old("there", "thither")
    assert (done.kinds, done.num_reverting, done.again) == ({"words": 1}, 2, [])
    assert "go thither by tram, at" in desk.published.text
    done = bring_old("you {really}", "us {really}")
    assert done.kinds == {"words": 1}
    assert "to all us {really}" in desk.published.text
    assert "go thither by tram, at" in desk.published.text
    done = bring_old("train", "ship")
    assert (done.kinds, done.again) == ({"words": 1}, ["'tram,' -> 'ship,'"])


def test_an_old_file_takes_back_no_border_and_no_speaker(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("people"))
    old = desk.exported("json")
    facts = json.loads(old)
    facts["segments"][0]["speaker_name"] = "Carla"
    assert desk.bring("json", json.dumps(facts).encode()).kinds == {"speaker": 1}
    split = json.loads(desk.exported("json"))
    first = split["segments"][0]
    head, tail = first["text"].split(" of ", 1)
    split["segments"][:1] = [{**first, "text": head}, {**first, "text": f"of {tail}"}]
    assert desk.bring("json", json.dumps(split).encode()).kinds == {"break": 1}
    late = desk.bring("json", old.replace(b"ferara", b"Ferrara"))
    assert (late.kinds, late.num_reverting) == ({"words": 1}, 2)
    shown = [(one.speaker, one.text) for one in desk.published.segments]
    assert shown[:2] == [("Carla", head), ("Carla", f"of {tail}")]


def test_a_name_before_the_only_line_speaks_and_before_one_of_many_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "one", transcript(text="good morning to all of you"))
    (tmp_path / "one").mkdir(exist_ok=True)
    assert desk.edit("txt", "good", "Anna: good").kinds == {"speaker": 1}
    many = Desk(tmp_path, said("one"))
    done = many.edit("txt", "Good", "Anna: Good")
    assert (done.kinds, done.said_names) == ({"words": 1}, ["Anna"])


def test_what_is_no_sign_of_form_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("one"))
    done = desk.edit("srt", "there", "A < C <script> <i>there</i>")
    assert done.kinds == {"words": 1}
    assert "We'll go A < C <script> there by train" in desk.published.text
    with pytest.raises(StoreError, match="The edited file is no document of Word"):
        desk.bring("docx", b"no document")
