"""References beside the media: which are found, what they say, how errors are counted."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.archive.beside import MAX_BYTES
from opentr_pipeline.archive.references import (
    comparable_words,
    find_references,
    num_errors,
    read_reference,
)
from opentr_pipeline.archive.storage import FolderStorage
from opentr_pipeline.errors import ReferenceTextError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline_tests.making import PROPERTY, media_file, settings_of

SRT = """1
00:00:01,000 --> 00:00:02,000
{\\an8}Good <i>morning</i>,
everyone.

2
00:00:03,000 --> 00:00:04,000
Less < more.
"""
VTT = """WEBVTT - a title

NOTE nobody says this

STYLE
::cue { color: red }

first
00:01.000 --> 00:02.000 align:start
<v Anna>Bread &amp; butter</v>

00:03.000 --> 00:04.000
one <00:03.500>two <c.loud>th</c>r<00:03.700>ee
"""

# As some programs write them; the 3 is said.
PARTED = """1

00:00:01,000 --> 00:00:02,000
Good morning

2

00:00:02,500 --> 00:00:03,000
3

3

00:00:04,000 --> 00:00:05,000
everyone
"""


def _archive(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("something")
    return root


def _found(root: Path, **variables: str) -> dict[str, dict[str, str]]:
    """By partition: recording id -> path of the reference."""
    found = find_references(root, Setup(settings_of(variables)).partitioning)
    return {key: {one.recording_id: one.path for one in group} for key, group in found.items()}


def _id(path: str) -> str:
    return media_file(path).recording_id


def test_a_reference_is_named_after_its_media_with_or_without_the_extension(tmp_path: Path) -> None:
    _archive(
        tmp_path,
        "top.opus",
        "top.reference.txt",
        "a/tape.mp3",
        "a/tape.wav",
        "a/tape.reference.srt",
        "a/tape.wav.reference.vtt",
        "a/b/naïve talk.mkv",
        "a/b/naïve talk.Reference.TXT",
    )
    assert _found(tmp_path) == {
        "@root": {_id("top.opus"): "top.reference.txt"},
        "a": {
            _id("a/tape.mp3"): "a/tape.reference.srt",
            _id("a/tape.wav"): "a/tape.wav.reference.vtt",
            _id("a/b/naïve talk.mkv"): "a/b/naïve talk.Reference.TXT",
        },
    }
    assert set(_found(tmp_path, PARTITION_DEPTH="2")) == {"@root", "a", "a%2Fb"}


def test_what_is_no_reference_of_a_recording_is_left_alone(tmp_path: Path) -> None:
    _archive(
        tmp_path,
        "a/alone.reference.txt",
        "a/notes.txt",
        "a/notes.reference.txt",
        "a/other.mp3",
        ".hidden/tape.mp3",
        ".hidden/tape.reference.txt",
        "a/.part.mp3",
        "a/.part.reference.txt",
    )
    assert _found(tmp_path) == {}


def test_plain_text_comes_before_subtitles(tmp_path: Path) -> None:
    _archive(tmp_path, "x.mp3", "x.reference.vtt", "x.reference.srt")
    assert _found(tmp_path)["@root"] == {_id("x.mp3"): "x.reference.srt"}
    _archive(tmp_path, "x.reference.txt")
    assert _found(tmp_path)["@root"] == {_id("x.mp3"): "x.reference.txt"}


def test_names_that_are_not_utf_8_have_references_too(tmp_path: Path) -> None:
    for name in (b"caf\xe9.mp3", b"caf\xe9.reference.txt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    assert list(_found(tmp_path)["@root"]) == [_id(os.fsdecode(b"caf\xe9.mp3"))]


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("x.txt", b"Good morning,\r\neveryone!", "good morning everyone"),
        ("x.txt", "\ufeffGood morning".encode(), "good morning"),
        ("x.txt", "Good morning".encode("utf-16"), "good morning"),
        ("x.txt", "Добрый день — Ё".encode("utf-16"), "добрый день ё"),
        ("x.srt", SRT.encode(), "good morning everyone less more"),
        ("x.srt", b"\xef\xbb\xbf" + SRT.replace("\n", "\r\n").encode(), None),
        ("x.vtt", VTT.encode(), "bread butter one two three"),
        ("x.SRT", SRT.encode(), None),
        ("x.srt", PARTED.encode(), "good morning 3 everyone"),
    ],
)
def test_texts_and_subtitles_are_read(
    tmp_path: Path, name: str, raw: bytes, words: str | None
) -> None:
    (tmp_path / name).write_bytes(raw)
    expected = words or "good morning everyone less more"
    assert read_reference(FolderStorage(tmp_path), name) == expected.split()


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("x.txt", b"", "holds no words"),
        ("x.txt", b" \n-- !? \n", "holds no words"),
        ("x.txt", "Così è la vita".encode("latin-1"), r"not UTF-8 \(byte 3\); save it as UTF-8"),
        ("x.txt", b"\xff\xfea", "not UTF-16"),
        ("x.srt", b"this is no subtitle", "holds no words"),
        ("x.vtt", b"WEBVTT\n\nNOTE nothing\n", "holds no words"),
        ("x.vtt", b"\x89PNG\r\n\x1a\n", "not UTF-8"),
    ],
)
def test_a_reference_that_cannot_be_read_is_a_sentence(
    tmp_path: Path, name: str, raw: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(ReferenceTextError, match=said):
        read_reference(FolderStorage(tmp_path), name)


def test_a_reference_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReferenceTextError, match="cannot be read: No such file"):
        read_reference(FolderStorage(tmp_path), "x.txt")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _link_away(path: Path) -> None:
    outside = path.parent.parent / "outside.txt"
    outside.write_text("secret words")
    path.symlink_to(outside)


def _large(path: Path) -> None:
    path.write_bytes(b"word " * (MAX_BYTES // 5 + 1))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_fifo, "no regular file"),
        (_device, "no regular file"),
        (Path.mkdir, "cannot be read"),
        (_link_away, "leaves the archive"),
        (_large, "larger than 5000000 bytes"),
    ],
)
def test_what_should_not_be_read_is_a_sentence_at_once(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    """A pipe would have every run wait; a link would show what lies elsewhere."""
    archive = _archive(tmp_path / "archive", "a.mp3", "linked.txt")
    make(archive / "a.reference.txt")
    with pytest.raises(ReferenceTextError, match=said):
        read_reference(FolderStorage(archive), "a.reference.txt")
    os.mkfifo(archive / "b.mp3")  # no media, so a reference beside it is nobody's
    (archive / "b.reference.txt").symlink_to("linked.txt")
    assert read_reference(FolderStorage(archive), "b.reference.txt") == ["something"]
    assert _id("b.mp3") not in _found(archive).get("@root", {})


@pytest.mark.parametrize("sign", ["{", "<i ", "\n", "\n  \n", "<", "&#1", "{\n"])
@pytest.mark.parametrize("head", [SRT, VTT])
def test_a_reference_is_read_in_a_time_that_grows_with_its_size(
    tmp_path: Path, head: str, sign: str
) -> None:
    (tmp_path / "x.vtt").write_text(f"{head}last one{sign * 60_000}word")
    name = "x.vtt"
    if head is SRT:
        (tmp_path / "x.vtt").rename(tmp_path / (name := "x.srt"))
    started = time.process_time()
    assert "last" in read_reference(FolderStorage(tmp_path), name)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't—DON’T!", ["dont", "dont"]),
        ("l’homme; l'homme", ["lhomme", "lhomme"]),
        ("Straße ﬁn e\u0301té ＡＢ", ["strasse", "fin", "été", "ab"]),
        ("twenty-one", ["twenty", "one"]),
        ("我有iPhone。", ["我", "有", "iphone"]),
        ("時々、コーヒー", list("時々コーヒー")),
        ("ไปไหน", list("ไปไหน")),
        ("مرحبا، كيف الحال؟", ["مرحبا", "كيف", "الحال"]),
        ("한국어 문장.", ["한국어", "문장"]),
        ("हिन्दी है।", ["हिन्दी", "है"]),
        ("12 km", ["12", "km"]),
        # Capital once it is plain; and one whose small form is two characters.
        ("\u210c \u01f0", ["h", "\u01f0"]),
    ],
)
def test_words_are_comparable_in_any_language(text: str, words: list[str]) -> None:
    assert comparable_words(text) == words


@given(st.text())
@PROPERTY
def test_words_do_not_change_when_they_are_compared_again(text: str) -> None:
    words = comparable_words(text)
    assert comparable_words(" ".join(words)) == words
    assert comparable_words(text.upper().casefold()) == comparable_words(text.upper())


@pytest.mark.parametrize(
    ("said", "errors"),
    [("a b c", 0), ("", 3), ("a x c", 1), ("a c", 1), ("a b c d e", 2), ("x", 3)],
)
def test_errors_are_words_to_replace_add_and_remove(said: str, errors: int) -> None:
    assert num_errors("abc", said.split()) == errors
