"""What recordings are called, and when they were made."""

from datetime import UTC, datetime

import pytest

from opentr_pipeline.exports.titles import made_on, shown_title, tidied


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("harvest_report.flac", "Harvest report"),
        ("una_piccola_città.flac", "Una piccola città"),
        ("Entrevista número 3.ogg", "Entrevista número 3"),
        ("BBC_news.mp3", "BBC news"),
        ("two-neighbours.m4a", "Two neighbours"),
        ("1962-05-01_speech.wav", "1962-05-01 speech"),
        ("v1.final.wav", "V1 final"),
        ("音楽.wav", "音楽"),
        ("0001.wav", "0001.wav"),
        ("___.wav", "___.wav"),
        (".hidden", ".hidden"),
    ],
)
def test_names_of_files_become_titles(name: str, title: str) -> None:
    assert tidied(name) in (title, title.lstrip("."))
    assert shown_title(f"a/{name}", [("TITLE", " The bridge ")]) == "The bridge"
    assert shown_title(f"a/{name}", [("title", " ")]) == tidied(name)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("1962", "1962"),
        ("1962-05", "1962-05"),
        ("1962-05-01T10:00:00Z", "1962-05-01"),
        ("1962-13-01", "2026-11-27"),
        ("unknown", "2026-11-27"),
        ("", "2026-11-27"),
    ],
)
def test_the_day_is_by_the_container_else_by_the_file(said: str, day: str) -> None:
    assert made_on([("DATE", said)], datetime(2026, 11, 27, tzinfo=UTC)) == day
    assert made_on((), None) == ""
