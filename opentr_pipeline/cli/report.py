"""``opentr report``: how an archive stands, as a page to read."""

from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, json_option, print_json, setup_of
from opentr_pipeline.settings.addresses import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.text import Text

    from opentr_pipeline.report.facts import ReportFacts

NUM_SHOWN = 5
NAME_CELLS = 14


@click.command()
@archive_argument
@json_option
def report(archive: Place | None, as_json: bool) -> None:
    """Write the report of ARCHIVE as one HTML file, and say the main things.

    Hours by language, folder and status, what to check first, failures, speed, confidence,
    duplicates, and word error rates where references exist. Reads only what has changed.
    """
    from opentr_pipeline.pages.pages import Pages
    from opentr_pipeline.report import page as reports
    from opentr_pipeline.report.facts import report_facts

    setup = setup_of(archive)
    facts = report_facts(setup.workspace, setup.partitioning)
    made = Pages(setup.settings)
    path = reports.write(facts, made)
    made.send()
    if as_json:
        print_json(facts)
        return
    console = terminal.console()
    for line in _lines(facts):
        console.print(line)
    terminal.say(f"{'report':{NAME_CELLS}}{path}")


def _lines(facts: "ReportFacts") -> "Iterator[Text]":
    from rich.text import Text

    for name, lines in _said(facts).items():
        for number, line in enumerate(lines):
            yield Text(f"{'' if number else name:{NAME_CELLS}}{line}")


def _said(facts: "ReportFacts") -> dict[str, list[str]]:
    """The main things, by what they are about; what there is nothing to say of has no lines."""
    from opentr_pipeline.report.charts import rate_text
    from opentr_pipeline.wording import length_text, percent_text, size_text

    total, same, errors = facts.total, facts.duplicates, facts.word_errors
    statuses = (f"{tally.num_recordings} {kind}" for kind, tally in facts.by_status.items())
    folders = {one.name: one.tally for one in facts.folders}
    return {
        "recordings": [f"{total.num_recordings}: {', '.join(statuses)}"],
        "sound": [
            f"{length_text(total.audio_s)}, {percent_text(facts.heard_share)} transcribed, "
            f"speech in {percent_text(facts.speech_share)} of that"
        ],
        "languages": _first(
            f"{kind} {length_text(tally.audio_s)}" for kind, tally in facts.by_language.items()
        ),
        "folders": _first(f"{kind} {length_text(one.audio_s)}" for kind, one in folders.items()),
        "speakers": _first(
            f"{one.name or 'without a name'} {length_text(one.speech_s)}" for one in facts.speakers
        ),
        "confidence": [f"{facts.mean_confidence:.2f}"] if facts.mean_confidence else [],
        "word errors": [f"{rate_text(errors)} in {errors.num_recordings} references"]
        if errors
        else ["unknown: the archive's folder is not there, or empty"]
        * (not facts.is_archive_there),
        "speed": [f"{facts.speed_x:.1f}x, {', '.join(facts.models)}"] if facts.speed_x else [],
        "check first": [
            f"{one.path}  {one.doubtful_s:.1f} s in doubt of {one.duration_s:.0f} s"
            for one in facts.doubtful[:NUM_SHOWN]
        ],
        "went wrong": [
            *(f"{one.num_recordings} {one.status}: {one.kind}" for one in facts.failures),
            *facts.unreadable.values(),
        ],
        "duplicates": [f"{same.num_files} files, {size_text(same.bytes_saved)}"]
        if same.num_files
        else [],
    }


def _first(said: "Iterable[str]") -> list[str]:
    """The first of some, in a line."""
    every = list(said)
    more = len(every) - NUM_SHOWN
    line = ", ".join(every[:NUM_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return [line] if every else []
