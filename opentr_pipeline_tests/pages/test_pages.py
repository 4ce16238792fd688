"""The pages of an archive: what is written, where links lead, what goes, the command, the asset."""

import dataclasses
import os
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance, materialize
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.archive.partitioning import ROOT_KEY
from opentr_pipeline.audio.chapters import chapters_of
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.cli.app import main
from opentr_pipeline.definitions import defs
from opentr_pipeline.defs.derived_assets import derived_assets
from opentr_pipeline.defs.handed_on import HANDED_ON, handed_on
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.pages import lists
from opentr_pipeline.pages.copies import copy_with_media
from opentr_pipeline.pages.lists import ListEntry, Section, added, home_pages, totals_of
from opentr_pipeline.pages.pages import Pages, Written
from opentr_pipeline.pages.posters import Looked
from opentr_pipeline.pages.recording_facts import all_chapters
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.audio.test_posters import film
from opentr_pipeline_tests.making import PROPERTY, recording, settings_of, transcript, wav

LATER = "2024-06-17T10:20:30.123+00:00"


class Document(HTMLParser):
    """What the tests ask of a page: the attributes of its elements, its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **like: str) -> list[dict[str, str]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and like.items() <= attributes.items()
        ]

    def links(self) -> list[str]:
        found = (one.get("href") or one.get("src") for _, one in self.elements)
        return [link for link in found if link and not link.startswith("data:")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An archive with media of names that need care, published in three partitions."""
    made = settings_of(ARCHIVE_DIR=tmp_path / "tapes", OUTPUT_DIR=tmp_path / "output")
    publish(made, "@root", **{"top.wav": "top of it"})
    publish(made, "film", **{"film/b #1?.wav": "one", "film/a 50%.wav": "two", "film/c.wav": ""})
    publish(made, "音%20楽", **{"音 楽/<b>&\"'.wav": "three <i> & four"})
    return made


def publish(settings: Settings, key: str, **texts: str) -> None:
    entries = []
    for path, text in texts.items():
        wav(settings.workspace.archive / path)
        one = transcript(path + text, text, transcribed_at=LATER)
        if not text:
            one = dataclasses.replace(one, status="no_speech")
        entries.append(Entry(recording(path).recording_id, path, one))
    TranscriptStore(settings.workspace.output).publish(key, entries)


def write(settings: Settings) -> Written:
    made, done = Pages(settings), Written()
    for key in made.partition_keys():
        done.add(made.write(key))
    made.write_home()
    assert made.write_posters(made.partition_keys()) == Looked()
    return done


def root_of(settings: Settings) -> Path:
    return settings.workspace.output / "pages"


def pages_of(settings: Settings) -> set[str]:
    root = root_of(settings)
    return {os.path.relpath(path, root) for path in all_pages(root)}


def all_pages(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):  # follows no links
        yield from (Path(folder, name) for name in names if name.endswith(".html"))


def test_a_page_for_each_recording_lists_for_partitions_and_a_home(settings: Settings) -> None:
    assert write(settings) == Written(5, 8, 0, 0)
    assert pages_of(settings) == {
        "index.html",
        *(f"partitions/{key}/1.html" for key in ("@root", "film", "音%20楽")),
        "recordings/top.wav.html",
        *(f"recordings/film/{name}.wav.html" for name in ("b #1%3F", "a 50%", "c")),
        "recordings/音 楽/%3Cb%3E&%22'.wav.html",
    }
    assert write(settings) == Written(5, 0, 8, 0)


def test_every_link_leads_to_a_file(settings: Settings) -> None:
    write(settings)
    seen = set()
    for page in all_pages(root_of(settings)):
        for link in Document(page).links():
            path = unquote(urldefrag(link)[0])
            target = page.parent / path if path else page
            assert target.is_file(), f"{link} in {page}"
            seen.add(os.path.normpath(target))
    assert {os.path.normpath(path) for path in all_pages(root_of(settings))} <= seen
    assert {os.readlink(path) for path in seen if os.path.islink(path)} == media_of(settings)


