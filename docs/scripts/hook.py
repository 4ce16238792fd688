"""What MkDocs calls: pages made from the code, and what is made inside of written pages."""

import re
from pathlib import Path

from drawing import drawing, matrix
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from reference import index, pages
from rooms import GROUND, Room, rooms

DECISIONS = Path(__file__).parents[1] / "decisions"
GROUND_SAYS = (
    "Modules that stand in no room, below all of them: errors and the policy of each, locks, "
    "and how things are said and shown. They import nothing of the package."
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages that are made into the navigation."""
    for part in config.nav or []:
        if "Architecture" in part:
            part["Architecture"] += [f"architecture/{name}.md" for name in rooms()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference, and a page for each room."""
    house = rooms()
    made = pages() | {f"architecture/{name}.md": _room(room, house) for name, room in house.items()}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what a written page leaves to be made."""
    makers = {"decisions": _list_of_decisions, "rooms drawing": _drawing, "reference": index}
    return re.sub(r"<!-- made: (.+?) -->", lambda found: makers[found[1]](), markdown)


def _decisions() -> list[Path]:
    return sorted(DECISIONS.glob("[0-9]*.md"))


def _list_of_decisions() -> str:
    """A line for each record: number, title, date."""
    lines = []
    for path in _decisions():
        text = path.read_text(encoding="utf-8")
        number, title = re.match(r"# (\d+)\. (.+)", text).groups()
        date = re.search(r"\d{4}-\d\d-\d\d", text)[0].replace("-", "\u2011")  # in one line
        lines.append(f"| {number} | [{title}]({path.name}) | {date} |")
    return "\n".join(["| | decision | date |", "|---|---|---|", *lines])


def _drawing() -> str:
    """The drawing of the rooms, and the table of all imports."""
    house = rooms()
    number = sum(len(room.modules) for room in house.values())
    return "\n\n".join(
        [
            drawing(house),
            f"{len(house)} rooms with {number} modules, made from the imports in the code. A room "
            "stands above those that it imports. Arrows that follow from others are left out: "
            "where the command line reaches the ground through another room, it has no arrow to "
            "it. All of them are in the table: how many imports of modules run from the room of "
            "the row to that of the column. Nothing stands to the left of the diagonal.",
            matrix(house),
        ]
    )


def _room(room: Room, house: dict[str, Room]) -> str:
    """A page: what the room says of itself, its neighbours, its modules."""
    package = "opentr_pipeline" if room.name == GROUND else f"opentr_pipeline.{room.name}"
    own = f"::: {package}\n    options:\n      members: false\n      show_root_heading: false\n"
    uses = [name for name in house if room.imports[name]]
    used_by = [name for name, other in house.items() if other.imports[room.name]]
    rows = "\n".join(
        f"| [`{name.removeprefix(package + '.')}`](#{name}) | {said} |"
        for name, said in room.modules.items()
    )
    parts = [
        f"# {room.name}",
        GROUND_SAYS if room.name == GROUND else own,
        f"It imports {_links(uses) or 'no other room'}. It is imported by "
        f"{_links(used_by) or 'no other room'}.",
        f"| module | what lives there |\n|---|---|\n{rows}",
        "## In the code",
        *(f"::: {name}" for name in room.modules),
    ]
    return "\n\n".join(parts) + "\n"


def _links(names: list[str]) -> str:
    return ", ".join(f"[{name}]({name}.md)" for name in names)
