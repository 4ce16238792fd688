"""The round of a person, in a browser, on real speech: find, hear, correct, name, undo."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.runs import make_archive

pytestmark = pytest.mark.slow
TALK = "two_neighbours.m4a"
HEARD, MEANT = "bakery", "Bakewell"


@pytest.fixture
def served(project: Callable[..., Project], tmp_path: Path) -> Iterator[tuple[Project, str]]:
    """An archive of one conversation, transcribed, and the link to its pages."""
    archive = make_archive(tmp_path / "archive", {TALK: f"interviews/{TALK}"})
    made = project(archive, SPEAKERS="true", PAGES_CORRECT="true", WHISPER_BEAM_SIZE="1")
    made.opentr("run")
    made.opentr("export", "--format", "txt")
    server = made.start("pages", "--serve", "--port", "0")
    assert server.stdout
    link = next(
        found[0] for line in server.stdout if (found := re.search(r"http://\S+(?=;)", line))
    )
    yield made, link
    server.terminate()
    server.communicate(timeout=60)


def find(page: Page, link: str, words: str) -> None:
    """Find words on the home page as soon as its index has them, and go to the first place."""

    def is_found() -> bool:
        page.goto(link)
        page.get_by_role("searchbox", name="Find what is said").fill(words)
        # It is made anew after each correction, and a page that is in the middle of it says so.
        answers = re.compile(r"place|Nothing is found|load the page again")
        page.locator("#said", has_text=answers).wait_for()
        return page.locator("#hits a").count() > 0

    wait_for(is_found, 30)
    page.locator("#hits a").first.click()
    wait_for(lambda: page.evaluate("typeof media !== 'undefined' && media.readyState >= 1"), 30)


def phrase(page: Page, text: str) -> str:
    """The phrase with some words, as the page shows it now."""
    shown = page.locator(".segment", has_text=text)
    expect(shown).to_have_count(1)
    return shown.locator(".said").inner_text()


def exported(made: Project) -> str:
    return (made.store.root / "exports" / f"{TALK}.txt").read_text()


def test_a_person_finds_hears_corrects_names_hears_anew_and_takes_back(
    browser: Browser, served: tuple[Project, str]
) -> None:
    made, link = served
    problems: list[str] = []
    page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))

    find(page, link, HEARD)  # and hear it
    page.locator(".said > span", has_text=HEARD).click()
    wait_for(lambda: page.evaluate("!media.paused && media.currentTime > 14"), 30)
    expect(page.locator(".segment.current")).to_contain_text(HEARD)
    before = phrase(page, HEARD)

    page.keyboard.press("e")  # correct it, and say who speaks
    page.get_by_label("Words").fill(before.replace(HEARD, MEANT))
    page.get_by_label("Speaker", exact=True).fill("Anna Rossi")
    expect(page.get_by_label("wherever this voice speaks")).to_be_checked()
    page.locator(".correcting").get_by_label("Your name").fill("berta")
    page.keyboard.press("Enter")
    expect(page.locator("form.correcting")).to_have_count(0)
    expect(page.locator(".said", has_text=MEANT)).to_have_count(1)
    expect(page.locator(".segment > .name", has_text="Anna Rossi")).to_have_count(3)
    expect(page.locator(".segment > .name", has_text="SPEAKER")).to_have_count(3)
    wait_for(lambda: f"Anna Rossi: {before.replace(HEARD, MEANT)}" in exported(made), 30)

    heard_before = made.transcripts()[TALK]["settings_fingerprint"]
    made.opentr("run", WHISPER_BEAM_SIZE="5")  # transcribe again with another beam
    made.opentr("pages")
    assert made.transcripts()[TALK]["settings_fingerprint"] != heard_before
    find(page, link, MEANT)  # in place, also for whoever searches
    assert phrase(page, MEANT) == before.replace(HEARD, MEANT)
    expect(page.locator(".segment", has_text=MEANT).locator(".name")).to_have_text("Anna Rossi")

    page.get_by_text("Corrections (1)").click()  # take it back
    expect(page.locator(".past li")).to_contain_text("berta")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".said", has_text=HEARD)).to_have_count(1)
    expect(page.locator(".past li")).to_contain_text("Undone by berta")
    wait_for(lambda: f"Anna Rossi: {before}" in exported(made), 30)
    find(page, link, HEARD)
    assert phrase(page, HEARD) == before
    assert problems == []
