"""The report as people get it: the file, the command, the asset; in a real browser."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from dagster import MaterializeResult
from playwright.sync_api import Browser, expect

from opentr_pipeline.archive.references import WordErrors
from opentr_pipeline.cli.app import main
from opentr_pipeline.cli.report import _said
from opentr_pipeline.definitions import defs
from opentr_pipeline.defs import metadata
from opentr_pipeline.errors import StoreError
from opentr_pipeline.pages.lists import page_of
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.quality.problems import ErrorClass, TroubledFile
from opentr_pipeline.quality.totals import DoubtfulRecording, Tally
from opentr_pipeline.report.duplicates import DuplicateGroup, Duplicates
from opentr_pipeline.report.facts import FolderTotals, ReportFacts
from opentr_pipeline.report.page import html, write
from opentr_pipeline.report.speakers import SpeakerTotals
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline.wording import length_text, percent_text, size_text
from opentr_pipeline_tests.accessibility import violations
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.making import settings_of
from opentr_pipeline_tests.page_api import free_port
from opentr_pipeline_tests.report.test_charts import facts, many
from opentr_pipeline_tests.runs import SAMPLES

PICTURES_OF_SAMPLES = (
    "hours_by_language",
    "hours_by_folder",
    "recordings_by_status",
    "confidence_of_words",
    "word_errors_by_folder",
)
NO_ICON = '<link rel="icon" href="data:,">'
EVIL = "<script>alert(1)</script> & \"quoted\" 'names'/100%?#.wav"


def full() -> ReportFacts:
    """Facts with something in every part of the page."""
    trouble = [TroubledFile(f"radio/{number} {EVIL}", "radio", 3, "why") for number in range(10)]
    return dataclasses.replace(
        many(),
        doubtful=[doubtful("radio/1.wav"), doubtful(EVIL)],
        failures=[ErrorClass("failed", EVIL, "do this", 1200, trouble)],
        duplicates=Duplicates(2, 12, 3_400_000, [DuplicateGroup(11, 9, 90, [EVIL, "b"])]),
        unreadable={"radio": "radio.parquet is damaged (<b>)."},
        reference_problems={EVIL: "The reference holds no words."},
    )


def doubtful(path: str) -> DoubtfulRecording:
    return DoubtfulRecording(path, "id", "radio", 600.0, 61.0, 12.34, 0.1, 0.61, ["loop"])


def text_of(page: str) -> str:
    """What a reader sees, spaces made one."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_whatever_an_archive_is_called_is_text(tmp_path: Path) -> None:
    evil = FolderTotals(EVIL, Tally(1, 5.0, 5.0, 5.0), WordErrors(1, 2, 1, 0.5))
    base = full()
    page = html(
        dataclasses.replace(
            base, archive=f"/media/{EVIL}", folders=[evil, *base.folders], models={EVIL: 1.0}
        ),
        tmp_path,
    )
    assert "<script" not in page
    assert "<b>)" not in page
    assert text_of(page).count("<script>alert(1)</script>") >= 16


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page = html(full(), tmp_path).replace(NO_ICON, "")
    assert not re.search(r"<(script|link|iframe|object|img)\b", page)
    assert not re.search(r"""(src|href)\s*=\s*["'](https?:|//)|@import|url\(["']?http""", page)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_report(browser: Browser, tmp_path: Path, scheme: str) -> None:
    speakers = [SpeakerTotals("Anna Rossi", 3, 700.0), SpeakerTotals("", 9, 90.0)]
    (tmp_path / "index.html").write_text("a page")
    path = tmp_path / "report.html"
    path.write_text(html(dataclasses.replace(full(), speakers=speakers), tmp_path))
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    found = {}
    for width in (1200, 360):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(path.as_uri())
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found[width] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert not any(found.values()), found


