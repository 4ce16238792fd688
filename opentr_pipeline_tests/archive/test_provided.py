"""Transcripts that exist already: where they are, what is in them, who says it."""

import io
import time
import zipfile
from pathlib import Path

import pytest

from opentr_pipeline.archive.provided import find_provided, read_provided
from opentr_pipeline.archive.storage import FolderStorage
from opentr_pipeline.errors import ReferenceTextError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline_tests.making import media_file, settings_of, wav

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def document(body: str, head: str = "") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            "word/document.xml",
            f'{head}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        )
    return packed.getvalue()


def passages(folder: Path, name: str, raw: bytes | str) -> list[tuple[str, str]]:
    (folder / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
    found = read_provided(FolderStorage(folder), name).passages
    return [(one.speaker, one.text) for one in found]


def test_a_text_is_found_beside_its_media_and_a_reference_is_none(tmp_path: Path) -> None:
    for name in ("a/x.mp3", "a/y.wav", "z.wav"):
        wav(tmp_path / name)
    for name in ("a/x.mp3.txt", "a/y.reference.txt", "a/y.TXT", "z.txt", "z.srt", "notes.txt"):
        (tmp_path / name).write_text("words")
    setup = Setup(settings_of(ARCHIVE_DIR=tmp_path))
    found = find_provided(tmp_path, setup.partitioning)
    by_media = {text.recording_id: text.path for texts in found.values() for text in texts}
    names = {"a/x.mp3": "a/x.mp3.txt", "a/y.wav": "a/y.TXT", "z.wav": "z.srt"}
    assert by_media == {media_file(one).recording_id: text for one, text in names.items()}


def test_lines_say_who_speaks_and_nothing_else_is_taken_away(tmp_path: Path) -> None:
    said = (
        "Note: made by hand.\n\nANNA ROSSI: Hello,  there.\nAnd more.\nBob: No.\nBob:  Yes: no.\n"
    )
    assert passages(tmp_path, "a.txt", said) == [
        ("", "Note: made by hand."),
        ("ANNA ROSSI", "Hello,  there."),
        ("ANNA ROSSI", "And more."),
        ("Bob", "No."),
        ("Bob", "Yes: no."),
    ]


def test_subtitles_lose_their_form_alone(tmp_path: Path) -> None:
    vtt = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Anna Rossi>Hello <i>there</i></v>\n"
        "<v Bob>R&amp;D</v>\n\n00:03.000 --> 00:04.000\nNobody\nknows\n"
    )
    assert passages(tmp_path, "a.vtt", vtt) == [
        ("Anna Rossi", "Hello there\n"),
        ("Bob", "R&D"),
        ("", "Nobody\nknows"),
    ]
    srt = (
        "1\n00:00:01,000 --> 00:00:02,000\nANNA: <b>Hi</b>\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\nyou\n"
    )
    assert passages(tmp_path, "a.srt", srt) == [("ANNA", "Hi"), ("", "you")]


def test_documents_are_read_as_they_stand(tmp_path: Path) -> None:
    body = (
        "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>AN</w:t></w:r><w:r><w:t>NA: Hi"
        "</w:t><w:br/><w:t>there</w:t></w:r><w:del><w:r><w:delText>no</w:delText></w:r></w:del>"
        "</w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Cell &amp; more</w:t></w:r></w:p></w:tc></w:tr>"
        "</w:tbl>"
    )
    assert passages(tmp_path, "a.docx", document(body)) == [
        ("ANNA", "Hi"),
        ("ANNA", "there"),
        ("ANNA", "Cell & more"),
    ]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a.txt", b""),
        ("a.txt", "…\n--\n".encode()),
        ("a.txt", b"\xff\xfa"),
        ("a.docx", b"PK no"),
        ("a.docx", document("<w:p>")),
        ("a.docx", document("", '<!DOCTYPE d [<!ENTITY a "b">]>')),
        ("a.docx", document("<w:p><w:r><w:t>" + "word " * 10_000_001 + "</w:t></w:r></w:p>")),
        ("a.docx", document("<w:p>" * 100_000 + "</w:p>" * 100_000)),
    ],
    ids="empty wordless bytes no-zip no-xml entities bomb deep".split(),
)
def test_what_is_no_text_is_refused_in_a_sentence(tmp_path: Path, name: str, raw: bytes) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(ReferenceTextError) as refusal:
        read_provided(FolderStorage(tmp_path), name)
    assert str(refusal.value).startswith("The transcript beside the media ")


def test_what_is_left_open_in_subtitles_is_read_in_one_go(tmp_path: Path) -> None:
    for sign in ("<v.", "<v" + " " * 60, "\x02"):
        said = f"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hello\n{sign * (300_000 // len(sign))}\n"
        before = time.process_time()
        speaker, text = passages(tmp_path, "a.vtt", said)[0]
        assert speaker == "Ann"
        assert text.startswith("Hello")
        assert time.process_time() - before < 2.0, sign
