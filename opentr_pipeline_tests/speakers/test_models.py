"""Whether the networks are there, and what is said where something is missing."""

import json
from pathlib import Path

import pytest

from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition.models import MANIFEST, installed, sha256_of
from opentr_pipeline.speakers import diarization, fetching, models


def kept(root: Path) -> Path:
    folder = models.folder_in(root)
    folder.mkdir(parents=True)
    for name in (models.SEGMENTATION, models.VOICES):
        (folder / name).write_bytes(name.encode())
    files = {path.name: sha256_of(path) for path in folder.iterdir()}
    (folder / MANIFEST).write_text(json.dumps({"name": models.NAME, "files": files}))
    return folder


def test_networks_are_found_verified_and_no_whisper_model(tmp_path: Path) -> None:
    assert not models.is_fetched(tmp_path)
    with pytest.raises(ModelError, match="models fetch speakers"):
        diarization.load(tmp_path, 1)
    folder = kept(tmp_path)
    assert models.is_fetched(tmp_path)
    assert models.verify(tmp_path).voices == folder / models.VOICES
    assert installed(tmp_path) == []
    (folder / models.VOICES).write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"remove .* and run"):
        models.verify(tmp_path)
    (folder / MANIFEST).write_text(json.dumps({"name": models.NAME, "files": {}}))
    with pytest.raises(ModelError, match=r"segmentation.onnx is not the file that was fetched"):
        models.verify(tmp_path)


def test_one_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path)
    monkeypatch.setattr(models, "PACKAGES", ("scipy", "no_such_package"))
    for refuses in (
        lambda: diarization.load(tmp_path, 1),
        lambda: models.check_ready(tmp_path),
        lambda: fetching.fetch(tmp_path / "elsewhere", pytest.fail),
    ):
        with pytest.raises(ModelError, match=r"no_such_package is not .*pip install.*\[speakers\]"):
            refuses()


def test_the_fingerprint_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = models.fingerprint()
    assert before == models.fingerprint()
    monkeypatch.setattr(models, "RECIPE", models.RECIPE + 1)
    assert models.fingerprint() != before