def test_names_and_texts_are_no_markup(settings: Settings) -> None:
    write(settings)
    page = Document(root_of(settings) / "recordings" / "音 楽" / "%3Cb%3E&%22'.wav.html")
    assert "three <i> & four" in page.text
    assert "音 楽/<b>&\"'.wav" in page.text
    assert not page.all("i")
    assert "three <i> & four" in Document(root_of(settings) / "index.html").text


def test_neighbours_are_those_of_the_list(settings: Settings) -> None:
    write(settings)
    folder = root_of(settings) / "recordings" / "film"
    first, middle, last = (
        Document(folder / f"{name}.wav.html") for name in ("a 50%", "b #1%3F", "c")
    )

    def names(page: Document) -> dict[str, str]:
        links = [one for one in page.all("a") if one.get("rel") in ("prev", "next")]
        return {one["rel"]: os.path.basename(one["title"]) for one in links}

    assert names(first) == {"next": "b #1?.wav"}
    assert names(middle) == {"prev": "a 50%.wav", "next": "c.wav"}
    assert names(last) == {"prev": "b #1?.wav"}


def test_silence_has_a_player_and_says_so(settings: Settings) -> None:
    write(settings)
    page = Document(root_of(settings) / "recordings" / "film" / "c.wav.html")
    assert page.all("audio")
    assert "nobody speaks" in page.text
    assert not page.all("article")


def test_what_the_container_says_is_shown(settings: Settings) -> None:
    tags = {"TITLE": "The <old> bridge", "encoder": "Lavf", "date": "1962"}
    tagged = dataclasses.replace(
        recording("top.wav", partition_key="@root"), probe=Probe(tags=tags)
    )
    TranscriptStore(settings.workspace.output).write_recordings("@root", [tagged])
    write(settings)
    page = Document(root_of(settings) / "recordings" / "top.wav.html")
    assert "The <old> bridge" in page.text
    assert page.all("time", datetime="1962")
    assert "Lavf" not in page.text


def test_pages_of_recordings_that_are_gone_go(settings: Settings) -> None:
    store = TranscriptStore(settings.workspace.output)
    paths = ("film/b #1?.wav", "film/a 50%.wav", "film/c.wav")
    store.write_recordings("film", [recording(path, partition_key="film") for path in paths])
    write(settings)
    mine = root_of(settings) / "recordings" / "film" / "mine.html"
    mine.write_text("mine")
    store.write_recordings("film", [recording(paths[0], partition_key="film")])
    assert write(settings).num_removed == 2
    left = {path for path in pages_of(settings) if path.startswith("recordings/film")}
    assert left == {"recordings/film/b #1%3F.wav.html", "recordings/film/mine.html"}
    store.write_recordings("film", [])
    write(settings)
    assert not [path for path in pages_of(settings) if path.startswith("partitions/film")]
    assert "film" not in Document(root_of(settings) / "index.html").text


def test_a_note_that_was_cut_short_costs_nothing_but_time(settings: Settings) -> None:
    write(settings)
    (root_of(settings) / ".written" / "film.json").write_bytes(b"")
    assert write(settings) == Written(5, 0, 8, 0)
    assert not list((root_of(settings) / ".written").glob("*.new"))


def test_a_translation_is_english_whatever_was_spoken(settings: Settings) -> None:
    spoken = transcript("film/b #1?.wavone", "good morning", language="de", task="translate")
    path = "film/b #1?.wav"
    store = TranscriptStore(settings.workspace.output)
    store.publish("film", [Entry(recording(path).recording_id, path, spoken)])
    write(settings)
    page = Document(root_of(settings) / "recordings" / "film" / "b #1%3F.wav.html")
    assert [one["lang"] for one in page.all("span") if "lang" in one] == ["en"]
    assert "Language de" in " ".join(page.text.split())


def test_a_damaged_partition_costs_the_others_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TranscriptStore(settings.workspace.output)
    store.generation("@root").files["words"].write_bytes(b"no parquet")
    said = opentr(settings, monkeypatch)
    assert said.exit_code == 1
    assert "4 recordings" in said.output
    assert "words/@root.parquet is damaged" in said.output
    assert "film" in Document(root_of(settings) / "index.html").text


