"""The report of an archive as one HTML file, which needs no network and no script."""

import os
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from opentr_pipeline.pages.html import render
from opentr_pipeline.pages.lists import HOME_PAGE, REPORT_PAGE, page_of, title_of
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.quality.totals import DoubtfulRecording, Tally
from opentr_pipeline.report import charts
from opentr_pipeline.report.charts import rate_text
from opentr_pipeline.report.facts import FolderTotals, ReportFacts
from opentr_pipeline.transcripts.transcript import STATUSES
from opentr_pipeline.wording import length_text, percent_text, size_text

MAX_FOLDERS = 25
MAX_NAMED = 20
MAX_SPEAKERS = 25
MEANINGS = {**STATUSES, "missing": "not transcribed yet"}


def write(facts: ReportFacts, pages: Pages) -> Path:
    """Write the report among the archive's pages, whole or not at all; where it is.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    tree = pages.tree
    with tree.writing(REPORT_PAGE):
        is_new = not tree.is_there(REPORT_PAGE)
        tree.replace(REPORT_PAGE, html(facts, tree.root).encode())
    if is_new and tree.is_there(HOME_PAGE):  # which leads to a report where there is one
        pages.write_home()
    return tree.root / REPORT_PAGE


def html(facts: ReportFacts, pages: Path) -> str:
    """The text of the report.

    Args:
        facts: what it says.
        pages: the folder that it is for; what is not in there is not linked to.
    """
    pictures = {"speed": charts.speed_by_day(facts), "sure": charts.confidence(facts)}
    shown, rest = facts.folders[:MAX_FOLDERS], facts.folders[MAX_FOLDERS:]
    checked = [one for one in facts.folders if one.word_errors]
    return render(
        "report.html",
        facts=facts,
        name=os.path.basename(facts.archive) or facts.archive,
        home=HOME_PAGE if (pages / HOME_PAGE).is_file() else "",
        meanings=MEANINGS,
        folders=shown,
        rest=_together(rest),
        num_rest=len(rest),
        most_named=MAX_NAMED,
        speakers=[one for one in facts.speakers if one.name][:MAX_SPEAKERS],
        num_rest_speakers=max(0, sum(bool(one.name) for one in facts.speakers) - MAX_SPEAKERS),
        unnamed=next((one for one in facts.speakers if not one.name), None),
        checked=checked[:MAX_FOLDERS],
        num_rest_checked=len(checked[MAX_FOLDERS:]),
        scale=_scale(checked[:MAX_FOLDERS]),
        pictures={name: chart for name, chart in pictures.items() if chart},
        link=lambda one: _link(one, pages),
        day=_day,
        days=_days(facts),
        length=length_text,
        percent=percent_text,
        rate=rate_text,
        size=size_text,
        title_of=title_of,
    )


def _link(one: DoubtfulRecording, pages: Path) -> str:
    """The first doubtful place on the recording's page; empty where it has none."""
    page = page_of(one.path)
    if not (pages / page).is_file():
        return ""
    return f"{quote(page)}#t={one.first_doubtful_s:.1f}"


def _together(folders: list[FolderTotals]) -> Tally:
    whole = Tally()
    for one in folders:
        whole.add(one.tally)
    return whole


def _scale(folders: list[FolderTotals]) -> float:
    """The highest word error rate that is to be shown."""
    known = [one.word_errors for one in folders if one.word_errors]
    return max((max(one.rate, one.high or 0.0) for one in known), default=0.0) or 1.0


def _day(at: str) -> str:
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%B %Y}"


def _days(facts: ReportFacts) -> str:
    """When the archive was transcribed."""
    if not (facts.transcribed_from and facts.transcribed_until):
        return ""
    first, last = _day(facts.transcribed_from), _day(facts.transcribed_until)
    return f"on {first}" if first == last else f"from {first} to {last}"
