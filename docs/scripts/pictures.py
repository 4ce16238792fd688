"""The pictures of our own pages: ``.venv/bin/python docs/scripts/pictures.py``.

Transcribes the sample archive into a folder that is gone afterwards, tells its speakers apart and
gives those of one conversation names, and takes pictures of its pages and its report in Chromium
(on Debian: ``apt-get install chromium``).
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

from opentr_pipeline.settings.installation import PROJECT_ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

ARCHIVE = PROJECT_ROOT / "samples" / "archive"
PICTURES = PROJECT_ROOT / "docs" / "pictures"
SIZE = {"width": 1000, "height": 1000}
CONVERSATION = "interviews/round_table.mp3"
SPEAKERS = ("Clara Weber", "Anna Rossi", "Tom Baker")
NUM_COLOURS = 64  # of a page of text; more are not seen, and cost


def main() -> None:
    """Make both pictures, and say how large they are."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name)
        _make(output)
        _photograph(output / "pages")


def _make(output: Path) -> None:
    """The pages and the report of the sample archive."""
    commands: list[list[str]] = [["run"]]
    for number, name in enumerate(SPEAKERS):
        commands.append(["speakers", "name", CONVERSATION, f"SPEAKER_{number:02d}", name])
    variables = {"ARCHIVE_DIR": str(ARCHIVE), "OUTPUT_DIR": str(output), "SPEAKERS": "true"}
    for command in [*commands, ["pages"], ["report"]]:
        subprocess.run(
            [sys.executable, "-m", "opentr_pipeline.cli.app", *command],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | variables,
        )


def _photograph(pages: Path) -> None:
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto((pages / f"recordings/{CONVERSATION}.html").as_uri())
        _play(page)
        _keep("reader.png", page)
        page.goto((pages / "report.html").as_uri())
        # Where this machine keeps its checkout is nobody's business.
        page.evaluate(
            "root => document.body.innerHTML = document.body.innerHTML.replaceAll(root, '')",
            f"{PROJECT_ROOT}/",
        )
        _keep("report.png", page)
        browser.close()


def _play(page: "Page") -> None:
    """Search a word and stop in the middle of a sentence, so that the page shows what it does."""
    page.get_by_role("searchbox").fill("bell")
    page.wait_for_function("media.readyState >= 2")
    page.evaluate("media.currentTime = 47.0")
    page.wait_for_timeout(800)


def _keep(name: str, page: "Page") -> None:
    picture = Image.open(io.BytesIO(page.screenshot()))
    path = PICTURES / name
    few = picture.convert("RGB").quantize(NUM_COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path.relative_to(Path.cwd())}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
