"""``opentr search``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import json_option, place_of, print_json, settings_of
from opentr_pipeline.settings.addresses import Place, is_bucket
from opentr_pipeline.wording import number_text

if TYPE_CHECKING:
    from datetime import date, datetime

    from rich.text import Text

    from opentr_pipeline.search.index import Refreshed
    from opentr_pipeline.search.query import Found, Hit

day_type = click.DateTime(["%Y-%m-%d"])


def _day(
    context: click.Context, parameter: click.Parameter, at: "datetime | None"
) -> "date | None":
    return at.date() if at else None


def _lower(context: click.Context, parameter: click.Parameter, text: str) -> str:
    return text.lower()


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] QUERY")
@click.option(
    "--language", default="", callback=_lower, metavar="en", help="Only segments in this language."
)
@click.option(
    "--speaker",
    default="",
    metavar='"Anna Rossi"',
    help="Only what this person says; or a label such as SPEAKER_00, in any recording.",
)
@click.option("--folder", default="", metavar="radio", help="Only this folder of the archive.")
@click.option(
    "--after",
    type=day_type,
    callback=_day,
    metavar="2024-05-17",
    help="Media modified on that day or later, UTC.",
)
@click.option(
    "--before", type=day_type, callback=_day, metavar="2024-06-01", help="Media modified before it."
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="0.8",
    help="Only segments whose tokens have this mean probability.",
)
@click.option("--limit", type=click.IntRange(min=1), default=20, help="Places at most.")
@json_option
def search(
    words: tuple[str, ...], speaker: str, limit: int, as_json: bool, **narrowing: Any
) -> None:
    """Find what is said in ARCHIVE (default: ARCHIVE_DIR), the best places first.

    QUERY is words, which must all be in a segment or its neighbours; a phrase in quotation marks,
    "light house"; the beginning of a word, 'light*'. Case, accents and punctuation do not matter.
    """
    from opentr_pipeline.search import terms
    from opentr_pipeline.search.index import SearchIndex
    from opentr_pipeline.search.passages import Wanted
    from opentr_pipeline.search.query import of_speaker
    from opentr_pipeline.search.query import search as search_in
    from opentr_pipeline.speakers.people_store import PeopleStore
    from opentr_pipeline.transcripts.elsewhere import elsewhere_of
    from opentr_pipeline.transcripts.layout import StoreLayout

    archive, query = _split(words)
    terms.terms_of(query)  # refused before anything is indexed
    workspace = settings_of(archive, gpu_scale=False).workspace
    elsewhere_of(workspace).follow_all()
    index = SearchIndex(StoreLayout(workspace.output))
    for sentence in _sentences(index.refresh(wait=False)):
        terminal.complain(sentence)
    people = PeopleStore(index.store).load()
    wanted = Wanted(**narrowing)
    wanted = of_speaker(wanted, speaker, people) if speaker else wanted
    found = search_in(index, query, wanted, limit, people)
    if as_json:
        print_json(found)
        return
    console = terminal.console()
    for hit in found.hits:
        console.print(_shown(hit, is_terminal=console.is_terminal), soft_wrap=True)
    console.print(_summary(found))


def _summary(found: "Found") -> str:
    if found.is_all:
        return f"{len(found.hits)} of {found.num_places} places."
    return f"{len(found.hits)} places, the best of the first {found.num_places} that were met."


def _split(words: tuple[str, ...]) -> tuple[Place | None, str]:
    """The archive and the query: a first word of several that is a place is the archive."""
    is_archive = len(words) > 1 and (is_bucket(words[0]) or Path(words[0]).is_dir())
    archive = place_of(words[0]) if is_archive else None
    return archive, " ".join(map(_phrase, words[is_archive:]))


def _phrase(word: str) -> str:
    """The shell takes away quotation marks; what has a space in it was in some."""
    was_quoted = " " in word.strip() and not set(word) & set('"“”„*')
    return f'"{word}"' if was_quoted else word


def _sentences(refreshed: "Refreshed") -> list[str]:
    sentences = []
    if refreshed.num_partitions:
        were = "was" if refreshed.num_partitions == 1 else "were"
        indexed = number_text(refreshed.num_partitions, "partition")
        sentences.append(f"{indexed} {were} indexed in {refreshed.wall_s:.1f} s.")
    if refreshed.num_left > len(refreshed.problems):
        left = number_text(refreshed.num_left, "partition")
        sentences.append(
            f"Another process is indexing {left}; until it is done, older text is found."
        )
    return sentences + refreshed.problems


def _shown(hit: "Hit", *, is_terminal: bool) -> "Text":
    """A line about the place, and what is said there."""
    from rich.text import Text

    from opentr_pipeline.wording import duration_text, visible

    head = f"{hit.path}  {duration_text(hit.found_s)}"
    link = f" link {_address(hit.page)}" if hit.page else ""
    who = hit.speaker_name or hit.speaker
    said_by = f"  {visible(who)}" if who else ""
    facts = f"{hit.language}, confidence {hit.confidence:.2f}, score {hit.score:.2f}"
    said, end = Text("  "), 0
    for first, last in _joined(hit.marks):
        said.append(hit.text[end:first])
        marked = hit.text[first:last]
        said.append(marked if is_terminal else f"**{marked}**", "bold yellow")
        end = last
    said.append(hit.text[end:])
    return Text.assemble((head, f"bold{link}"), f"{said_by}  ({facts})\n", said)


def _address(page: str) -> str:
    """What a browser opens: a path may hold any letter, and a # of its own."""
    path, _, place = page.rpartition("#")
    return f"{Path(path).as_uri()}#{place}"


def _joined(marks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The marks without overlaps."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(marks):
        if joined and first < joined[-1][1]:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined
