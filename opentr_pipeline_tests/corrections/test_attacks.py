"""What people, programs and accidents do to corrections; recognition is made up."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opentr_pipeline.corrections.applying import Kept, corrected
from opentr_pipeline.corrections.edit_files import EditFiles
from opentr_pipeline.corrections.edited_files import readable
from opentr_pipeline.corrections.listing import undo
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.overlay import Overlay, put_corrections
from opentr_pipeline.corrections.phrase_edits import Wanted, make_edits
from opentr_pipeline.corrections.phrases import Phrases
from opentr_pipeline.errors import StoreError
from opentr_pipeline_tests.corrections.test_importing import TEXT, Desk, docx, said
from opentr_pipeline_tests.making import PROPERTY, transcript

GOOD = {"id": "a", "kind": "words", "start_s": 0.0, "end_s": 1.0, "old": " Good", "new": " Bad"}
GOOD |= {"after": " morning to all of you"}
# Letters that join, turn, take no place, or mean something to somebody who shows them.
ODD = "ab ,.\n\t👩‍👩‍👧é\u0301ןשא\u202e\u2066\u200b\u2028\u00a0<b>&\"'`{}\\天気\x00\x1b\ufeff:-->1"


def desk_of(folder: Path, text: str = TEXT) -> Desk:
    return Desk(folder, transcript(text=text))


def jsonl(**facts: object) -> bytes:
    return json.dumps({**GOOD, **facts}).encode() + b"\n"


def write_edits(desk: Desk, raw: bytes) -> EditFiles:
    files = EditFiles(desk.store)
    path = files.path(desk.published.media_fingerprint)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw)
    return files


@pytest.mark.parametrize(
    "line",
    [
        jsonl(old=None),
        jsonl(new=5),
        jsonl(made_at="yesterday"),
        jsonl(made_at="0001-01-01T00:00:00+14:00"),
        jsonl(start_s=float("nan")),
        jsonl(end_s=10**400),
        jsonl(channel="left"),
        jsonl(voice=[1, 2]),
        jsonl(new="half \ud83d"),
        jsonl(new="Müller").replace(b"\\u00fc", b"\xfc"),
        jsonl(kind=["words"]),
        b'{"kind": "undo", "of": "a"}\n',
        b"5\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=str,
)
def test_a_line_that_says_nothing_is_named_and_costs_no_transcript(
    tmp_path: Path, line: bytes
) -> None:
    desk = desk_of(tmp_path)
    write_edits(desk, jsonl() + line)
    with pytest.raises(StoreError, match=r"Line 2 of .* is no correction"):
        put_corrections(desk.store, ["radio"])
    anew = dataclasses.replace(desk.published, transcribed_at="2025-01-01T00:00:00.000+00:00")
    assert Overlay(desk.store).put_or_say(anew) == anew


def test_lines_of_other_editors_are_taken_as_they_are_meant(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    times = ("2025-05-01", "2025-05-01T10:00:00.123456+02:00", "2025-05-01T08:00:00Z")
    lines = [jsonl(id=number, made_at=at) for number, at in enumerate(times)]
    raw = b"\xef\xbb\xbf" + b"\n".join(lines).replace(b"\n", b"\r\n").rstrip()
    files = write_edits(desk, raw)
    assert put_corrections(desk.store, ["radio"]) == ["radio"]
    assert desk.published.text.startswith("Bad morning")
    assert [one.made_at[:16] for one in desk.published.corrections] == [
        *("2025-05-01T00:00", "2025-05-01T08:00", "2025-05-01T08:00"),
    ]
    files.undo(desk.published.media_fingerprint, ["0", "1", "2"], "anna", "")
    put_corrections(desk.store, ["radio"])
    assert desk.published.text.startswith("Good morning")


def test_edits_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    EditFiles(desk.store).folder.write_text("a file")
    with pytest.raises(StoreError, match=r"Corrections in .*edits cannot be read: Not a directory"):
        put_corrections(desk.store, ["radio"])
    assert Overlay(desk.store).put_or_say(desk.published) == desk.published


def test_phrases_that_say_the_same_at_one_time_are_not_taken_for_each_other(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, "it is so. yes. and so on")
    found = Phrases.of(desk.store, "radio/a.mp3")
    at = found.all()[1].start_s
    found.correct(Wanted(at, "yes", "yes\nyes"), "anna")
    after = at + 1.0  # the second has no time, and begins with the third
    assert [one.start_s for one in found.all()[1:4]] == [at, after, after]
    found.correct(Wanted(after, "and so on", "yes"), "anna")
    with pytest.raises(StoreError, match="Several phrases say this at this time"):
        found.correct(Wanted(after, "yes", "no"), "anna")


@given(
    some.lists(
        some.tuples(some.integers(0, 3), some.text(some.sampled_from(ODD), max_size=12)),
        max_size=5,
    )
)
@PROPERTY
def test_whatever_is_typed_stands_there_and_is_put_again(
    typed: list[tuple[int, str]],
) -> None:
    plain = transcript(text="this is one phrase. and here another one. the third. and the last one")
    edits = []
    now = plain
    for number, text in typed:
        shown = [one for one in now.segments if one.text.strip()]
        if not shown:
            break
        phrase = shown[number % len(shown)]
        maker = EditMaker(now, "anna")
        try:
            make_edits(maker, Wanted(phrase.start_s, phrase.text, text))
        except StoreError:
            continue
        edits += maker.edits
        now = corrected(plain, [Kept(one) for one in edits])
        assert {one.state for one in now.corrections} <= {"applied"}
        texts = ["".join(one.text.split()) for one in now.segments]
        before = ["".join(one.text.split()) for one in shown]
        at = shown.index(phrase)
        wanted = [
            *before[:at],
            *("".join(one.split()) for one in readable(text).split("\n")),
            *before[at + 1 :],
        ]
        assert "".join(texts) == "".join(wanted)
    back = corrected(plain, [Kept(one, "Undone.") for one in edits])
    assert back.segments == plain.segments


def test_phrases_of_two_speakers_are_not_joined_and_a_phrase_that_goes_joins_no_other(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, said("voices"))
    found = Phrases.of(desk.store, "radio/a.mp3")
    before = found.all()
    at = next(n for n in range(1, len(before)) if before[n].voice != before[n - 1].voice)
    was = "".join(text for text, _ in before[at].words)
    with pytest.raises(StoreError, match="Somebody else says the phrase before"):
        found.correct(Wanted(before[at].start_s, was, was, is_joined=True), "anna")
    name = before[at - 1].speaker
    found.correct(Wanted(before[at].start_s, was, was, name, is_joined=True), "anna")
    assert len(found.all()) == len(before) - 1
    undo(desk.store, [one.edit_id for one in found.corrections()], "anna", "")
    assert found.all() == before
    found.correct(Wanted(before[at].start_s, was, " ", is_joined=True), "anna")
    assert [one.start_s for one in found.all()] == [
        one.start_s for number, one in enumerate(before) if number != at
    ]


def cues(desk: Desk, kind: str) -> list[str]:
    return desk.exported(kind).decode().strip().split("\n\n")


def test_subtitles_in_another_order_with_other_times_and_from_other_systems(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ". ".join(f"this is cue {letter} of them" for letter in "abcdefgh"))
    first, *middle, last = cues(desk, "srt")
    swapped = "\n\n".join([last, *middle[::-1], first]) + "\n"
    assert desk.bring("srt", swapped.encode()).kinds == {}
    mistyped = "\n\n".join([first.replace("00:00:0", "00:59:0", 1), *middle, last])
    assert desk.bring("srt", mistyped.encode()).kinds == {}
    shifted = desk.exported("srt").decode().replace("00:00:", "01:07:")
    edited = shifted.replace("cue b", "queue b").replace("\n", "\r\n")
    done = desk.bring("srt", b"\xef\xbb\xbf" + edited.encode())
    assert (done.kinds, done.num_conflicts, done.num_less) == ({"words": 1}, 0, 0)
    other = desk.exported("srt").decode().replace("cue c", "queue c")
    assert desk.bring("srt", other.encode("utf-16")).kinds == {"words": 1}
    assert desk.bring("srt", other.encode("utf-16")).kinds == {}
    with pytest.raises(StoreError, match="save it as UTF-8"):
        desk.bring("srt", other.replace("this", "thîs").encode("latin-1"))
    assert "queue b" in desk.published.text
    assert "queue c" in desk.published.text
    # Cut short: what is gone is said, and comes back.
    whole = desk.published
    done = desk.bring("srt", "\n\n".join(cues(desk, "srt")[:4]).encode())
    assert done.num_less >= 20
    undo(desk.store, [one.edit_id for one in desk.published.corrections[2:]], "anna", "")
    assert desk.published.segments == whole.segments


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_numbers_are_said_and_notes_and_names_of_cues_are_not(tmp_path: Path, kind: str) -> None:
    desk = desk_of(tmp_path, "it was so. we met in the year 1984")
    raw = desk.exported(kind).decode()
    raw = raw.replace("the year 1984", "the year\n1984")
    assert "year\n1984" in raw
    assert desk.bring(kind, raw.encode()).kinds == {}
    assert desk.bring(kind, raw.replace("1984", "1985").encode()).kinds == {"words": 1}
    assert desk.published.text.endswith("the year 1985")
    if kind == "vtt":
        first, *rest = desk.exported(kind).decode().split("\n\n")
        noted = [
            first,
            "NOTE who\nhas heard this?",
            *(f"cue-{n}\n{one}" for n, one in enumerate(rest)),
        ]
        assert desk.bring(kind, "\n\n".join(noted).encode()).kinds == {}


def test_a_document_as_word_processors_save_it(tmp_path: Path) -> None:
    """Runs that are parted anywhere, marks of editing, moved text, a tab after the time."""
    desk = desk_of(tmp_path, "we went to ferara by train. and so say all of us")
    lines = desk.exported("txt").decode().splitlines()
    plain = docx(lines)
    xml = zipfile.ZipFile(io.BytesIO(plain)).read("word/document.xml").decode()
    xml = xml.replace(
        "fer", 'fer</w:t></w:r><w:proofErr w:type="spellStart"/><w:r><w:rPr><w:b/></w:rPr><w:t>'
    )
    xml = xml.replace("0:00  ", "0:00</w:t></w:r><w:r><w:tab/></w:r><w:r><w:t>")
    xml = xml.replace("0:01  ", "0:01</w:t><w:tab/><w:t>")
    marks = (
        "</w:t></w:r><w:moveFrom><w:r><w:t>us</w:t></w:r></w:moveFrom>"
        "<w:del><w:r><w:delText>car</w:delText></w:r></w:del><w:r><w:t>"
    )
    xml = xml.replace("by train", f"by {marks}train")
    assert desk.bring("docx", packed(xml)).kinds == {}
    xml = xml.replace("by </w:t>", "by express</w:t><w:noBreakHyphen/><w:t></w:t>")
    assert desk.bring("docx", packed(xml)).kinds == {"words": 1}
    assert desk.published.text.startswith("we went to ferara by express-train")


def packed(xml: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", xml)
    return stream.getvalue()


def test_who_has_not_all_of_a_file_kept_has_checked_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, said("channels"))
    lines = desk.exported("txt").decode().splitlines()
    last, first = lines[0].rsplit(" ", 1), lines[1].split(" ", 1)
    across = [f"{last[0]} mended", f"mended {first[1]}", *lines[2:]]
    done = desk.bring("txt", "\n".join(across).encode(), is_checked=True)
    assert len(done.unplaced) == 1
    assert done.kinds["checked"] == 0
    done = desk.bring("txt", "\n".join(lines).encode(), is_checked=True)
    assert done.kinds == {"checked": 1}


def test_files_of_edits_stay_whose_they_are_and_keep_what_others_save_meanwhile(
    tmp_path: Path,
) -> None:
    files = write_edits(desk_of(tmp_path), jsonl())
    path = files.path(next(iter(files.media())))
    path.chmod(0o664)
    place = path.stat().st_ino
    files.undo(path.stem, ["a"], "anna", "")
    assert (path.stat().st_ino, len(files.lines(path.stem))) == (place, 2)  # added to
    tries: list[int] = []

    def make(lines: list[dict[str, object]]) -> list[dict[str, object]]:
        if not tries:
            path.write_bytes(path.read_bytes() + jsonl(id="b"))
        tries.append(len(lines))
        return lines[1:]

    with files.writing():
        files.rewrite(path.stem, make)
    assert tries == [2, 3]
    assert [line["id"] for line in files.lines(path.stem)][1:] == ["b"]
    assert path.stat().st_mode & 0o777 == 0o664
