"""Subtitles: nothing is lost, lines and times are as asked for."""

import html
import itertools
import re
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opentr_pipeline.exports.cues import Cue, cues_of
from opentr_pipeline.exports.line_breaks import HALVES_OF_LETTER, pieces_of, width_of
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline_tests.exports.said import (
    SPOKEN,
    TRICKY,
    USUAL,
    said,
    spoken,
    transcripts,
    written,
)
from opentr_pipeline_tests.making import PROPERTY, transcript


def lines_of(made: Transcript, layout: SubtitleSettings = USUAL) -> list[str]:
    return [line for cue in cues_of(made, layout) for line in cue.lines]


layouts = st.builds(
    SubtitleSettings,
    subtitle_line_length=st.integers(10, 60),
    subtitle_lines=st.integers(1, 4),
    subtitle_min_ms=st.integers(1, 3000),
    subtitle_max_ms=st.integers(3000, 10_000),
    subtitle_reading_speed=st.integers(5, 50),
)


def said_by(segment: Segment) -> str:
    """What a reader is to find: the text, or where there is none the words."""
    return segment.text if segment.text.strip() else "".join(word.text for word in segment.words)


def bare(text: str) -> str:
    return "".join(text.split())


def read_srt(text: str) -> Iterator[tuple[str, list[str]]]:
    """Times and lines of each cue, as the format has them."""
    for number, block in enumerate(text.split("\n\n") if text else [], 1):
        name, at, *lines = block.rstrip("\n").split("\n")
        assert name == str(number)
        yield at, [line.replace("\u2060", "") for line in lines]


def read_vtt(text: str) -> Iterator[tuple[str, list[str]]]:
    head, *blocks = text.split("\n\n")
    assert head.rstrip("\n") == "WEBVTT"
    for block in blocks:
        at, *lines = block.rstrip("\n").split("\n")
        assert not any("-->" in line or "<" in line for line in lines)
        yield at, [html.unescape(line) for line in lines]


READERS = {"srt": read_srt, "vtt": read_vtt}
# WORD JOINER is what SRT gets more, and Python's idea of a reference without semicolon is wider.
LEFT_TO_THE_READER = re.compile("\u2060|&")


def without(text: str) -> str:
    return LEFT_TO_THE_READER.sub("", bare(text))


@PROPERTY
@given(transcripts(None), layouts, st.sampled_from(["srt", "vtt"]))
@example(spoken(" ".join(TRICKY)), USUAL, "srt")
@example(spoken(" ".join(TRICKY)), USUAL, "vtt")
def test_every_word_is_there_once_and_in_order(
    made: Transcript, layout: SubtitleSettings, ending: str
) -> None:
    text = written(ending, made, layout)
    found = [line for _, lines in READERS[ending](text) for line in lines]
    assert without("".join(found)) == without("".join(map(said_by, made.segments)))
    assert all(bare(line) for line in found)  # an empty line would end the cue


@PROPERTY
@given(transcripts(0, 1), layouts)
def test_every_word_of_several_channels_is_there(
    made: Transcript, layout: SubtitleSettings
) -> None:
    found = bare("".join(lines_of(made, layout)))
    assert sorted(found) == sorted(bare("".join(map(said_by, made.segments))))
    for channel in (0, 1):
        rest = iter(found)
        own = [segment for segment in made.segments if segment.channel == channel]
        assert all(letter in rest for letter in bare("".join(map(said_by, own))))


@pytest.mark.parametrize("language", ["en", "ko", "ar", "he", "fr"])
def test_words_with_spaces_stay_whole(language: str) -> None:
    layout = SubtitleSettings(subtitle_line_length=10)
    assert " ".join(lines_of(spoken(SPOKEN[language]), layout)).split() == SPOKEN[language].split()


def overlaps(cues: list[Cue]) -> bool:
    return any(one.end_ms > other.start_ms + 1 for one, other in itertools.pairwise(cues))


@PROPERTY
@given(transcripts(None), layouts)
def test_lines_and_times_are_as_asked_for(made: Transcript, layout: SubtitleSettings) -> None:
    cues = cues_of(made, layout)
    assert not overlaps(cues)
    assert all(one.start_ms < other.start_ms for one, other in itertools.pairwise(cues))
    for cue in cues:
        assert 1 <= cue.end_ms - cue.start_ms <= layout.subtitle_max_ms
        assert 1 <= len(cue.lines) <= layout.subtitle_lines
        for line in cue.lines:
            assert line == line.strip(" ")
            is_unbreakable = len(pieces_of([(line, 0, 0)])) == 1
            assert (
                is_unbreakable or width_of(line) <= layout.subtitle_line_length * HALVES_OF_LETTER
            )


def test_a_cue_begins_with_its_first_word_and_ends_with_its_last() -> None:
    made = spoken(SPOKEN["en"], 0.5)
    first, second, *_ = cues_of(made, USUAL)
    num_words = len(" ".join(first.lines).split())
    assert (first.start_ms, first.end_ms) == (0, num_words * 500)
    assert second.start_ms == first.end_ms


def test_a_short_cue_stays_to_be_read_until_the_next() -> None:
    sentences = ("Yes.", 0, 0.2), ("x" * 40, 2.0, 2.7), ("y" * 40, 5.0, 5.5), ("No.", 6.5, 9.5)
    made = transcript(segments=said(*sentences))
    assert [(cue.start_ms, cue.end_ms) for cue in cues_of(made, USUAL)] == [
        (0, 833),
        (2000, 4000),
        (5000, 6500),
        (6500, 9500),
    ]


