"""Posters beside the pages: nobody waits for them, and what fails is not tried for ever."""

import dataclasses
import os
from pathlib import Path

import pytest

from opentr_pipeline.audio.probe import Probe
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


def publish(pages: Pages, content: str) -> None:
    store: TranscriptStore = pages.tree.store
    row = recording(FILM, content, partition_key="films")
    store.publish("films", [Entry(row.recording_id, FILM, transcript(content))])
    store.write_recordings("films", [dataclasses.replace(row, probe=Probe(has_video=True))])


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
    unwritten = pages.write_posters(["films"])
    assert len(unwritten) == 1
    assert unwritten[0].startswith(f"{NAME} (")
    (pages.root / NAME).rmdir()
    assert pages.write_posters(["films"]) == []
    assert f'poster="../{NAME}"' in page_of(pages)
    assert NAME in (pages.root / "index.html").read_text()
    monkeypatch.setattr(posters, "poster_of", lambda *_: 1 / 0)
    assert pages.write_posters(["films"]) == []
    assert pages.write("films").num_written == 0
    publish(pages, "two")  # what was there stays, until it is known that there is none
    pages.write("films")
    assert f'poster="../{NAME}"' in page_of(pages)
    monkeypatch.setattr(posters, "poster_of", lambda *_: b"")
    assert pages.write_posters(["films"]) == []
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
    publish(pages, "two")
    assert number_of_looks(b"") == 1
    monkeypatch.setattr(posters, "__version__", "another")
    (pages.root / "recordings" / f"{FILM}.html").unlink()
    assert number_of_looks(b"a picture") == 1
    assert f'poster="../{NAME}"' in page_of(pages)