def test_recordings_and_the_home_page_are_linked_to_where_they_are(tmp_path: Path) -> None:
    assert "href=" not in html(full(), tmp_path).replace(NO_ICON, "").replace('href="#', "")
    page = tmp_path / "recordings" / "radio" / "1.wav.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page")
    (tmp_path / "index.html").write_text("a page")
    strange = tmp_path / page_of(EVIL)
    strange.parent.mkdir(parents=True)
    strange.write_text("a page")
    found = re.findall(r'href="([^"#]+)(#[^"]*)?"', html(full(), tmp_path))
    assert ("index.html", "") in found
    assert ("recordings/radio/1.wav.html", "#t=12.3") in found
    assert (quote(page_of(EVIL)), "#t=12.3") in found
    assert not {"<", '"', "?"} & set(page_of(EVIL))


def test_the_page_says_what_matters_first(tmp_path: Path) -> None:
    said = text_of(html(full(), tmp_path))
    order = [
        "archive",
        "11 recordings, 2.0 h of sound",
        "What went wrong",
        "To check first",
        "Folders",
    ]
    order += [
        "Folders",
        "How sure the model was",
        "Against what is really said",
        "How fast it went",
    ]
    places = [said.index(one) for one in [*order, "More than once", "How this was counted"]]
    assert places == sorted(places)
    for sentence in (
        "All of it is transcribed, by the model base, from 16 May 2026 to 17 May 2026.",
        "Report of 17 May 2026, 10:20",
        "Somebody speaks in 50 % of what was heard, in 2 languages.",
        "and 1,190 more (opentr errors --all names them)",
        "8.0 % (6.0 to 11.0) of the 1,000 words in 9 references are wrong",
        "12 media files are copies of others, byte by byte: 3.4 MB",
        "The partition radio is not in this report.",
        "15 more folders",
        "1 reference was not compared",
    ):
        assert sentence in said, sentence


def test_of_very_many_troubles_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    base = full()
    many_of_all = dataclasses.replace(
        base,
        failures=[dataclasses.replace(base.failures[0], kind=f"kind {n}") for n in range(120)],
        unreadable={f"partition-{n}": "It is damaged." for n in range(50)},
        reference_problems={f"{n}.txt": "It holds no words." for n in range(300)},
    )
    page = html(many_of_all, tmp_path)
    said = text_of(page)
    for sentence in ("And 100 more kinds of trouble", "And 30 more partitions", "and 280 more "):
        assert sentence in said, sentence
    assert "kind 19 " in said
    assert "kind 20 " not in said
    assert len(page) < 2 * len(html(base, tmp_path))
    table = metadata.of_report(many_of_all)["failures"]
    assert len(table.records) == 20


def test_a_rate_that_has_no_interval_says_why(tmp_path: Path) -> None:
    right, lone = WordErrors(3, 90, 0, 0.0), WordErrors(1, 90, 9, 0.1)
    folders = [
        FolderTotals("right", facts().total, right),
        FolderTotals("lone", facts().total, lone),
    ]
    said = text_of(html(facts(folders=folders, word_errors=lone), tmp_path))
    assert "0.0 % no interval from no errors" in said
    assert "10.0 % no interval from one recording" in said
    assert "; one recording, or none with an error, gives no interval." in said


def test_that_the_archive_is_not_mounted_is_said_in_place_of_word_errors(tmp_path: Path) -> None:
    one = facts(is_archive_there=False)
    page = text_of(html(one, tmp_path))
    assert "Against what is really said The archive's folder is not there, or empty" in page
    assert _said(one)["word errors"] == ["unknown: the archive's folder is not there, or empty"]


def test_what_there_is_nothing_to_say_of_has_no_heading(tmp_path: Path) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", html(facts(), tmp_path))
    assert headings == ["Folders", "Languages", "Status", "How this was counted"]
    headings = re.findall(r"<h2>(.*?)</h2>", html(facts(by_language={}, folders=[]), tmp_path))
    assert headings == ["Folders", "Status", "How this was counted"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (length_text(0.0), "0 s"),
        (length_text(59.4), "59 s"),
        (length_text(59.6), "1 min"),
        (length_text(3569.0), "59 min"),
        (length_text(3571.0), "1.0 h"),
        (length_text(360_001.0), "100 h"),
        (length_text(36e6), "10,000 h"),
        (percent_text(None), "–"),
        (percent_text(0.0), "0 %"),
        (percent_text(0.075), "7.5 %"),
        (percent_text(0.9999), "99.9 %"),
        (percent_text(1.0), "100 %"),
        (size_text(812_000), "812 kB"),
        (size_text(1_400_000_000), "1.4 GB"),
    ],
)
def test_amounts_are_short(said: str, expected: str) -> None:
    assert said == expected