def test_a_pause_parts_cues_and_a_long_word_does_not_stay_for_ever() -> None:
    made = transcript(segments=said(("Well", 0, 30), ("so", 31.5, 32)))
    cues = cues_of(made, USUAL)
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 7000), (31_500, 32_333)]


def test_channels_have_cues_of_their_own_by_their_start() -> None:
    made = transcript(
        segments=(
            *said(("One talks long.", 0, 6), channel=0),
            *said(("Another falls in.", 2, 3), channel=1),
        )
    )
    assert [(cue.start_ms, cue.end_ms, *cue.lines) for cue in cues_of(made, USUAL)] == [
        (0, 6000, "One talks long."),
        (2000, 3000, "Another falls in."),
    ]


def test_words_without_times_get_what_is_left() -> None:
    unknown = float("nan")
    found = (Word("a", unknown, unknown, 1), Word(" b", 3.0, unknown, 1), Word(" c.", 5.0, 6.0, 1))
    made = transcript(segments=(Segment(1.0, 6.0, "a b c.", 0, 0, 1, found),))
    assert cues_of(made, USUAL) == [Cue(1000, 6000, ("a b c.",))]
    no_words = transcript(segments=(Segment(1.0, 6.0, "a b c.", 0, 0, 1),))
    assert cues_of(no_words, USUAL) == [Cue(1000, 6000, ("a b c.",))]


def test_silence_has_no_cues() -> None:
    assert cues_of(transcript(status="no_speech"), USUAL) == []
    assert written("txt", transcript(status="no_speech"), USUAL) == ""


@pytest.mark.parametrize("language", ["zh", "ja"])
@pytest.mark.parametrize("length", range(10, 43, 4))
def test_no_line_begins_with_closing_punctuation(language: str, length: int) -> None:
    for each_letter in (True, False):
        made = spoken(SPOKEN[language], 0.2, each_letter=each_letter)
        lines = lines_of(made, SubtitleSettings(subtitle_line_length=length))
        assert len(lines) > 1
        assert not [line for line in lines if line[0] in "、。，！？”」ーょっ"]
        assert not [line for line in lines if line[-1] in "“「（"]


def test_chinese_is_wrapped_at_sixteen_characters() -> None:
    lines = lines_of(spoken(SPOKEN["zh"], 0.2, each_letter=True))
    assert max(map(len, lines)) == 16
    assert lines[:2] == ["我出生在海边的一座白色小房子里，", "我的父亲看守灯塔三十年。"]


def test_thai_breaks_at_spaces_and_between_the_words_of_the_model_alone() -> None:
    layout = SubtitleSettings(subtitle_line_length=10)
    assert lines_of(spoken(SPOKEN["th"]), layout) == SPOKEN["th"].split()
    lines = lines_of(spoken(SPOKEN["th"], each_letter=True), layout)
    assert max(map(width_of, lines)) <= 10 * HALVES_OF_LETTER
    assert not [line for line in lines if unicodedata.category(line[0])[0] == "M"]
    assert not [line for line in lines if line[0] in "ะาำ" or line[-1] in "เแโใไ"]


def test_a_space_before_punctuation_is_no_place_to_break() -> None:
    lines = lines_of(spoken(SPOKEN["fr"]), SubtitleSettings(subtitle_line_length=10))
    assert not [line for line in lines if line[0] in "!;:»"]
    assert not [line for line in lines if line[-1] == "«"]


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ([" Er", " sagte", " »", "Nein", "«."], ["Er", "sagte", "»Nein«."]),
        (["Il", " dit", " «", " non", " »", " !"], ["Il", "dit", "« non » !"]),
        (["2", "0", "24", "年", "は"], ["2024", "年", "は"]),
        (["New York", " won", "'", "t"], ["New", "York", "won't"]),
        (["10\u00a0km", " away"], ["10\u00a0km", "away"]),
        (["ภา", "พ", " ", "ด", "ี"], ["ภา", "พ", "ดี"]),
    ],
)
def test_what_belongs_together_is_one_piece(words: list[str], pieces: list[str]) -> None:
    assert [one.text for one in pieces_of([(word, 0, 0) for word in words])] == pieces


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith came at last. Then he left.", ["Dr. Smith came at last.", "Then he left."]),
        ("It is 3.5 km away. He asked why.", ["It is 3.5 km away.", "He asked why."]),
        ('"Never let go!" He said it twice.', ['"Never let go!"', "He said it twice."]),
        ("你好吗朋友？我很好谢谢。", ["你好吗朋友？", "我很好谢谢。"]),
        ("هل تسمعني الآن؟ نعم أسمعك جيدا.", ["هل تسمعني الآن؟", "نعم أسمعك جيدا."]),
        ("मैं घर जा रहा हूँ। तुम कहाँ हो।", ["मैं घर जा रहा हूँ।", "तुम कहाँ हो।"]),
    ],
)
def test_sentences_end_where_their_script_ends_them(text: str, sentences: list[str]) -> None:
    each_letter = text.startswith("你")
    cues = cues_of(spoken(text, 0.3, each_letter=each_letter), USUAL)
    assert [" ".join(cue.lines) for cue in cues] == sentences
