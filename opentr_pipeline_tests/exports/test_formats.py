"""What is written of transcripts, format by format, as other programs read it."""

import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given

from opentr_pipeline.exports.cues import cues_of
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.transcripts.transcript import Transcript
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
from opentr_pipeline_tests.speakers.voices import conversation

MANY = spoken(" ".join([*SPOKEN.values(), *TRICKY]) * 3)


@pytest.mark.parametrize("ending", ["srt", "vtt"])
@pytest.mark.parametrize("late_s", [0, 3_599.5, 400_000])
def test_ffmpeg_reads_every_cue_at_its_time(ending: str, late_s: float, tmp_path: Path) -> None:
    import av

    (segment,) = MANY.segments
    later = tuple(
        dataclasses.replace(word, start_s=word.start_s + late_s, end_s=word.end_s + late_s)
        for word in segment.words
    )
    made = transcript(segments=(dataclasses.replace(segment, words=later),))
    path = tmp_path / f"a.{ending}"
    path.write_text(written(ending, made, USUAL), encoding="utf-8", newline="")
    with av.open(path) as container:
        found = [
            (
                round(packet.pts * packet.time_base * 1000),
                round(packet.duration * packet.time_base * 1000),
            )
            for packet in container.demux()
            if packet.pts is not None
        ]
    assert len(found) > 30
    assert found == [(cue.start_ms, cue.end_ms - cue.start_ms) for cue in cues_of(made, USUAL)]


def test_ffmpeg_shows_what_looks_like_markup(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.srt"
    text = "He wrote <b> and {\\an8} here."
    path.write_text(written("srt", spoken(text), USUAL), encoding="utf-8")
    with av.open(path) as container:
        shown = [
            line.ass.decode().split(",,", 2)[-1].replace("\u2060", "")
            for packet in container.demux()
            for line in packet.decode()
        ]
    assert shown == [text]


@pytest.mark.parametrize("ending", ["srt", "vtt"])
def test_pysubs2_reads_the_same(ending: str) -> None:
    import pysubs2

    text = written(ending, MANY, USUAL)
    read = pysubs2.SSAFile.from_string(text, format_=ending)
    cues = cues_of(MANY, USUAL)
    assert [(one.start, one.end) for one in read] == [(cue.start_ms, cue.end_ms) for cue in cues]
    assert read[0].plaintext.split("\n") == list(cues[0].lines)


def test_text_has_a_line_for_each_segment() -> None:
    made = transcript(segments=said(("Good\nmorning.", 0, 1), ("再见。", 1, 2)))
    assert written("txt", made, USUAL) == "Good morning.\n再见。\n"


def test_json_holds_words_probabilities_and_flags() -> None:
    made = transcript(text="thank you for watching. good morning")
    found = json.loads(written("json", made, USUAL))
    assert found["path"] == "film/a.wav"
    assert found["flags"] == found["segments"][0]["flags"] == ["boilerplate"]
    assert found["segments"][1]["words"][0] == {
        "text": " good",
        "start_s": 4.0,
        "end_s": 5.0,
        "probability": 0.5,
        "speaker": "",
        "speaker_share": 0.0,
        "model_text": None,
    }


@PROPERTY
@given(transcripts(None, 1))
def test_tables_hold_a_row_for_each_segment(made: Transcript) -> None:
    wanted = [(" ".join(one.text.split()), str(round(one.start_s, 3))) for one in made.segments]
    for ending, options in (("csv", {}), ("tsv", {"delimiter": "\t", "quoting": csv.QUOTE_NONE})):
        document = Document("film/a.wav", made, USUAL, guards_formulas=False)
        text = FORMATS[ending](document).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="\n"), **options))  # type: ignore[arg-type]
        assert [(row["text"], row["start_s"]) for row in rows] == wanted


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
def test_no_spreadsheet_takes_what_is_said_for_a_formula(sign: str) -> None:
    made = transcript(text=f"{sign}cmd|' /C calc'!A0. good morning")
    document = Document("a.wav", made, USUAL)
    rows = list(csv.reader(io.StringIO(FORMATS["csv"](document).decode())))
    assert [row[-1][:2] for row in rows[1:]] == [f"'{sign}", "go"]
    assert float(rows[1][4]) < 0  # a number stays one
    raw = dataclasses.replace(document, guards_formulas=False)
    assert f",{sign}cmd" in FORMATS["csv"](raw).decode()


def test_a_name_stands_where_somebody_else_begins_to_speak() -> None:
    pysubs2 = pytest.importorskip("pysubs2")
    made = conversation("it", "0011", {0: (), 1: ()})
    made = dataclasses.replace(
        made, voices=(dataclasses.replace(made.voices[0], name="A. <b> Rossi"), made.voices[1])
    )
    document = Document("a.wav", made, USUAL)
    text = FORMATS["txt"](document).decode().splitlines()
    assert text == [
        "A. <b> Rossi: it says number 0",
        "it says number 1",
        "SPEAKER_01: it says number 2",
        "it says number 3",
    ]
    srt = pysubs2.SSAFile.from_string(FORMATS["srt"](document).decode(), format_="srt")
    shown = [line.plaintext.replace("\u2060", "") for line in srt]
    assert [text for text in shown if ":" in text] == [shown[0], shown[len(shown) // 2]]
    assert shown[0].startswith("A. <b> Rossi: it says")
    assert shown[len(shown) // 2].startswith("SPEAKER_01: it says")
    vtt = FORMATS["vtt"](document).decode()
    assert list(dict.fromkeys(re.findall(r"^<v ([^>]*)>", vtt, re.M))) == [
        "A. &lt;b&gt; Rossi", "SPEAKER_01",
    ]  # fmt: skip
    assert "Rossi:" not in vtt
    (first, *_), facts = made.segments, json.loads(FORMATS["json"](document))
    assert facts["segments"][0]["speaker_name"] == "A. <b> Rossi"
    assert (first.speaker, facts["segments"][2]["speaker_name"]) == ("SPEAKER_00", "SPEAKER_01")
    assert "embedding" not in facts["voices"][0]
    # Who speaks alone and has no name is not told; every cue has one speaker at most.
    alone = Document("a.wav", conversation("it", "00", {0: ()}), USUAL)
    assert "SPEAKER" not in "".join(FORMATS[one](alone).decode() for one in ("srt", "vtt", "txt"))
    assert {cue.speaker for cue in document.cues} == {"SPEAKER_00", "SPEAKER_01"}