def test_a_partition_of_which_nothing_has_changed_is_not_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings)
    monkeypatch.setattr(TranscriptStore, "read_together", None)
    assert write(settings) == Written(5, 0, 8, 0)
    (root_of(settings) / "recordings" / "top.wav.html").unlink()
    with pytest.raises(TypeError):
        write(settings)


def media_of(settings: Settings) -> set[str]:
    """Where the links below ``media`` lead; there is nothing else there but folders of them."""
    found = [path for path in (root_of(settings) / "media").rglob("*") if not path.is_dir()]
    assert all(path.is_symlink() for path in found)
    return {os.readlink(path) for path in found}


def test_media_that_were_taken_can_be_had_and_nothing_else(settings: Settings) -> None:
    archive = settings.workspace.archive
    odd = [os.fsdecode(b"film/caf\xe9.wav"), "film/caf\\xe9.wav", "film/b.wav.html/\x1b[2J\n.wav"]
    publish(settings, "odd", **dict.fromkeys(odd, "odd"))
    (archive / "opentr.toml").write_text("secret")
    (archive / ".hidden.wav").write_text("secret")
    (archive / "outside.wav").symlink_to("/etc/passwd")
    (root_of(settings)).mkdir(parents=True)
    (root_of(settings) / "media").symlink_to(archive)  # as it once was
    write(settings)
    paths = ["top.wav", "film/b #1?.wav", "film/a 50%.wav", "film/c.wav", "音 楽/<b>&\"'.wav", *odd]
    assert media_of(settings) == {str(archive / path) for path in paths}
    assert not (archive / "media").exists()
    assert write(settings).num_written == 0
    store = TranscriptStore(settings.workspace.output)
    store.write_recordings("film", [recording("film/c.wav", partition_key="film")])
    store.write_recordings("film", [])  # it left the archive
    write(settings)
    assert str(archive / "film/c.wav") not in media_of(settings)


def test_media_lead_to_the_archive_where_it_is_now(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings)
    monkeypatch.setenv("OPENTR_ARCHIVE_ON_HOST", "/elsewhere/tapes")
    write(settings)
    assert all(path.startswith("/elsewhere/tapes/") for path in media_of(settings))


def test_a_page_whose_place_is_taken_costs_no_other_page(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root_of(settings) / "recordings" / "top.wav.html" / "mine").mkdir(parents=True)
    said = opentr(settings, monkeypatch)
    assert said.exit_code == 1
    assert "recordings/top.wav.html (Is a directory); move away" in said.output
    assert "5 recordings: 7 pages written" in said.output


def test_long_lists_have_pages(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "NUM_ROWS", 2)
    monkeypatch.setattr("opentr_pipeline.pages.pages.NUM_ROWS", 2)
    monkeypatch.setattr("opentr_pipeline.pages.pages.NUM_FIRST_ROWS", 2)
    monkeypatch.setattr(lists, "NUM_HOME_ROWS", 2)
    write(settings)
    found = pages_of(settings)
    assert {"partitions/film/1.html", "partitions/film/2.html", "index-2.html"} <= found
    second = Document(root_of(settings) / "partitions" / "film" / "2.html")
    assert second.all("a", title="film/c.wav")
    assert "Page 2 of 2" in second.text
    home = Document(root_of(settings) / "index.html")
    assert "3 recordings, 2 s, en" in home.text
    assert not home.all("table")
    test_every_link_leads_to_a_file(settings)
    monkeypatch.setattr(lists, "NUM_HOME_ROWS", 100)
    write(settings)
    assert "index-2.html" not in pages_of(settings)
    assert "All recordings (3): film" in Document(root_of(settings) / "index.html").text


@PROPERTY
@given(st.lists(st.integers(0, 12), max_size=60))
def test_home_pages_hold_every_partition_once_and_in_order(nums: list[int]) -> None:
    sections = [
        Section(str(place), {"num_recordings": num}, [{}] * num) for place, num in enumerate(nums)
    ]
    found = list(home_pages(sections))
    shown = [section for page in found for section in page]
    assert [one.partition_key for one in shown] == [one.partition_key for one in sections]
    assert found
    for page in found:
        assert sum(section.num_rows for section in page) <= lists.NUM_HOME_ROWS
    assert (shown == sections) is (sum(nums) <= lists.NUM_HOME_ROWS or not any(nums))


