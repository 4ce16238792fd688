"""Pages to read, to hear and to look through an archive: static, in a tree of their own.

Layout below ``OUTPUT_DIR/pages``::

    index.html, index-2.html ...        the archive: its partitions with their first recordings
    partitions/KEY/1.html ...           all recordings of a partition
    recordings/film/a.mp3.html          a recording
    media/1f/1f3a....mp3                a link to the media file of a recording
    theme.css, recording.css, ...       what the pages share

All addresses are relative, so that the tree works from a disk and behind any web server that
follows links. Each leads to one recording and none to a folder, so that nobody gets at what else
is in the archive.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.pages.html import render, static_file, templates_digest
from opentr_pipeline.pages.lists import (
    FOLDER,
    NUM_FIRST_ROWS,
    NUM_ROWS,
    REPORT_PAGE,
    Chapter,
    ListEntry,
    added,
    home_page,
    home_pages,
    list_page,
    title_of,
    totals_of,
)
from opentr_pipeline.pages.paragraphs import (
    DOUBTFUL_PROBABILITY,
    paragraphs_of,
    speakers_of,
    strip_of,
)
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.environment import Settings, archive_on_host, output_on_host
from opentr_pipeline.transcripts.derived_files import Note, WrittenTree
from opentr_pipeline.transcripts.published import store_of
from opentr_pipeline.transcripts.transcript import STATUSES, Transcript
from opentr_pipeline.wording import path_of, readable

SHARED = ("theme.css", "recording.css", "recording.js")
# What the container itself says of a recording, in the order in which it is shown.
TAGS = ("title", "artist", "album", "date")
UNKNOWN_MEDIA = {"in_archive": True, "has_video": False, "tags": ()}
# Of what is noted for the home page; what earlier releases noted waits until it is made anew.
FACTS_FORM = 1
HOME = "@home"  # the name of its lock; no partition is called so


@dataclass
class Written:
    """What became of the pages of some partitions.

    Attributes:
        num_recordings: with a page each.
        num_written: pages that are new or have changed, lists among them.
        unwritten: a word about each page whose place somebody has taken.
    """

    num_recordings: int = 0
    num_written: int = 0
    num_unchanged: int = 0
    num_removed: int = 0
    unwritten: list[str] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Count another partition's."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


class Pages:
    """The pages of one archive."""

    def __init__(self, settings: Settings) -> None:
        """Name archive and output; nothing is written yet."""
        store = store_of(settings.workspace)
        self.root = store.root / FOLDER
        self.tree = WrittenTree(store, self.root)
        self._layout = settings
        self._url = settings.pages_url
        self._root_on_host = output_on_host(store.root) / FOLDER
        self._archive_root = archive_on_host(settings.workspace.archive)
        self._archive = self._archive_root.name

    def address(self, page: str) -> str:
        """Where people find a page: by PAGES_URL where that is set, else on the disk."""
        return f"{self._url}/{quote(page)}" if self._url else str(self._root_on_host / page)

    def send(self) -> None:
        """Have them be where the tables are, in a bucket too.

        Raises:
            StoreError: the bucket cannot be written.
        """
        self.tree.store.elsewhere.send(FOLDER)

    def partition_keys(self) -> list[str]:
        """The partitions that are published, or have pages."""
        return self.tree.partition_keys()

    def write(self, partition_key: str) -> Written:
        """Make the pages of a partition what its tables say; ``write_home`` writes the others.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        with self.tree.writing(partition_key):
            noted = self.tree.noted(partition_key)
            where = readable(str(self._archive_root))
            others = templates_digest(), self._layout.cue_layout, where
            made_from = self.tree.made_from(partition_key, *others)
            is_same = made_from and noted.made_from == made_from
            if is_same and all(map(self.tree.is_there, noted.names)):
                num_recordings = noted.facts["totals"]["num_recordings"]
                return Written(num_recordings, num_unchanged=_num_pages(noted.names))
            return self._write(partition_key, noted, made_from)

    def _write(self, key: str, noted: Note, made_from: str) -> Written:
        rows = self._rows(key)
        entries = [ListEntry.of_row(row) for row in rows]
        done = Written(len(entries))
        names = set()
        for texts in (self._recordings(key, rows, entries), self._lists(key, entries)):
            for name, text in texts:
                is_news = self.tree.put(name, text.encode(), done.unwritten)
                done.num_written += is_news is True
                done.num_unchanged += is_news is False
                if is_news is not None or name in noted.names:
                    names.add(name)
        names |= self._link_media(entries)
        if gone := set(noted.names) - names:
            self.tree.remove(gone, key)
            done.num_removed = _num_pages(gone)
        first = [vars(entry) for entry in entries[:NUM_FIRST_ROWS]]
        facts = {"form": FACTS_FORM, "totals": totals_of(entries), "first": first}
        self.tree.keep(key, Note("" if done.unwritten else made_from, sorted(names), facts))
        return done

    def _link_media(self, entries: Sequence[ListEntry]) -> set[str]:
        """Lead players to the media of some recordings; the names of the links."""
        whole = self.root / "media"
        if whole.is_symlink():  # to the archive, as it once was; nothing is to be made in there
            whole.unlink()
        if isinstance(self._archive_root, BucketAddress):  # players would have to sign in
            return set()
        for entry in entries:
            self.tree.link(entry.media, self._archive_root / path_of(entry.path))
        return {entry.media for entry in entries}

    def _rows(self, key: str) -> list[dict[str, Any]]:
        """What is published of the recordings that are not gone, by path."""
        store = self.tree.store
        columns = ["recording_id", "in_archive", "has_video", "tags"]
        found = store.read_partition("recordings", key).select(columns).to_pylist()
        media = {row["recording_id"]: row for row in found}
        rows = [
            {**UNKNOWN_MEDIA, **row, **media.get(row["recording_id"], {})}
            for row in store.read_partition("transcripts", key).to_pylist()
        ]
        here = [row for row in rows if row["in_archive"] is not False]
        return sorted(here, key=lambda row: str(row["path"]))

    def _recordings(
        self, key: str, rows: Sequence[dict[str, Any]], entries: Sequence[ListEntry]
    ) -> Iterator[tuple[str, str]]:
        """Name and text of the page of each recording."""
        places = {row["recording_id"]: place for place, row in enumerate(rows)}
        for _, recording_id, transcript in self.tree.transcripts(key):
            place = places.get(recording_id)
            if place is None:  # published since the rows were read, and so made the next time
                continue
            yield (
                entries[place].page,
                self._page(
                    "recording.html",
                    entries[place].page,
                    entry=entries[place],
                    media=entries[place].media,
                    previous=entries[place - 1] if place else None,
                    next=entries[place + 1] if place + 1 < len(entries) else None,
                    list_page=list_page(key, place),
                    list_title=title_of(key),
                    tags=_shown_tags(rows[place]["tags"]),
                    **self._of_transcript(
                        entries[place], transcript, bool(rows[place]["has_video"])
                    ),
                ),
            )

    def _of_transcript(
        self, entry: ListEntry, transcript: Transcript, has_video: bool
    ) -> dict[str, Any]:
        """What the page of a recording says about its transcript."""
        # What the model wrote where nobody speaks stays in the tables.
        is_silent = transcript.status == "no_speech"
        paragraphs = [] if is_silent else paragraphs_of(transcript)
        captions = ""
        if has_video and paragraphs:
            vtt = FORMATS["vtt"](Document(entry.path, transcript, self._layout))
            # In the page: browsers load no captions from a file beside it on a disk.
            captions = f"data:text/vtt;base64,{base64.b64encode(vtt).decode()}"
        return {
            "meaning": STATUSES[transcript.status],
            "reason": transcript.reason,
            "model": Path(transcript.model).name,
            "task": transcript.task,
            "transcribed_at": transcript.transcribed_at,
            "has_video": has_video,
            "captions": captions,
            "paragraphs": paragraphs,
            "speakers": [] if is_silent else list(speakers_of(transcript).values()),
            "num_doubts": sum(one.num_doubts for one in paragraphs),
            "strip": strip_of(transcript),
            "doubtful_probability": f"{DOUBTFUL_PROBABILITY:.0%}",
        }

    def _lists(self, key: str, entries: Sequence[ListEntry]) -> Iterator[tuple[str, str]]:
        """Name and text of each page that lists the recordings of a partition."""
        totals = totals_of(entries)
        names = [list_page(key, place) for place in range(0, len(entries), NUM_ROWS)]
        for number, name in enumerate(names, 1):
            yield (
                name,
                self._page(
                    "partition.html",
                    name,
                    title=title_of(key),
                    totals=totals,
                    recordings=entries[(number - 1) * NUM_ROWS : number * NUM_ROWS],
                    number=number,
                    names=names,
                ),
            )

    def write_home(self) -> Path:
        """Write the home page from what is noted of all partitions, and what the pages share.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        with self.tree.writing(HOME):
            for name in SHARED:
                self.tree.replace(name, static_file(name).encode())
            pages = list(home_pages(list(self._chapters())))
            totals = added(chapter.totals for page in pages for chapter in page)
            names = [home_page(number) for number in range(1, len(pages) + 1)]
            for number, chapters in enumerate(pages, 1):
                name = names[number - 1]
                facts = {"totals": totals, "number": number, "names": names}
                facts["report"] = REPORT_PAGE if self.tree.is_there(REPORT_PAGE) else ""
                text = self._page("home.html", name, chapters=chapters, **facts)
                self.tree.replace(name, text.encode())
            for path in self.root.glob("index-*.html"):
                if path.name not in names:
                    path.unlink()
        return self.root / names[0]

    def _chapters(self) -> Iterator[Chapter]:
        for key in self.tree.partition_keys():
            facts = self.tree.noted(key).facts
            if facts.get("form") == FACTS_FORM and facts["totals"]["num_recordings"]:
                yield Chapter(key, facts["totals"], facts["first"])

    def _page(self, template: str, name: str, **facts: Any) -> str:
        root = "../" * name.count("/")
        return render(template, root=root, archive=self._archive, **facts)


def _num_pages(names: Iterable[str]) -> int:
    return sum(name.endswith(".html") for name in names)


def _shown_tags(tags: Iterable[tuple[str, str]] | None) -> list[str]:
    said = {name.lower(): value.strip() for name, value in tags or ()}
    return [said[name] for name in TAGS if said.get(name)]
