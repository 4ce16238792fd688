"""Posters beside the pages: nobody waits for them, and what fails is not tried for ever."""

import dataclasses
import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.cli.app import main
from opentr_pipeline.defs.derived_assets import Making, each_partition
from opentr_pipeline.locks import try_lock
from opentr_pipeline.pages import posters
from opentr_pipeline.pages.lists import poster_name
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import recording, settings_of, transcript

FILM = "film.mkv"
NAME = poster_name(recording(FILM).recording_id)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    settings = settings_of(ARCHIVE_DIR=tmp_path / "archive", OUTPUT_DIR=tmp_path / "output")
    (tmp_path / "archive").mkdir()
    publish(Pages(settings), "one")
    made = Pages(settings)
    made.write("films")
    return made


def publish(pages: Pages, content: str, *paths: str) -> None:
    store: TranscriptStore = pages.tree.store
    rows = {path: recording(path, content, partition_key="films") for path in paths or (FILM,)}
    one = transcript(content)
    entries = [Entry(row.recording_id, path, one) for path, row in rows.items()]
    store.publish("films", entries)
    films = [dataclasses.replace(row, probe=Probe(has_video=True)) for row in rows.values()]
    store.write_recordings("films", films)


def page_of(pages: Pages) -> str:
    return (pages.root / "recordings" / f"{FILM}.html").read_text()


def test_pages_are_there_before_their_posters_which_hold_no_lock(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(*_: object) -> bytes:
        assert "poster=" not in page_of(pages)
        free = try_lock(pages.root / ".written" / "films.lock")
        assert free is not None
        os.close(free)
        return b"a picture"

    monkeypatch.setattr(posters, "poster_of", look)
    (pages.root / NAME).mkdir(parents=True)  # somebody's
    unwritten = pages.write_posters(["films"]).unwritten
    assert len(unwritten) == 1
    assert unwritten[0].startswith(f"{NAME} (")
    (pages.root / NAME).rmdir()
    assert pages.write_posters(["films"]) == posters.Looked()
    assert f'poster="../{NAME}"' in page_of(pages)
    assert NAME in (pages.root / "index.html").read_text()
    monkeypatch.setattr(posters, "poster_of", lambda *_: 1 / 0)
    assert pages.write_posters(["films"]) == posters.Looked()
    assert pages.write("films").num_written == 0
    publish(pages, "two")  # what was there stays, until it is known that there is none
    pages.write("films")
    assert f'poster="../{NAME}"' in page_of(pages)
    monkeypatch.setattr(posters, "poster_of", lambda *_: b"")
    assert pages.write_posters(["films"]) == posters.Looked()
    assert "poster=" not in page_of(pages)
    assert not (pages.root / NAME).exists()


def test_a_film_that_takes_too_long_is_left_alone_until_another_release(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []

    def number_of_looks(found: bytes | None, num_writes: int = 5) -> int:
        def look(*_: object) -> bytes | None:
            looks.append(found)
            return found

        monkeypatch.setattr(posters, "poster_of", look)
        looks.clear()
        for _ in range(num_writes):
            pages.write("films")
            pages.write_posters(["films"])
        return len(looks)

    def gone(*_: object) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(posters, "poster_of", gone)
    pages.write_posters(["films"])  # was not tried
    assert number_of_looks(None) == posters.NUM_TRIES
    assert number_of_looks(b"a picture") == 0
    asked = pages.write_posters(["films"], again=True)
    assert asked == posters.Looked()
    assert f'poster="../{NAME}"' in page_of(pages)
    publish(pages, "two")
    assert number_of_looks(b"") == 1
    monkeypatch.setattr(posters, "__version__", "another")
    (pages.root / "recordings" / f"{FILM}.html").unlink()
    assert number_of_looks(b"a picture") == 1
    assert f'poster="../{NAME}"' in page_of(pages)


def test_copies_share_one_look_one_count_and_one_poster(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, looks = [FILM, "a copy.mkv", "b copy.mkv"], []
    names = {poster_name(recording(path).recording_id) for path in copies}
    found: bytes | None = None

    def look(path: Path, _: Path) -> bytes | None:
        if path.name == "a copy.mkv":  # not mounted, perhaps
            raise FileNotFoundError
        looks.append(path.name)
        return found

    def there() -> set[str]:
        pages.write("films")
        return {name for name in names if (pages.root / name).exists()}

    monkeypatch.setattr(posters, "poster_of", look)
    publish(pages, "one", *copies)
    for number in range(1, posters.NUM_TRIES + 1):
        assert there() == set()
        given_up = pages.write_posters(["films"]).given_up
        assert given_up == ["a copy.mkv"] * (number == posters.NUM_TRIES)
        assert len(looks) == number
    found = b"a picture"
    publish(pages, "two", FILM)
    pages.write("films")
    assert pages.write_posters(["films"]) == posters.Looked()
    assert there() == {NAME}
    found = None  # from here on they would take too long
    publish(pages, "two", *copies)
    assert there() == names
    for _ in range(posters.NUM_TRIES + 1):
        assert pages.write_posters(["films"]) == posters.Looked()
    (pages.root / "recordings" / f"{FILM}.html").unlink()
    assert there() == names
    assert f'poster="../{NAME}"' in page_of(pages)
    assert len(looks) == posters.NUM_TRIES + 1


def test_films_that_were_given_up_are_said_and_tried_again_by_hand(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        done = CliRunner().invoke(main, ["pages", str(pages.archive_root)])
        assert done.exit_code == 0
        return done.output

    monkeypatch.setenv("OUTPUT_DIR", str(pages.tree.store.root))
    monkeypatch.setattr(posters, "poster_of", lambda *_: None)
    assert ["had no poster" in said() for _ in range(3)] == [False, False, True]
    sentence = f"1 film had no poster after 3 tries that took over 60 s or 2 GB: {FILM}; run"
    assert sentence in said()
    making = Making(lambda _: {}, lambda: posters.Looked(given_up=[FILM]).given_up_sentence)
    context = Mock(partition_keys=["films"])
    list(each_partition(context, *making))
    assert sentence in context.log.warning.call_args.args[0], "the run's log says it too"
    monkeypatch.setattr(posters, "poster_of", lambda *_: b"a picture")
    assert "had no poster" not in said()
    assert f'poster="../{NAME}"' in page_of(pages)