def entry(language: str, status: str, duration_s: float = 1.5) -> ListEntry:
    return ListEntry(
        *("a", "", "a", "A", "", "a.html", "a.wav"), duration_s, language, language, status, ""
    )


def test_sums_of_sums_are_those_of_all() -> None:
    some = [entry("en", "ok"), entry("fi", "suspect"), entry("", "failed", 0.0)]
    others = [entry("fi", "ok")]
    assert added([totals_of(some), totals_of(others)]) == {
        "num_recordings": 4,
        "heard_s": 4.5,
        "num_by_language": {"fi": 2, "en": 1},
        "num_by_status": {"ok": 2, "suspect": 1, "failed": 1},
    }


def test_addresses_are_those_of_the_web_server_or_of_the_host(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Pages(settings).address("a b.html") == str(root_of(settings) / "a b.html")
    monkeypatch.setenv("OPENTR_OUTPUT_ON_HOST", "/on/the/host")
    assert Pages(settings).address("a b.html") == "/on/the/host/pages/a b.html"
    served = settings_of(OUTPUT_DIR=settings.workspace.output, PAGES_URL="https://a.example/pages/")
    assert Pages(served).address("partitions/音%20楽/1.html") == (
        "https://a.example/pages/partitions/%E9%9F%B3%2520%E6%A5%BD/1.html"
    )


@pytest.mark.parametrize("value", ["archive.example", "ftp://a.example", "https://a/?b", "http://"])
def test_an_address_that_cannot_work_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="PAGES_URL must be empty or an address"):
        settings_of(PAGES_URL=value)