def test_the_home_page_leads_to_a_report_as_soon_as_there_is_one(tmp_path: Path) -> None:
    settings = settings_of(OUTPUT_DIR=tmp_path, ARCHIVE_DIR=tmp_path / "archive")
    home = Pages(settings).write_home()
    assert "report.html" not in home.read_text(encoding="utf-8")
    path = write(full(), Pages(settings))
    assert 'href="report.html"' in home.read_text(encoding="utf-8")
    assert 'href="index.html"' in path.read_text(encoding="utf-8")


def test_the_file_is_written_whole_and_a_folder_that_cannot_be_is_a_sentence(
    tmp_path: Path,
) -> None:
    settings = settings_of(OUTPUT_DIR=tmp_path, ARCHIVE_DIR=tmp_path / "archive")
    path = write(full(), Pages(settings))
    assert path == tmp_path / "pages" / "report.html"
    assert path.read_text(encoding="utf-8") == html(full(), path.parent)
    assert [one.name for one in path.parent.iterdir() if one.is_file()] == ["report.html"]
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="pages cannot be written"):
        write(full(), Pages(settings))


def test_the_command_says_the_main_things() -> None:
    said = _said(full())
    assert said["recordings"] == ["11: 9 ok, 2 no_speech"]
    assert said["sound"] == ["2.0 h, 100 % transcribed, speech in 50 % of that"]
    assert said["word errors"] == ["8.0 % (6.0 to 11.0) in 9 references"]
    assert said["folders"][0].startswith("tapes 2.0 h, 广播电台录音 2.0 h, ")
    assert said["folders"][0].endswith(" and 35 more")
    assert said["duplicates"] == ["12 files, 3.4 MB"]
    assert said["check first"][0] == "radio/1.wav  61.0 s in doubt of 600 s"
    assert said["went wrong"][1] == "radio.parquet is damaged (<b>)."
    assert {name for name, lines in _said(facts()).items() if lines} == {
        "recordings",
        "sound",
        "languages",
        "folders",
        "speed",
    }


def test_an_archive_of_which_nothing_is_transcribed_gets_a_sentence(
    tmp_path: Path, models_root: Path
) -> None:
    (tmp_path / "archive").mkdir()
    environ = {"OUTPUT_DIR": str(tmp_path / "output"), "MODELS_DIR": str(models_root)}
    environ |= {"OPENTR_HOME": str(tmp_path / "state"), "WHISPER_MODEL": "base"}
    done = CliRunner().invoke(main, ["report", str(tmp_path / "archive")], env=environ)
    assert done.exit_code == 2
    assert done.output == (
        f"opentr: Nothing of {tmp_path / 'archive'} is transcribed yet; opentr run does it.\n"
    )
    assert not (tmp_path / "output").exists()


def test_metadata_has_numbers_of_one_type_tables_and_pictures() -> None:
    said = metadata.of_report(full())
    result: MaterializeResult[Any] = MaterializeResult(metadata=said)
    assert result.metadata is not None
    kinds = {name: type(value).__name__ for name, value in said.items()}
    assert (
        kinds.items()
        >= {
            "num_recordings": "int",
            "audio_h": "float",
            "heard_share": "float",
            "mean_confidence": "float",
            "word_error_rate": "float",
            "to_check_first": "TableMetadataValue",
            "failures": "TableMetadataValue",
            "hours_by_folder": "MarkdownMetadataValue",
            "word_errors_by_folder": "MarkdownMetadataValue",
        }.items()
    )
    assert said["word_error_rate"] == 0.08
    assert said["to_check_first"].records[0].data["recording"] == "radio/1.wav"
    assert said["failures"].records[0].data["what_to_do"] == "do this"


