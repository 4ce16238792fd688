"""What a recording is called and when it was made, as far as its file says so; pure."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import PurePosixPath

# What containers call the day of a recording; what they call the day of a file comes last.
_DATE_TAGS = ("date", "originaldate", "year", "creation_time")
_DAY = re.compile(r"(?P<year>1[89]\d\d|20\d\d)(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?")
_LETTER = re.compile(r"[^\W\d_]")


def tags_of(tags: Iterable[tuple[str, str]] | None) -> dict[str, str]:
    """What the container says, by names in small letters."""
    return {name.lower(): value.strip() for name, value in tags or () if value and value.strip()}


def shown_title(path: str, tags: Iterable[tuple[str, str]] | None) -> str:
    """The title that the container holds, else the file's name as people would write it."""
    return tags_of(tags).get("title") or tidied(PurePosixPath(path).name)


def tidied(name: str) -> str:
    """``harvest_report.flac`` as ``Harvest report``; a name in which nothing can be read stays."""
    stem = PurePosixPath(name).stem
    words = re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])|_+|\s+|(?<=\w)\.(?=\w)", " ", stem).strip()
    if not _LETTER.search(words):
        return name
    return words[0].upper() + words[1:] if words == words.lower() else words


def made_on(tags: Iterable[tuple[str, str]] | None, modified_at: datetime | None) -> str:
    """The day of a recording: ``2024-06-17``, or ``2024-06`` or ``2024`` where no more is known.

    By its container; else the day on which the file was changed, and nothing where that is unknown.
    """
    said = tags_of(tags)
    for name in _DATE_TAGS:
        found = _DAY.match(said.get(name, ""))
        if found and (day := _as_day(found["year"], found["month"], found["day"])):
            return day
    return modified_at.date().isoformat() if modified_at else ""


def _as_day(year: str, month: str | None, day: str | None) -> str:
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ""
    return "-".join(part for part in (year, month, day) if part)