def opentr(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("OUTPUT_DIR", str(settings.workspace.output))
    return CliRunner().invoke(main, ["pages", str(settings.workspace.archive)])


def test_the_command_says_what_it_wrote_and_where_to_begin(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = opentr(settings, monkeypatch)
    assert said.exit_code == 0
    assert said.output == (
        "5 recordings: 8 pages written, 0 unchanged, 0 removed.\n"
        f"Open {(root_of(settings) / 'index.html').as_uri()}\n"
    )


def test_an_archive_without_transcripts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    empty = settings_of(ARCHIVE_DIR=tmp_path / "none", OUTPUT_DIR=tmp_path / "output")
    said = opentr(empty, monkeypatch)
    assert said.exit_code == 2
    assert "is transcribed yet" in said.output
    assert not (tmp_path / "output" / "pages" / "index.html").exists()


def test_the_asset_links_to_the_pages(
    settings: Settings,
) -> None:
    shown = settings.model_copy(update={"pages_url": "https://a.example/pages"})
    pages_asset = derived_assets(shown, Names())[1]
    assert "pages" in {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    with DagsterInstance.ephemeral() as instance:
        register_partitions(instance, ["film"], Names())
        done = materialize(
            [pages_asset],
            instance=instance,
            resources={HANDED_ON: handed_on(settings)},
            partition_key="film",
        )
        (event,) = done.get_asset_materialization_events()
    said = {name: value.value for name, value in event.materialization.metadata.items()}
    assert said["num_recordings"] == 3
    assert said["page"] == "https://a.example/pages/partitions/film/1.html"
    assert said["home"] == "https://a.example/pages/index.html"
    assert (root_of(settings) / "index.html").is_file()


def test_the_asset_says_what_could_not_be_made_and_no_more(
    settings: Settings,
) -> None:
    pages_asset = derived_assets(settings, Names())[1]
    (root_of(settings) / "index.html" / "folder").mkdir(parents=True)  # in the home page's way
    with DagsterInstance.ephemeral() as instance:
        register_partitions(instance, ["film"], Names())
        done = materialize(
            [pages_asset],
            instance=instance,
            resources={HANDED_ON: handed_on(settings)},
            partition_key="film",
            raise_on_error=False,
        )
        assert instance.get_materialized_partitions(pages_asset.key) == {"film"}
    (event,) = done.get_step_failure_events()
    said = event.step_failure_data.user_failure_data
    assert said
    assert str(said.description).startswith(f"{root_of(settings)} cannot be written")


def test_recordings_in_no_folder_have_the_name_that_their_partition_has_elsewhere() -> None:
    assert lists.title_of(ROOT_KEY) == ROOT_KEY
    assert lists.title_of("a%20b%2Fc") == "a b/c"


def test_chapters_of_a_recording_are_links_and_read_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = settings.workspace.archive
    assert isinstance(archive, Path)
    assert chapters_of(archive / "top.wav", archive) == []
    rows = [{"media_fingerprint": "1f", "path": "film/gone.wav"}]
    assert all_chapters(rows, archive, {}) == {}, "another time it may be there"
    assert chapters_of(archive / "top.wav", archive / "film") is None, "a link out of the archive"
    book(settings.workspace.archive / "film" / "a 50%.wav", {0: "Beginning", 1: "The <sea>"})
    write(settings)
    path = root_of(settings) / "recordings" / "film" / "a 50%.wav.html"
    for _ in range(2):
        page = Document(path)
        assert [one["href"] for one in page.all("a", **{"class": "chapter"})] == [
            "#t=0.0",
            "#t=1.0",
        ]
        assert "0:01 The <sea>" in page.text
        monkeypatch.setattr("opentr_pipeline.pages.recording_facts.chapters_of", lambda *_: 1 / 0)
        path.unlink()
        write(settings)


@pytest.mark.slow
def test_posters_of_films_are_made_once_and_handed_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive, root = settings.workspace.archive, root_of(settings)
    assert isinstance(archive, Path)
    publish(settings, "films", **{"x/talk.mkv": "one", "x/night.mkv": "two", "x/odd.mkv": "three"})
    names = ("x/talk.mkv", "x/night.mkv", "x/odd.mkv")
    rows = [recording(name, name, partition_key="films") for name in names]
    video = Probe(has_video=True)
    films = [dataclasses.replace(row, probe=video) for row in rows]
    TranscriptStore(settings.workspace.output).write_recordings("films", films)
    film(archive / "x/talk.mkv", "mpeg4")
    film(archive / "x/night.mkv", "mpeg4", is_black=True)
    (archive / "x/odd.mkv").write_bytes(b"no film")
    write(settings)
    name = lists.poster_name(rows[0].recording_id)
    assert [str(path.relative_to(root)) for path in root.glob("posters/*/*")] == [name]
    page = root / "recordings/x/talk.mkv.html"
    assert [one["poster"] for one in Document(page).all("video")] == [f"../../{name}"]
    assert "poster" not in Document(root / "recordings/x/night.mkv.html").all("video")[0]
    for listed in (root / "index.html", root / "partitions/films/1.html"):
        assert [one["alt"] for one in Document(listed).all("img")] == [""]
    test_every_link_leads_to_a_file(settings)
    copy_with_media(root, archive, tmp_path / "stick")
    assert (tmp_path / "stick" / name).read_bytes() == (root / name).read_bytes()
    monkeypatch.setattr("opentr_pipeline.pages.posters.poster_of", lambda *_: 1 / 0)
    page.unlink()  # made again, the poster not
    write(settings)
    assert Document(page).all("video")[0]["poster"]
    films[0] = dataclasses.replace(films[0], probe=Probe())
    TranscriptStore(settings.workspace.output).write_recordings("films", films)
    write(settings)
    assert not (root / name).exists()


def book(path: Path, chapters: dict[int, str]) -> None:
    """Two seconds of silence in Matroska, whatever its name, with chapters."""
    marks = [
        {
            "id": start_s + 1,
            "start": 1000 * start_s,
            "end": 1000 * (start_s + 1),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }
        for start_s, title in chapters.items()
    ]
    with av.open(str(path), "w", format="matroska") as container:
        sound = container.add_stream("libopus", rate=48_000, layout="mono")
        container.set_chapters(marks)  # type: ignore[arg-type]
        for _ in range(100):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), "int16"), "s16", "mono")
            frame.sample_rate = 48_000
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
