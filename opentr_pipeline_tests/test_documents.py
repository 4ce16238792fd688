"""The documents: the README, the site that is built of docs/, the CHANGELOG."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from opentr_pipeline import __version__
from opentr_pipeline.cli.app import MODULES, main
from opentr_pipeline.cli.shared import ListingCommands
from opentr_pipeline.quality.checks import CHECKS
from opentr_pipeline.recognition.engine import STRETCH
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts.schemas import SCHEMAS, describe
from opentr_pipeline.transcripts.transcript import STATUSES

DOCS = PROJECT_ROOT / "docs"
MAX_LINES_OF_README = 150
MAX_BYTES_OF_PICTURES = 300_000


def text_of(name: str) -> str:
    return (PROJECT_ROOT / name).read_text(encoding="utf-8")


def written() -> list[str]:
    """Documents that people write, by their path in the project."""
    pages = sorted(str(path.relative_to(PROJECT_ROOT)) for path in DOCS.rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *pages]


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= MAX_LINES_OF_README


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_readme_names_every_column(table: str) -> None:
    lines = text_of("README.md").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{table}` |")]
    columns = row.split("|")[3]
    assert re.findall(r"`(\w+)`", columns) == SCHEMAS[table].names


def test_the_readme_names_every_status() -> None:
    assert {name for name in STATUSES if f"`{name}`" not in text_of("README.md")} == set()


def test_links_of_the_readme_lead_somewhere() -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        text = text_of(document)
        links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text)
        files = [link for link in links if "://" not in link]
        assert len(files) > 3
        assert [link for link in files if not (PROJECT_ROOT / link).exists()] == []


def test_pictures_are_small() -> None:
    pictures = list((DOCS / "pictures").glob("*.png"))
    assert len(pictures) == 5
    assert sum(path.stat().st_size for path in pictures) < MAX_BYTES_OF_PICTURES


@pytest.mark.parametrize("document", written())
def test_commands_can_be_typed_as_they_are_named(document: str) -> None:
    """As far as commands and options go; what follows a command may be explained behind spaces."""
    for typed in re.findall(r"\./opentr\.sh ([a-z](?:[^`|#\n ]| (?! ))*)", text_of(document)):
        command, words = meant(shlex.split(typed))
        if command.context_settings.get("ignore_unknown_options"):  # another program has them
            continue
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        options = {word for word in words if word.startswith("-")}
        assert options - known - {"--help"} == set(), typed


def meant(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that some words call, and the words after it."""
    context = click.Context(main)
    command: click.Command | None = main
    while isinstance(command, click.Group) and words:
        name, is_listing = words[0], isinstance(command, ListingCommands)
        if is_listing and name not in command.commands:
            name, words = "list", ["list", *words]
        command, words = command.get_command(context, name), words[1:]
        assert command, f"there is no command {name}"
    assert command
    return command, words


@pytest.mark.parametrize("document", written())
def test_variables_that_are_named_are_settings(document: str) -> None:
    names = re.findall(
        r"\b(?:GPU|WHISPER|PARTITION|SUBTITLE|NIGHT)_[A-Z_]+[A-Z]", text_of(document)
    )
    known = {name.upper() for name in Settings.model_fields}
    assert set(names) - known == set()


@pytest.mark.parametrize("document", written())
def test_files_that_are_named_are_there(document: str) -> None:
    named = set(
        re.findall(r"(?<![\w/.])(?:opentr_pipeline(?:_tests)?|docs)/[\w/.-]*\w", text_of(document))
    )
    missing = {name for name in named if not (PROJECT_ROOT / name).exists()}
    # Capitals stand for a name that somebody is to choose.
    assert {name for name in missing if not re.search(r"NAME|NNNN", name)} == set()


