"""The report's pictures: small, in any script, without a word on the terminal."""

import dataclasses
import io
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.archive.references import WordErrors
from opentr_pipeline.quality.pace import Pace, Period
from opentr_pipeline.quality.totals import Tally
from opentr_pipeline.report.charts import BARS, INK, MAX_BARS, charts, is_writable
from opentr_pipeline.report.duplicates import Duplicates
from opentr_pipeline.report.facts import FolderTotals, ReportFacts

NAMES = (
    "tapes",
    "广播电台录音",
    "أرشيف الإذاعة",
    "बोलियाँ",
    "$a$ \\frac{1}{2} $b$",
    "a\nb",
    "x" * 300,
)


def facts(**more: Any) -> ReportFacts:
    """Facts of an archive of one recording in one folder."""
    one = Tally(1, 3600.0, 3600.0, 1800.0)
    values: dict[str, Any] = {
        "archive": "/media/archive",
        "is_archive_there": True,
        "made_at": "2026-05-17T10:20:30+02:00",
        "transcribed_from": "2026-05-16T10:20:30+02:00",
        "transcribed_until": "2026-05-17T09:20:30+02:00",
        "total": one,
        "heard_share": 1.0,
        "speech_share": 0.5,
        "speed_x": 20.0,
        "models": {"base": 3600.0},
        "by_language": {"en": one},
        "by_status": {"ok": one},
        "folders": [FolderTotals(".", one, None)],
        "speakers": [],
        "mean_confidence": None,
        "by_confidence_s": [0.0] * 20,
        "doubtful": [],
        "failures": [],
        "duplicates": Duplicates(0, 0, 0, []),
        "days": [day(17)],
        "word_errors": None,
        "reference_problems": {},
        "unreadable": {},
    }
    return ReportFacts(**{**values, **more})


def day(number: int) -> Period:
    return Period(f"2026-05-{number:02d}T00:00:00+02:00", Pace(1, 3600.0, 180.0, 20.0 + number))


def many(num_folders: int = 40) -> ReportFacts:
    """Facts of an archive with something to see in every picture."""
    tally = Tally(9, 7200.0, 7200.0, 3600.0)
    errors = WordErrors(9, 1000, 80, 0.08, 0.06, 0.11)
    names = [*NAMES, *(f"folder {number}" for number in range(num_folders))][:num_folders]
    return facts(
        total=Tally(11, 7260.0, 7260.0, 3600.0),
        by_language={"en": tally, "zh": tally},
        by_status={"ok": tally, "no_speech": Tally(2, 60.0, 60.0, 0.0)},
        folders=[FolderTotals(name, tally, errors) for name in names],
        mean_confidence=0.8,
        by_confidence_s=[float(number) for number in range(20)],
        days=[day(number) for number in range(1, 31)],
        word_errors=errors,
    )


def test_a_picture_with_one_bar_or_nothing_is_left_out() -> None:
    assert charts(facts()) == {}
    assert list(charts(many())) == [
        "hours_by_language",
        "hours_by_folder",
        "recordings_by_status",
        "speed_by_day",
        "confidence_of_words",
        "word_errors_by_folder",
    ]


def test_pictures_are_small_and_any_name_is_drawn_without_a_word(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = {name: chart.png() for name, chart in charts(many()).items()}
    for name, png in drawn.items():
        (tmp_path / f"{name}.png").write_bytes(png)
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.size == (640, 320), name
            assert picture.getpixel((0, 0))[3] == 0, "transparent"  # type: ignore[index]
            colours = {pixel[:3] for _, pixel in picture.getcolors(100_000) or [] if pixel[3] > 250}  # type: ignore[index]
        assert bytes.fromhex(BARS[1:]) in {bytes(colour) for colour in colours}
        assert len(png) < 30_000, name
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("colour", [BARS, INK])
@pytest.mark.parametrize("paper", ["#ffffff", "#111318"])
def test_colours_are_read_on_white_and_on_dark(colour: str, paper: str) -> None:
    """Source of the formula: WCAG 2.1, relative luminance and contrast ratio."""

    def luminance(shade: str) -> float:
        parts = [int(shade[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(k * p for k, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(colour), luminance(paper)))
    assert (high + 0.05) / (low + 0.05) > 4.0


def test_names_that_the_font_cannot_write_are_numbers_in_the_list() -> None:
    assert [is_writable(name) for name in NAMES] == [True, False, False, False, True, False, True]
    assert is_writable("Entrevista número 3 – Сельские песни")
    chart = charts(many())["hours_by_folder"]
    drawn = chart.svg("x")
    for number in (2, 3, 4, 6):
        assert f">no. {number}<" in drawn
    assert ">no. 1<" not in drawn
    assert r">$a$ \frac{1}{2} $b$<" in drawn
    assert not re.search("[广أब]", drawn)
    said = chart.markdown()
    assert "| 2 | 广播电台录音 | 2.0 |" in said
    assert "| 3 | أرشيف الإذاعة | 2.0 |" in said
    assert "| 6 | a b | 2.0 |" in said


def test_many_folders_are_the_first_and_the_rest_in_one_line() -> None:
    chart = charts(many(40))["hours_by_folder"]
    assert chart.title == f"Hours of audio by folder, the first {MAX_BARS} of 40"
    assert chart.rows[-1] == ("25 others", "50.0")
    assert len(chart.rows) == MAX_BARS + 1
    assert "others" not in chart.svg("x")


def test_what_is_markup_in_a_name_is_none_in_markdown() -> None:
    one = many(2)
    evil = dataclasses.replace(one.folders[0], name="](x) | <img src=x> `a` **b**")
    said = charts(dataclasses.replace(one, folders=[evil, *one.folders]))[
        "hours_by_folder"
    ].markdown()
    head, _, rest = said.partition("](data:image/png;base64,")
    assert head.startswith("![Hours of audio by folder: \\]\\(x\\)")
    assert r"\](x) " not in rest.partition("\n\n")[2]
    assert r"| 1 | \]\(x\) \| \<img src=x\> \`a\` \*\*b\*\* | 2.0 |" in rest


def test_a_picture_for_the_report_takes_the_colours_of_its_style_sheet() -> None:
    drawn = charts(many())["speed_by_day"].svg("speed")
    assert drawn.startswith("<svg")
    assert "var(--accent)" in drawn
    assert "var(--soft)" in drawn
    assert not re.search("#[0-9a-f]{6}", drawn)
    ids = re.findall(r'\sid="([^"]+)"', drawn)
    assert ids
    assert all(name.startswith("speed-") for name in ids)
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', drawn)
    assert set(used) <= set(ids)
    assert drawn == charts(many())["speed_by_day"].svg("speed")


def test_rates_without_an_interval_have_none_in_the_list() -> None:
    one = many(2)
    lone = FolderTotals("lone", one.total, WordErrors(1, 50, 5, 0.1))
    chart = charts(dataclasses.replace(one, folders=[*one.folders, lone]))["word_errors_by_folder"]
    assert [said for _, said in chart.rows] == ["8.0 % (6.0 to 11.0)"] * 2 + ["10.0 %"]
