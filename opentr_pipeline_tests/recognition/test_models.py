"""Models on disk: found, verified, fetched, refused; no model is loaded and no network asked."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.devices.cards import CPU, Device, WorkerSlot
from opentr_pipeline.errors import ModelError
from opentr_pipeline.planning.options import transcription_options
from opentr_pipeline.recognition import fetching, models
from opentr_pipeline.recognition.models import MANIFEST, NEEDED_FILES, Model
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline_tests.making import settings_of

SLOTS = [WorkerSlot(CPU, 0)]


def make_model(root: Path, name: str = "tiny") -> Path:
    """A fetched model's folder, with toys for files."""
    folder = root / name.replace("/", "--")
    folder.mkdir(parents=True)
    files = {}
    for file in NEEDED_FILES:
        (folder / file).write_bytes(f"{file} of {name}".encode())
        files[file] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    record = {"name": name, "origin": "here", "files": files}
    (folder / MANIFEST).write_text(json.dumps(record))
    return folder


def refusal(call: Callable[..., object], *arguments: Any) -> str:
    with pytest.raises(ModelError) as caught:
        call(*arguments)
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def test_a_fetched_model_is_found_with_the_digest_of_its_weights(tmp_path: Path) -> None:
    folder = make_model(tmp_path, "owner/name")
    weights = hashlib.sha256(b"model.bin of owner/name").hexdigest()
    assert models.find("owner/name", tmp_path) == Model("owner/name", folder, weights)
    assert models.installed(tmp_path) == ["owner/name"]


def test_a_model_that_is_not_there_is_refused_with_the_command(tmp_path: Path) -> None:
    make_model(tmp_path, "tiny")
    said = refusal(models.find, "small", tmp_path)
    assert "opentr models fetch small" in said
    assert "(tiny)" in said
    assert "(none yet)" in refusal(models.find, "small", tmp_path / "empty")


def test_a_model_without_its_manifest_is_not_there(tmp_path: Path) -> None:
    (make_model(tmp_path) / MANIFEST).unlink()
    assert "is not in" in refusal(models.find, "tiny", tmp_path)
    assert models.installed(tmp_path) == []


@pytest.mark.parametrize("name", ["a/b/c", "two words", "name;rm", "a\\b"])
def test_a_name_that_can_be_none_is_refused(tmp_path: Path, name: str) -> None:
    said = refusal(models.find, name, tmp_path)
    assert said.startswith(f"WHISPER_MODEL={name!r} is not a model name")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", NEEDED_FILES)
def test_verifying_notices_one_bit(tmp_path: Path, file: str) -> None:
    folder = make_model(tmp_path)
    assert models.verify("tiny", tmp_path).name == "tiny"
    content = bytearray((folder / file).read_bytes())
    content[3] ^= 1
    (folder / file).write_bytes(content)
    said = refusal(models.verify, "tiny", tmp_path)
    assert said.startswith(f"{folder / file} is not the file that was fetched")
    assert "opentr models fetch tiny" in said


def test_verifying_notices_a_missing_file(tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json" in refusal(models.verify, "tiny", tmp_path)


def test_a_directory_of_ones_own_is_a_model(tmp_path: Path) -> None:
    folder = make_model(tmp_path, "mine")
    (folder / MANIFEST).unlink()
    model = models.find(str(folder), tmp_path / "nowhere")
    assert model.folder == folder
    assert len(model.digest) == 64
    assert models.find(str(folder), tmp_path / "nowhere") == model
    (folder / "model.bin").write_bytes(b"better weights")
    assert models.find(str(folder), tmp_path / "nowhere").digest != model.digest


@pytest.mark.parametrize("file", NEEDED_FILES)
def test_an_incomplete_directory_is_refused_with_what_it_lacks(tmp_path: Path, file: str) -> None:
    folder = make_model(tmp_path, "mine")
    (folder / file).unlink()
    for call in (models.find, fetching.fetch):
        assert f"The model directory {folder} has no {file}" in refusal(call, str(folder), tmp_path)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path / "gone") in refusal(models.find, str(tmp_path / "gone"), tmp_path)


def card(memory_bytes: int) -> Device:
    return Device("0", "GPU-x", "A card", memory_bytes, (8, 9))


@pytest.mark.parametrize(
    ("slots", "name"),
    [
        ([WorkerSlot(CPU, 0)], "base"),
        ([WorkerSlot(card(24 * 10**9), number) for number in range(4)], "large-v3-turbo"),
        # Scaling changes no model: what does not fit then is refused, not replaced.
        ([WorkerSlot(card(8 * 10**9), number) for number in range(4)], "large-v3-turbo"),
        ([WorkerSlot(card(3 * 10**9), 0)], "base"),
        ([WorkerSlot(card(24 * 10**9), 0), WorkerSlot(CPU, 0)], "base"),
    ],
)
def test_what_auto_stands_for(slots: list[WorkerSlot], name: str) -> None:
    assert models.model_name("auto", slots) == name
    assert models.model_name("small", slots) == "small"


def options(model: str, **variables: object) -> TranscriptionOptions:
    return transcription_options(
        settings_of(variables), Model(model, Path("/models"), "f" * 64), SLOTS
    )


@pytest.mark.parametrize("model", ["base.en", "distil-small.en", "owner/whisper-tiny.en"])
def test_an_english_model_is_refused_for_another_language(model: str) -> None:
    said = refusal(lambda: options(model, WHISPER_LANGUAGE="es"))
    assert model in said
    assert "WHISPER_LANGUAGE=es" in said
    assert options(model, WHISPER_LANGUAGE="en").language == "en"
    assert options(model).language == "auto"


@pytest.mark.parametrize(
    "model", ["large-v3-turbo", "turbo", "distil-large-v3", "base.en", "owner/large-v3-turbo-ct2"]
)
def test_models_that_cannot_translate_are_refused_for_it(model: str) -> None:
    said = refusal(lambda: options(model, WHISPER_TASK="translate"))
    assert said.startswith(f"The model {model} cannot translate")
    assert options(model).task == "transcribe"


@pytest.mark.parametrize("model", ["base", "large-v3", "/home/turbo/models/large-v3"])
def test_models_that_translate(model: str) -> None:
    assert options(model, WHISPER_TASK="translate").task == "translate"


@pytest.mark.parametrize(
    "changed",
    [
        {"WHISPER_LANGUAGE": "en"},
        {"WHISPER_BEAM_SIZE": 1},
        {"WHISPER_TASK": "translate"},
        {"WHISPER_COMPUTE_TYPE": "float32"},
    ],
)
def test_an_option_that_changes_words_changes_the_fingerprint(changed: dict[str, object]) -> None:
    assert options("base", **changed).settings_fingerprint != options("base").settings_fingerprint


def test_what_changes_no_words_changes_no_fingerprint() -> None:
    plain = options("base").settings_fingerprint
    assert len(plain) == 32
    assert options("base", WHISPER_BATCH_SIZE=1, SHARD_AUDIO_S=60).settings_fingerprint == plain
    assert options("the same weights elsewhere").settings_fingerprint == plain
    other = dataclasses.replace(options("base"), model_digest="0" * 64)
    assert other.settings_fingerprint != plain


def test_the_names_that_are_known() -> None:
    assert {"base", "small", "large-v3", "large-v3-turbo"} <= set(models.known_names())
    assert set(fetching.PINNED_REVISIONS) <= set(models.known_names())