def test_tests_that_are_named_are_there() -> None:
    """Functions by their name, files by the end of their path."""
    files = list((PROJECT_ROOT / "opentr_pipeline_tests").rglob("test_*.py"))
    there = {
        name
        for path in files
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    paths = [f"/{path.relative_to(PROJECT_ROOT)}" for path in files]
    for document in written():
        named = set(re.findall(r"(?:\w+/)*\btest_\w+(?:\.py)?", text_of(document)))
        gone = {name for name in named - there if not any(p.endswith(f"/{name}") for p in paths)}
        assert gone == set(), document


def test_the_changelog_has_this_release_as_its_newest() -> None:
    first, *released = re.findall(r"^## (.+)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert first == "Unreleased"
    newest = re.fullmatch(r"(\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)", released[0])
    assert newest
    assert newest[1] == __version__
    assert f'version = "{__version__}"' in text_of("pyproject.toml")


def test_decisions_are_numbered_one_after_the_other() -> None:
    numbers = []
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        heading = re.match(r"# (\d+)\. .+\n\nDecided on \d{4}-\d\d-\d\d\.\n\n", path.read_text())
        assert heading, path
        assert int(path.name[:4]) == int(heading[1])
        numbers.append(int(heading[1]))
    assert numbers == list(range(1, len(numbers) + 1))


class Built(HTMLParser):
    """What the tests ask of a page of the site."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.headings = 0
        self.title = self.text = ""
        self.loaded: list[str] = []
        self._is_title = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.headings += tag == "h1"
        self._is_title = tag == "title"
        if tag in ("script", "img", "iframe"):
            self.loaded.append(values.get("src") or "")
        if tag == "link":
            self.loaded.append(values.get("href") or "")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._is_title:
            self.title += data
            self._is_title = False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a link that leads nowhere is an error."""
    if find_spec("mkdocs") is None:
        pytest.skip("the extra docs (./opentr.sh docs installs it)")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def built(site: Path) -> Iterator[tuple[str, Built]]:
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":
            yield str(path.relative_to(site)), Built(path)


@pytest.mark.slow
def test_every_page_has_a_title_of_its_own(site: Path) -> None:
    titles = {name: page.title for name, page in built(site)}
    assert len(titles) > 80
    assert len(set(titles.values())) > len(titles) * 0.9
    untitled = {"opentr_pipeline", ""}
    assert {name for name, title in titles.items() if title in untitled} <= {"index.html"}
    assert {name for name, page in built(site) if page.headings != 1} == set()


@pytest.mark.slow
def test_the_site_asks_nothing_of_other_servers(site: Path) -> None:
    loaded = {link for _, page in built(site) for link in page.loaded}
    assert {link for link in loaded if "//" in link} == set()
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not any("url(http" in style or "url(//" in style for style in styles)


@pytest.mark.slow
def test_the_reference_is_what_the_code_says(site: Path) -> None:
    text = {
        name: " ".join(Built(site / f"reference/{name}.html").text.split())
        for name in ("settings", "tables", "checks", "commands", "statuses")
    }
    for name, field in Settings.model_fields.items():
        assert name.upper() in text["settings"]
        assert " ".join(str(field.description).split()) in text["settings"]
    for table in SCHEMAS:
        for name, kind, meaning in describe(table):
            assert f"{name} {kind}" in text["tables"]
            assert meaning in text["tables"]
    assert set(CHECKS) <= set(text["checks"].split())
    shown = set(MODULES) - {"serve"}
    assert {name for name in shown if f"opentr {name}" not in text["commands"]} == set()
    flags = {"loop", "low_confidence", "likely_silence", "boilerplate"}
    assert STATUSES.keys() | flags <= set(text["statuses"].split())


@pytest.mark.slow
def test_every_room_has_a_page_and_a_box_in_the_drawing(site: Path) -> None:
    drawing = (site / "architecture/index.html").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (PROJECT_ROOT / "opentr_pipeline").glob("*/__init__.py")]
    assert len(rooms) > 10
    for room in [*rooms, "ground"]:
        assert (site / f"architecture/{room}.html").is_file()
        assert f'<a href="{room}.html"><g class="box"' in drawing


def test_what_is_assumed_of_a_card_stands_where_the_guide_says() -> None:
    section = text_of("docs/guides/cards.md").partition("## What is assumed of a card")[2]
    assert f"a stretch of {STRETCH} windows" in section
    rows = [row.split("|") for row in section.partition("\n## ")[0].splitlines() if "`:" in row]
    assert len(rows) > 5
    for row in rows:
        for place in row[2].split(";"):
            module, *names = re.findall(r"`([^`]+)`", place)
            code = text_of(f"opentr_pipeline/{module}")
            parts = [part for name in names for part in re.findall(r"[^.]+", name)]
            assert [part for part in parts if part not in code] == [], place
