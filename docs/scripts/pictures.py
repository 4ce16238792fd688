"""The pictures of our own pages: ``.venv/bin/python docs/scripts/pictures.py``.

Transcribes the sample archive into a folder that is gone afterwards, tells its speakers apart and
gives those of one conversation names, serves its pages as to those who correct, and takes pictures
of these and of its report in Chromium (on Debian: ``apt-get install chromium``).
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

from opentr_pipeline.settings.installation import PROJECT_ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARCHIVE = PROJECT_ROOT / "samples" / "archive"
PICTURES = PROJECT_ROOT / "docs" / "pictures"
SIZE = {"width": 1000, "height": 1000}
SMALLER = {"width": 1000, "height": 640}
PHONE = {"width": 390, "height": 780}
CONVERSATION = "interviews/round_table.mp3"
SPEAKERS = ("Clara Weber", "Anna Rossi", "Tom Baker")
PAGE = f"recordings/{CONVERSATION}.html"
NUM_COLOURS = 64  # of a page of text; more are not seen, and cost


def main() -> None:
    """Make all pictures, and say how large they are."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name)
        _make(output)
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium")
            flags = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            with _served(output) as link:
                _photograph(browser, link)
            _photograph_report(browser, output / "pages/report.html")
            browser.close()


def _variables(output: Path) -> dict[str, str]:
    ours = {"ARCHIVE_DIR": str(ARCHIVE), "OUTPUT_DIR": str(output), "SPEAKERS": "true"}
    return os.environ | ours | {"PAGES_CORRECT": "true"}


def _make(output: Path) -> None:
    """The pages and the report of the sample archive."""
    commands: list[list[str]] = [["run"]]
    for number, name in enumerate(SPEAKERS):
        commands.append(["speakers", "name", CONVERSATION, f"SPEAKER_{number:02d}", name])
    for command in [*commands, ["pages"], ["report"]]:
        subprocess.run(
            [sys.executable, "-m", "opentr_pipeline.cli.app", *command],
            check=True,
            stdout=subprocess.DEVNULL,
            env=_variables(output),
        )


@contextmanager
def _served(output: Path) -> "Iterator[str]":
    """The link to the pages while they are served."""
    command = [sys.executable, "-m", "opentr_pipeline.cli.app", "pages", "--serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_variables(output))
    assert server.stdout
    yield next(found[0] for line in server.stdout if (found := re.search(r"http://\S+(?=;)", line)))
    server.terminate()
    server.communicate()


def _photograph(browser: "Browser", link: str) -> None:
    page = _page(browser, link, SIZE, "light")
    page.goto(link.replace("/?", f"/{PAGE}?"))
    _play(page)
    _keep("reader.png", page)
    page = _page(browser, link, SMALLER, "light")
    page.get_by_role("searchbox", name="Find what is said").fill("bell")
    page.locator("#hits a").first.wait_for()
    _keep("find.png", page)
    page = _page(browser, link, SMALLER, "dark")
    _correct(page)
    _keep("correct.png", page)
    page = _page(browser, link, PHONE, "light")
    page.goto(link.replace("/?", f"/{PAGE}?"))
    page.evaluate("media.currentTime = 20.0")
    page.wait_for_timeout(1500)
    _keep("phone.png", page)


def _page(browser: "Browser", link: str, size: dict[str, int], scheme: str) -> "Page":
    """A page of a visitor's browser, at the home page."""
    context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(link)
    return page


def _play(page: "Page") -> None:
    """Search a word and stop in the middle of a sentence, so that the page shows what it does."""
    page.get_by_role("searchbox").fill("bell")
    page.evaluate("media.currentTime = 47.0")
    page.wait_for_timeout(1500)


def _correct(page: "Page") -> None:
    """Begin to correct the phrase that a search leads to."""
    page.get_by_role("searchbox", name="Find what is said").fill("bell")
    page.locator("#hits a").first.click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Correct", exact=True).click()
    editor = page.locator("form.correcting")
    editor.get_by_label("Your name").fill("Berta")
    words = editor.get_by_label("Words")
    words.fill(words.input_value().replace("bell", "church bell"))
    editor.scroll_into_view_if_needed()
    page.wait_for_timeout(500)


def _photograph_report(browser: "Browser", report: Path) -> None:
    page = browser.new_page(viewport=SIZE, color_scheme="light")
    page.goto(report.as_uri())
    # Where this machine keeps its checkout is nobody's business.
    page.evaluate(
        "root => document.body.innerHTML = document.body.innerHTML.replaceAll(root, '')",
        f"{PROJECT_ROOT}/",
    )
    _keep("report.png", page)


def _keep(name: str, page: "Page") -> None:
    picture = Image.open(io.BytesIO(page.screenshot()))
    path = PICTURES / name
    few = picture.convert("RGB").quantize(NUM_COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path.relative_to(PROJECT_ROOT)}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