def test_the_asset_follows_transcripts_without_partitions_and_says_what_it_is() -> None:
    graph = defs.resolve_asset_graph()
    (key,) = (one for one in graph.get_all_asset_keys() if one.path == ["archive_report"])
    node = graph.get(key)
    assert {parent.path[-1] for parent in node.parent_keys} == {"transcripts", "speakers"}
    assert node.partitions_def is None
    assert all(part in str(node.description) for part in ("one HTML file", "*Refreshed*", "*When"))


@pytest.fixture
def sampled(project: Callable[..., Project]) -> Iterator[Project]:
    """The sample archive, transcribed."""
    one = project(SAMPLES, DAGSTER_PORT=free_port())
    one.opentr("run")
    yield one
    DevServices.of(one.settings).stop()


@pytest.mark.slow
def test_the_report_of_the_sample_archive(
    sampled: Project, browser: Browser, tmp_path: Path
) -> None:
    said = sampled.opentr("report")
    path = sampled.store.root / "pages" / "report.html"
    assert re.search(r"recordings +18: 15 ok, 2 no_speech, 1 corrupt\n", said)
    assert re.search(r"word errors +\d+\.\d % .*in 15 references\n", said)
    assert said.endswith(f"{path}\n")
    found = json.loads(sampled.opentr("report", "--json"))
    assert {row["name"] for row in found["folders"]} == {
        *("film", "interviews", "oral_history", "radio", "@root"),
    }
    assert list(found["by_language"]) == ["en", "it", "es"]
    assert found["failures"][0]["files"][0]["path"] == "film/unfinished_copy.mp4"

    path.unlink()
    sampled.opentr("dagster", "asset", "materialize", "--select", "archive_report")
    _look(browser, path, tmp_path)
    # Its sensor would make the report anew at once, and the page then closes what is open in it.
    sampled.serve()
    _look_at_pictures(browser, DevServices.of(sampled.settings).address, tmp_path)


def _look(browser: Browser, path: Path, tmp_path: Path) -> None:
    """Open the file as a reader does; nothing complains, and all pictures are there."""
    for scheme in ("light", "dark"):
        for width in (1200, 400):
            page = browser.new_page(
                color_scheme=scheme,  # type: ignore[arg-type]
                viewport={"width": width, "height": 900},
            )
            complaints: list[str] = []
            page.on("console", lambda said, to=complaints: to.append(said.text))  # type: ignore[misc]
            page.on("request", lambda asked, to=complaints: to.append(asked.url))  # type: ignore[misc]
            page.goto(path.as_uri())
            page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)
            assert complaints == [path.as_uri()]
            picture = page.get_by_role("img", name="Share of spoken time by confidence")
            box = picture.locator("svg").bounding_box()
            assert box is not None
            assert box["width"] > 300
            assert box["height"] > 100
            bars = picture.locator("svg path").evaluate_all(
                "paths => paths.map(path => getComputedStyle(path).fill)"
            )
            assert {"light": "rgb(143, 52, 19)", "dark": "rgb(240, 164, 126)"}[scheme] in bars
            assert page.evaluate("document.documentElement.scrollWidth") == width
            page.close()


def _look_at_pictures(browser: Browser, address: str, tmp_path: Path) -> None:
    """Dagster's page shows numbers, tables and every picture."""
    page = browser.new_page(viewport={"width": 1400, "height": 1800})
    page.goto(f"{address}/assets/archive_report")
    expect(page.get_by_text("num_recordings", exact=True).first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("film/unfinished_copy.mp4").first).to_be_visible()
    buttons = page.get_by_text("Show Markdown")
    expect(buttons).to_have_count(len(PICTURES_OF_SAMPLES))
    for place, name in enumerate(PICTURES_OF_SAMPLES):
        buttons.nth(place).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text(name, exact=True)).to_be_visible()
        picture = dialog.get_by_role("img", name=re.compile("^(Hours|Recordings|Share|Word)"))
        size = picture.evaluate("async i => (await i.decode(), [i.naturalWidth, i.naturalHeight])")
        assert size == [640, 320]
        page.screenshot(path=tmp_path / f"{name}.png")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_be_hidden()
    page.close()
