"""The two networks that tell speakers apart: fetched once, verified, found.

Segmentation: pyannote's segmentation-3.0, by Hervé Bredin, MIT. Voices: CAM++, by Alibaba's
3D-Speaker, Apache-2.0. They are in a folder of their own that is complete once it holds its
manifest, as those of Whisper models are.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from opentr_pipeline.commands import command
from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition.models import MANIFEST, sha256_of
from opentr_pipeline.settings.installation import installing

NAME = EXTRA = "speakers"
FOLDER = "speakers/segmentation-3.0+campplus-zh-en-advanced"
SEGMENTATION, VOICES = "segmentation.onnx", "voices.onnx"
# What vectors of voices are made by: only those of one compare. At a telephone, of its band alone.
EMBEDDING_MODEL = "campplus-zh-en-advanced"
TELEPHONE_MODEL = f"{EMBEDDING_MODEL}-telephone"
# What the extra brings.
PACKAGES = ("kaldi_native_fbank", "onnx", "scipy")
LICENCES = {"segmentation-3.0": "MIT", "CAM++ zh-en advanced": "Apache-2.0"}
# Of what makes turns of the networks' answers; another number makes speakers be heard again.
RECIPE = 2


@dataclass(frozen=True)
class Networks:
    """Files of the networks."""

    segmentation: Path
    voices: Path


def fingerprint() -> str:
    """64 hexadecimal digits that change where speakers would be heard otherwise."""
    facts = json.dumps([FOLDER, RECIPE])
    return hashlib.sha256(facts.encode()).hexdigest()


def check_installed() -> None:
    """Refuse where the extra is not installed.

    Raises:
        ModelError: with the command that installs it.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ModelError(
            f"To tell speakers apart needs the extra {EXTRA}, of which {', '.join(missing)} is not "
            f"installed; install it with {installing(EXTRA)}, or set SPEAKERS=false."
        )


def check_ready(models_dir: Path) -> None:
    """Refuse what could only fail in each recording: no extra, or no networks.

    Raises:
        ModelError: with the remedy.
    """
    check_installed()
    find(models_dir)


def is_fetched(models_dir: Path) -> bool:
    """Whether the networks are complete on disk."""
    return (models_dir / FOLDER / MANIFEST).is_file()


def folder_in(models_dir: Path) -> Path:
    """Where the networks are, or would be."""
    return models_dir / FOLDER


def find(models_dir: Path) -> Networks:
    """The networks on disk; the network is not asked.

    Raises:
        ModelError: they are not there, with the command that fetches them.
    """
    if not is_fetched(models_dir):
        raise ModelError(
            f"The models that tell speakers apart are not in {models_dir}; fetch them with "
            f"{command(f'models fetch {NAME}')}."
        )
    folder = folder_in(models_dir)
    return Networks(folder / SEGMENTATION, folder / VOICES)


def verify(models_dir: Path) -> Networks:
    """Read the networks and compare them with the digests of the day they were fetched.

    Raises:
        ModelError: one is missing or differs, with the remedy.
    """
    networks = find(models_dir)
    folder = folder_in(models_dir)
    digests = json.loads((folder / MANIFEST).read_text())["files"]
    for path in (networks.segmentation, networks.voices):
        if not path.is_file() or sha256_of(path) != digests.get(path.name):
            raise ModelError(
                f"{path} is not the file that was fetched; remove {folder} and run "
                f"{command(f'models fetch {NAME}')}."
            )
    return networks
