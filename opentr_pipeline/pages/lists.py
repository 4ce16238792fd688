"""What the lists of an archive's pages show: recordings, partitions, sums; pure."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from opentr_pipeline.archive.media_files import MEDIA_EXTENSIONS
from opentr_pipeline.exports.titles import made_on, shown_title
from opentr_pipeline.pages.paragraphs import written_language
from opentr_pipeline.transcripts.derived_files import file_name, portable
from opentr_pipeline.transcripts.transcript import HEARD, STATUSES

FOLDER = "pages"  # below OUTPUT_DIR
MEDIA = "media"  # below that, links to the recordings that were taken
POSTERS = "posters"  # below that, a picture of each film
DOWNLOADS = "downloads"  # below that, transcripts as files
SITE_PATH = "/pages"  # where Dagster's page has them beside it
NUM_ROWS = 200  # on a page of a partition
NUM_FIRST_ROWS = 12  # of each partition on the home page
NUM_HOME_ROWS = 100  # a larger archive's home page shows partitions alone
NUM_FIRST_LETTERS = 160
HOME_PAGE = "index.html"
REPORT_PAGE = "report.html"
# Of ``transcripts``, what lists are made from.
LIST_COLUMNS = (
    *("recording_id", "media_fingerprint", "path", "status", "reason", "text"),
    *("language", "task", "duration_s"),
)
# Sums over recordings, as JSON keeps them.
Totals = dict[str, Any]


@dataclass(frozen=True)
class ListEntry:
    """A recording in a list.

    Attributes:
        folder: the path as far as its last slash.
        title: by the file itself, else its name as people would write it.
        day: when it was made, as far as the file itself says so.
        page: its page, from the tree's root on.
        media: the link to the media file, likewise.
        duration_s: of the sound that could be decoded.
        language: the one spoken.
        text_language: the one that the transcript is in.
        first_words: some of what is said, or why nothing is there.
        poster: a picture of the film, from the tree's root on; empty where there is none.
    """

    path: str
    folder: str
    name: str
    title: str
    day: str
    page: str
    media: str
    duration_s: float
    language: str
    text_language: str
    status: str
    first_words: str
    poster: str = ""

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> "ListEntry":
        """From a row of ``transcripts``."""
        folder, slash, name = row["path"].rpartition("/")
        said = row["text"] or row["reason"] or ""
        return cls(
            row["path"],
            folder + slash,
            name,
            shown_title(row["path"], row.get("tags")),
            made_on(row.get("tags"), None),
            page_of(row["path"]),
            media_name(row["path"], row["recording_id"]),
            row["duration_s"] or 0.0,
            row["language"] or "",
            written_language(row["task"], row["language"] or ""),
            row["status"],
            said[:NUM_FIRST_LETTERS],
            row.get("poster", ""),
        )


@dataclass(frozen=True)
class Section:
    """A partition on the home page.

    Attributes:
        recordings: the first of them; none in a large archive.
    """

    partition_key: str
    totals: Totals
    recordings: Sequence[dict[str, Any]]

    @property
    def title(self) -> str:
        """What people call it."""
        return title_of(self.partition_key)

    @property
    def num_rows(self) -> int:
        """How much room it takes."""
        return max(1, len(self.recordings))

    @property
    def page(self) -> str:
        """Its first page, from the tree's root on."""
        return list_page(self.partition_key, 0)


def page_of(path: str) -> str:
    """The page of a recording, from the tree's root on; a name that every file system takes."""
    return f"recordings/{file_name(portable(path), 'html')}"


def download_of(path: str, ending: str) -> str:
    """A file of the transcript, from the tree's root on."""
    return f"{DOWNLOADS}/{file_name(portable(path), ending)}"


def media_name(path: str, recording_id: str) -> str:
    """The link to the media file of a recording, from the tree's root on.

    By its id, so that no link ever lies where a folder is to be. Servers and browsers tell by the
    ending what it is.
    """
    ending = PurePosixPath(path).suffix
    is_known = ending[1:].lower() in MEDIA_EXTENSIONS
    return f"{MEDIA}/{recording_id[:2]}/{recording_id}{ending * is_known}"


def poster_name(recording_id: str) -> str:
    """The picture of a film, from the tree's root on."""
    return f"{POSTERS}/{recording_id[:2]}/{recording_id}.jpg"


def list_page(partition_key: str, place: int) -> str:
    """The page that lists a partition's recording at some place in it."""
    return f"partitions/{partition_key}/{place // NUM_ROWS + 1}.html"


def home_page(number: int) -> str:
    """The home page, and where it goes on; the first is 1."""
    return HOME_PAGE if number == 1 else f"index-{number}.html"


def title_of(partition_key: str) -> str:
    """What people call a partition."""
    return unquote(partition_key)


def totals_of(entries: Sequence[ListEntry]) -> Totals:
    """Sums over some recordings; languages are those in which somebody speaks."""
    heard = [entry for entry in entries if entry.status in HEARD]
    spoken = [entry.language for entry in heard if entry.status != "no_speech"]
    return {
        "num_recordings": len(entries),
        "heard_s": sum(entry.duration_s for entry in heard),
        "num_by_language": dict(Counter(filter(None, spoken))),
        "num_by_status": dict(Counter(entry.status for entry in entries)),
    }


def added(all_totals: Iterable[Totals]) -> Totals:
    """The sums of sums: languages by their numbers, statuses in their usual order."""
    num_recordings, heard_s = 0, 0.0
    languages: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for one in all_totals:
        num_recordings += one["num_recordings"]
        heard_s += one["heard_s"]
        languages.update(one["num_by_language"])
        statuses.update(one["num_by_status"])
    return {
        "num_recordings": num_recordings,
        "heard_s": heard_s,
        "num_by_language": dict(languages.most_common()),
        "num_by_status": {status: statuses[status] for status in STATUSES if statuses[status]},
    }


def home_pages(sections: Sequence[Section]) -> Iterator[list[Section]]:
    """The sections in pages of at most ``NUM_HOME_ROWS`` rows; at least one page, be it empty."""
    if sum(section.totals["num_recordings"] for section in sections) > NUM_HOME_ROWS:
        sections = [dataclasses.replace(section, recordings=()) for section in sections]
    page: list[Section] = []
    num_rows = 0
    for section in sections:
        if page and num_rows + section.num_rows > NUM_HOME_ROWS:
            yield page
            page, num_rows = [], 0
        page.append(section)
        num_rows += section.num_rows
    yield page
