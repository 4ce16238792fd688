"""Pages to read, to hear and to look through an archive: static, in a tree of their own.

Layout below ``OUTPUT_DIR/pages``::

    index.html, index-2.html ...        the archive: its partitions with their first recordings
    partitions/KEY/1.html ...           all recordings of a partition
    recordings/film/a.mp3.html          a recording
    downloads/film/a.mp3.srt ...        its transcript as files
    media/1f/1f3a....mp3                a link to the media file of a recording
    posters/1f/1f3a....jpg              a picture of a film
    theme.css, recording.css, ...       what the pages share

All addresses are relative, so that the tree works from a disk and behind any web server that
follows links. Each leads to one recording and none to a folder, so that nobody gets at what else
is in the archive.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from opentr_pipeline.exports.documents import is_possible
from opentr_pipeline.exports.tree import Export
from opentr_pipeline.pages.html import render, static_file, templates_digest
from opentr_pipeline.pages.lists import (
    DOWNLOADS,
    FOLDER,
    NUM_FIRST_ROWS,
    NUM_ROWS,
    REPORT_PAGE,
    ListEntry,
    Section,
    added,
    download_of,
    home_page,
    home_pages,
    list_page,
    title_of,
    totals_of,
)
from opentr_pipeline.pages.media_links import link_media
from opentr_pipeline.pages.posters import Looked, make_posters, shown_posters
from opentr_pipeline.pages.recording_facts import (
    Chapters,
    all_chapters,
    facts_of,
    published_rows,
    shown_tags,
)
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.settings.environment import Settings, archive_on_host, output_on_host
from opentr_pipeline.transcripts.derived_files import Note, WrittenTree
from opentr_pipeline.transcripts.published import store_of
from opentr_pipeline.wording import readable

SHARED = ("theme.css", "recording.css", "recording.js", "search.js", "languages.js")
# What visitors take away; documents where what makes them is installed.
DOWNLOADED = ("srt", "vtt", "txt", "docx", "pdf")
# Of what is noted for the home page; what earlier releases noted waits until it is made anew.
FACTS_FORM = 3
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

    def __init__(self, settings: Settings, url: str = "") -> None:
        """Name archive and output; nothing is written yet.

        Args:
            settings: of the archive.
            url: where its pages are served, unless ``PAGES_URL`` says so.
        """
        store = store_of(settings.workspace)
        self.root = store.root / FOLDER
        self.tree = WrittenTree(store, self.root)
        formats = tuple(filter(is_possible, DOWNLOADED))
        self._downloads = Export(store, self.root / DOWNLOADS, formats, settings, is_portable=True)
        self._layout = settings
        self._url = settings.pages_url or url
        self._root_on_host = output_on_host(store.root) / FOLDER
        self._archive_root = archive_on_host(settings.workspace.archive)
        self._archive = self._archive_root.name

    def address(self, page: str) -> str:
        """Where people find a page: where it is served, else on the disk."""
        return f"{self._url}/{quote(page)}" if self._url else str(self._root_on_host / page)

    def send(self) -> None:
        """Have them be where the tables are, in a bucket too.

        Raises:
            StoreError: the bucket cannot be written.
        """
        self.tree.store.elsewhere.send(FOLDER)

    @property
    def is_served(self) -> bool:
        """Whether addresses are links."""
        return bool(self._url)

    @property
    def archive_root(self) -> Place:
        """The archive where people find it."""
        return self._archive_root

    def partition_keys(self) -> list[str]:
        """The partitions that are published, or have pages."""
        return self.tree.partition_keys()

    def write(self, partition_key: str) -> Written:
        """Make the pages of a partition what its tables say; ``write_home`` writes the others.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        with self.tree.writing(partition_key):
            downloaded = self._downloads.write(partition_key)
            noted = self.tree.noted(partition_key)
            where = readable(str(self._archive_root))
            others = [templates_digest(), self._layout.cue_layout, where]
            others += [self._layout.pages_language, *self._downloads.formats]
            made_from = self.tree.made_from(partition_key, *others)
            is_same = made_from and noted.made_from == made_from
            if is_same and all(map(self.tree.is_there, noted.names)):
                num_recordings = noted.facts["totals"]["num_recordings"]
                return Written(num_recordings, num_unchanged=_num_pages(noted.names))
            done = self._write(partition_key, noted, made_from)
            done.unwritten += downloaded.unwritten
            return done

    def _write(self, key: str, noted: Note, made_from: str) -> Written:
        rows = published_rows(self.tree.store, key)
        done = Written(len(rows))
        posters = shown_posters(self.tree, rows, self._archive_root, noted, done.unwritten)
        entries = [ListEntry.of_row(row) for row in rows]
        names = {entry.poster for entry in entries if entry.poster}
        chapters = all_chapters(rows, self._archive_root, noted.facts.get("chapters", {}))
        recordings = self._recordings(key, rows, entries, chapters)
        for texts in (recordings, self._lists(key, entries)):
            for name, text in texts:
                is_news = self.tree.put(name, text.encode(), done.unwritten)
                done.num_written += is_news is True
                done.num_unchanged += is_news is False
                if is_news is not None or name in noted.names:
                    names.add(name)
        names |= link_media(self.tree, entries, self._archive_root)
        if gone := set(noted.names) - names:
            self.tree.remove(gone, key)
            done.num_removed = _num_pages(gone)
        first = [vars(entry) for entry in entries[:NUM_FIRST_ROWS]]
        facts = {"form": FACTS_FORM, "totals": totals_of(entries), "first": first}
        facts |= {"chapters": chapters, "posters": posters}
        self.tree.keep(key, Note("" if done.unwritten else made_from, sorted(names), facts))
        return done

    def write_posters(self, partition_keys: Iterable[str], *, again: bool = False) -> Looked:
        """Look for posters of films whose pages are there, and show them; this takes its time.

        Args:
            partition_keys: of the pages.
            again: try films once more that were given up.

        Raises:
            StoreError: the disk is full, or the tree cannot be written.
        """
        looked = Looked()
        has_news = False
        for key in partition_keys:
            if make_posters(self.tree, key, self._archive_root, looked, again=again):
                looked.unwritten += self.write(key).unwritten
                has_news = True
        if has_news:
            self.write_home()
            self.send()
        return looked

    def _recordings(
        self,
        key: str,
        rows: Sequence[dict[str, Any]],
        entries: Sequence[ListEntry],
        chapters: Chapters,
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
                    tags=shown_tags(rows[place]["tags"]),
                    downloads=self._downloads_of(entries[place].path),
                    chapters=chapters.get(rows[place]["media_fingerprint"], []),
                    **facts_of(
                        entries[place], transcript, bool(rows[place]["has_video"]), self._layout
                    ),
                ),
            )

    def _downloads_of(self, path: str) -> dict[str, str]:
        """The files of a transcript that are there, by their formats."""
        names = {ending: download_of(path, ending) for ending in self._downloads.formats}
        return {ending: name for ending, name in names.items() if self.tree.is_there(name)}

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
            pages = list(home_pages(list(self._sections())))
            totals = added(section.totals for page in pages for section in page)
            names = [home_page(number) for number in range(1, len(pages) + 1)]
            for number, sections in enumerate(pages, 1):
                name = names[number - 1]
                facts = {"totals": totals, "number": number, "names": names}
                facts["report"] = REPORT_PAGE if self.tree.is_there(REPORT_PAGE) else ""
                text = self._page("home.html", name, sections=sections, **facts)
                self.tree.replace(name, text.encode())
            for path in self.root.glob("index-*.html"):
                if path.name not in names:
                    path.unlink()
        return self.root / names[0]

    def _sections(self) -> Iterator[Section]:
        for key in self.tree.partition_keys():
            facts = self.tree.noted(key).facts
            if facts.get("form") == FACTS_FORM and facts["totals"]["num_recordings"]:
                yield Section(key, facts["totals"], facts["first"])

    def _page(self, template: str, name: str, **facts: Any) -> str:
        root = "../" * name.count("/")
        language = self._layout.pages_language
        return render(template, language, root=root, archive=self._archive, **facts)


def _num_pages(names: Iterable[str]) -> int:
    return sum(name.endswith(".html") for name in names)
