"""Posters beside the pages: what could not be looked for now is looked for another time."""

from pathlib import Path

import pytest

from opentr_pipeline.pages.lists import poster_name
from opentr_pipeline.pages.posters import write_posters
from opentr_pipeline.transcripts.derived_files import WrittenTree
from opentr_pipeline.transcripts.store import TranscriptStore


def test_a_film_that_cannot_be_looked_at_now_keeps_its_poster_and_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, name = WrittenTree(TranscriptStore(tmp_path), tmp_path / "pages"), poster_name("1f3a")
    row = {"media_fingerprint": "new", "recording_id": "1f3a", "path": "a.mkv", "has_video": True}
    (tree.root / ".written").mkdir(parents=True)
    (tree.root / name).mkdir(parents=True)  # somebody's

    def written(picture: bytes | None) -> tuple[dict[str, bool], bool, str, int]:
        monkeypatch.setattr("opentr_pipeline.pages.posters.poster_of", lambda *_: picture)
        unwritten: list[str] = []
        known, is_whole = write_posters(tree, [row], tmp_path, {}, unwritten)
        return known, is_whole, str(row["poster"]), len(unwritten)

    assert written(b"a picture") == ({"new": True}, True, "", 1)
    (tree.root / name).rmdir()
    assert written(None) == ({}, False, "", 0)
    assert written(b"a picture") == ({"new": True}, True, name, 0)
    assert written(None) == ({}, False, name, 0)
    assert written(b"") == ({"new": False}, True, "", 0)
