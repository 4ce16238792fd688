"""Whisper models on disk: which one the settings mean, and whether it is whole.

A model folder is complete when it holds ``model.json``, which is written last (see ``fetching``).
"""

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opentr_pipeline.commands import command
from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.compute_types import compute_type
from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition.whisper.memory import useful_batch, worker_bytes
from opentr_pipeline.recognition.whisper.shapes import SHAPES
from opentr_pipeline.settings.installation import call_folder

MANIFEST = "model.json"
# A step asks the hub for a tokenizer that is missing; ours never may.
NEEDED_FILES = ("config.json", "model.bin", "tokenizer.json")
AUTO_ON_A_CARD = "large-v3-turbo"


class MissingModelError(ModelError):
    """A model that can be fetched is not here."""


@dataclass(frozen=True)
class Model:
    """A model that is complete on disk.

    Attributes:
        name: as in ``WHISPER_MODEL``.
        digest: 64 hexadecimal digits that name the weights.
    """

    name: str
    folder: Path
    digest: str

    @property
    def english_only(self) -> bool:
        """Whether it knows no other language and cannot translate."""
        return self._last_name.endswith(".en")

    @property
    def translates(self) -> bool:
        """Turbo and distilled models were trained without translation."""
        kinds = ("turbo", "distil")
        return not (self.english_only or any(kind in self._last_name for kind in kinds))

    @property
    def _last_name(self) -> str:
        return Path(self.name).name


def model_name(wanted: str, slots: Sequence[WorkerSlot]) -> str:
    """The model that ``WHISPER_MODEL`` means on these slots; what ``auto`` stands for."""
    if wanted != "auto":
        return wanted
    if any(slot.device.is_cpu for slot in slots):
        return "base"
    shape = SHAPES[AUTO_ON_A_CARD]
    arithmetic = compute_type("auto", {slot.device for slot in slots})
    # Of one worker, with the usual batch and beam, and of the card's memory all, not what is free
    # now: another model makes all transcripts stale, so the choice must change neither with how
    # many workers there are, nor while they hold the card, nor with what changes no words. Whether
    # all have room is for ``check_fits`` to say.
    need = worker_bytes(shape, arithmetic, useful_batch(shape), beam_size=5)
    memory = min(slot.device.memory_bytes for slot in slots)
    return AUTO_ON_A_CARD if memory >= need else "base"


def find(name: str, models_root: Path) -> Model:
    """The model on disk; the network is not asked.

    Args:
        name: a faster-whisper name, a hub id or a directory.
        models_root: where fetched models are.

    Raises:
        MissingModelError: it is not there or incomplete, with the command that fetches it.
        ModelError: there is no such model.
    """
    if is_directory_name(name):
        return _own_folder(name)
    folder = models_root / folder_name(name)
    if not (folder / MANIFEST).is_file():
        check_known(name)
        raise MissingModelError(
            f"The model {name} is not in {models_root}; fetch it with "
            f"{command(f'models fetch {name}')}, or set WHISPER_MODEL to one that is there "
            f"({', '.join(installed(models_root)) or 'none yet'})."
        )
    files = json.loads((folder / MANIFEST).read_text())["files"]
    return Model(name, folder, files["model.bin"])


def is_directory_name(name: str) -> bool:
    """Whether a ``WHISPER_MODEL`` means a directory, not a name that can be fetched."""
    return name.startswith(("/", "./", "../", "~")) or (call_folder() / name).is_dir()


def _own_folder(name: str) -> Model:
    folder = call_folder() / Path(name).expanduser()
    for file in NEEDED_FILES:
        if not (folder / file).is_file():
            raise ModelError(
                f"The model directory {folder} has no {file}; WHISPER_MODEL needs a model in "
                f"CTranslate2 format with {', '.join(NEEDED_FILES)}."
            )
    # Sizes and times stand for gigabytes of content that nobody wants hashed at each start.
    facts = [(file, (folder / file).stat()) for file in NEEDED_FILES]
    text = json.dumps([(file, info.st_size, info.st_mtime_ns) for file, info in facts])
    return Model(name, folder, hashlib.sha256(text.encode()).hexdigest())


def folder_name(name: str) -> str:
    """The name of a model's folder below the folder of models.

    Raises:
        ModelError: no model can have that name.
    """
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name in (".", ".."):
        raise ModelError(
            f"WHISPER_MODEL={name!r} is not a model name, a hub id or an existing directory; "
            f"{command('models list')} shows the names."
        )
    return name.replace("/", "--")


def check_known(name: str) -> None:
    """Refuse a name that no model has, so that nobody tries to fetch it.

    Raises:
        ModelError: with the name that may be meant.
    """
    if "/" in name or name in known_names():
        return
    near = difflib.get_close_matches(name, known_names(), n=1)
    hint = f"did you mean {near[0]}? Known" if near else "known"
    raise ModelError(
        f"There is no model {name}; {hint} are {', '.join(sorted(known_names()))}, hub ids "
        "(owner/name) and directories."
    )


def known_names() -> list[str]:
    """The names that faster-whisper knows."""
    from faster_whisper.utils import available_models

    return list(available_models())


def installed(models_root: Path) -> list[str]:
    """Names of the models that are complete on disk."""
    folders = sorted(models_root.glob(f"*/{MANIFEST}"))
    return [json.loads(path.read_text())["name"] for path in folders]


def verify(name: str, models_root: Path) -> Model:
    """Read every file of a fetched model and compare it with its recorded digest.

    Raises:
        ModelError: a file is missing or differs, or the model was not fetched by us and nothing
            was recorded; with the remedy.
    """
    model = find(name, models_root)
    manifest = model.folder / MANIFEST
    if not manifest.is_file():
        raise ModelError(
            f"{model.folder} was not fetched by {command('models fetch')}, so there are no digests "
            "to compare it with; all files that it needs are there."
        )
    for file, digest in json.loads(manifest.read_text())["files"].items():
        path = model.folder / file
        if not path.is_file() or sha256_of(path) != digest:
            raise ModelError(
                f"{path} is not the file that was fetched; remove {model.folder} and run "
                f"{command(f'models fetch {name}')}."
            )
    return model


def sha256_of(path: Path) -> str:
    """The digest of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
