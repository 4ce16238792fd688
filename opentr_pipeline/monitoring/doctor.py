"""Whether this machine has what the settings need, and what follows from what it has."""

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from opentr_pipeline.commands import command
from opentr_pipeline.devices import cards as devices
from opentr_pipeline.devices import cuda_libraries
from opentr_pipeline.devices.cards import Cards, Device, WorkerSlot
from opentr_pipeline.devices.host_memory import host_memory
from opentr_pipeline.errors import ModelError, OpentrError, SettingsError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_options import are_speakers_wanted
from opentr_pipeline.recognition.budget import Budget, Workers, Workload
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import installing
from opentr_pipeline.speakers import models as speaker_models
from opentr_pipeline.wording import gigabytes

PACKAGES = ("ctranslate2", "faster-whisper", "onnxruntime", "av", "pyarrow", "dagster")

DEVICE_FILES = Path("/dev")
# As the driver counts: 12.0. Source: NVIDIA's CUDA Compatibility, for all of CUDA 12 on Linux.
OLDEST_CUDA, OLDEST_DRIVER = 12_000, "525.60.13"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        said: how it is; where it is wrong, with the remedy.
    """

    name: str
    is_ok: bool
    said: str


def looked_at(checks: Iterable[tuple[str, Callable[[], str]]]) -> Iterator[Finding]:
    """Look at one thing after the other; what refuses is wrong."""
    for name, check in checks:
        try:
            yield Finding(name, True, check())
        except OpentrError as error:
            yield Finding(name, False, str(error))


def examine(load: Callable[[], Settings]) -> Iterator[Finding]:
    """Look at the machine, and at what the settings make of it.

    Args:
        load: gives the settings, or refuses.
    """
    yield from looked_at([("machine", _machine), ("packages", _packages)])
    try:
        cards = devices.find_cards()
    except SettingsError as error:
        yield Finding("cards", False, str(error))
        return
    yield from looked_at(
        [
            ("cards", lambda: _cards(cards)),
            *((f"card {card.number}", partial(_card, card)) for card in cards.devices),
            ("libraries", lambda: _libraries(cards)),
        ]
    )
    try:
        setup = Setup(load())
        workers = setup.workers
    except SettingsError as error:
        yield Finding("settings", False, str(error))
        return
    yield from looked_at(
        [
            ("worker slots", lambda: slots_said(workers.slots)),
            ("model", lambda: _model(setup.model, workers.work)),
            ("memory", lambda: _memory(workers)),
            ("speakers", lambda: _speakers(setup)),
        ]
    )


def unused_card(settings: Settings, cards: Cards, files: Path = DEVICE_FILES) -> str | None:
    """What to say where a card is there and the CPU works all the same, unasked; None: nothing.

    Args:
        settings: checked settings.
        cards: from ``find_cards``.
        files: the folder in which the kernel shows devices.
    """
    is_chosen = settings.gpu_scale_enabled or settings.gpu_device_id != "auto"
    if cards.driver or is_chosen or not _has_card_files(files):
        return None
    return (
        f"This machine has an NVIDIA card that is not used: {cards.why_none}; GPU_DEVICE_ID=cpu "
        "says that it shall not be."
    )


def _has_card_files(files: Path) -> bool:
    return any(files.glob("nvidia[0-9]*"))


def slots_said(slots: Iterable[WorkerSlot]) -> str:
    """Worker slots and their devices, for people."""
    names = [slot.device.description for slot in slots]
    plural = "s" if len(names) > 1 else ""
    return f"{len(names)} worker slot{plural} on {', '.join(dict.fromkeys(names))}"


def _machine() -> str:
    memory = host_memory()
    said = (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{devices.num_cores()} cores"
    )
    if memory is None:
        return said
    return f"{said}, {gigabytes(memory.free_bytes)} of {gigabytes(memory.total_bytes)} free"


def _packages() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            raise OpentrError(
                f"The package {name} is missing; {installing()} makes it whole."
            ) from None
    return ", ".join(found)


def _cards(cards: Cards) -> str:
    if cards.why_none and not cards.driver and not _has_card_files(DEVICE_FILES):
        return "none in this machine; the CPU does the work"
    if cards.why_none:
        return f"none: {cards.why_none}; the CPU does the work"
    if cards.cuda is not None and cards.cuda < OLDEST_CUDA:
        version = f"{cards.cuda // 1000}.{cards.cuda % 1000 // 10}"
        raise OpentrError(
            f"The driver {cards.driver} supports CUDA {version}, and CTranslate2 needs CUDA 12; "
            f"install the driver {OLDEST_DRIVER} or a newer one."
        )
    plural = "s" if len(cards.devices) > 1 else ""
    return f"{len(cards.devices)} card{plural}, driver {cards.driver}"


def _card(card: Device) -> str:
    state = devices.card_state(card.uuid)
    if state is None:
        raise OpentrError(f"{card.name} ({card.uuid}) does not answer; nvidia-smi may say why.")
    capability = ".".join(map(str, card.capability or ("unknown",)))
    facts = [card.name, card.uuid, f"compute capability {capability}"]
    if state.free_bytes is not None:
        facts.append(f"{gigabytes(state.free_bytes)} of {gigabytes(card.memory_bytes)} free")
    if state.utilization_percent is not None:
        facts.append(f"{state.utilization_percent} % busy")
    if state.temperature_c is not None:
        facts.append(f"{state.temperature_c} °C")
    return ", ".join(facts) + _users(card)


def _users(card: Device) -> str:
    users = [
        f"{one.name or 'a program'} (process {one.pid}"
        + (")" if one.used_bytes is None else f", {gigabytes(one.used_bytes)})")
        for one in devices.card_processes(card.uuid)
    ]
    return f"; used by {', '.join(users)}" if users else ""


def _libraries(cards: Cards) -> str:
    try:
        found = cuda_libraries.load()
    except ModelError:
        if cards.devices:
            raise
        return "CUDA's are not here, and without a card not needed"
    said = ", ".join(name if name == path else f"{name} ({path})" for name, path in found.items())
    return f"{said}; ctranslate2 {metadata.version('ctranslate2')} needs no cuDNN; {_encoder()}"


def _encoder() -> str:
    try:
        return f"torch {metadata.version('torch')}, which encodes"
    except metadata.PackageNotFoundError:
        return f"encoding is some 4 times as fast with torch ({installing('gpu')})"


def _model(found: Model, work: Workload) -> str:
    return f"{found.name} in {found.folder}, {work.compute_type}, beam size {work.beam_size}"


def _speakers(setup: Setup) -> str:
    if not are_speakers_wanted(setup.settings):
        return "nobody asks who speaks (SPEAKERS)"
    models_dir = setup.workspace.models
    speaker_models.check_ready(models_dir)
    return f"the models that tell them apart are in {speaker_models.folder_in(models_dir)}"


def _memory(workers: Workers) -> str:
    workers.check_fits()
    own = workers.budgets()
    said = "; ".join(map(_budget_said, own))
    if any(one.verdict == "does not fit" for one in own):
        raise OpentrError(f"{said}; make room, or see {command('plan')} for what fits.")
    return said


def _budget_said(own: Budget) -> str:
    plural = "s" if own.num_workers > 1 else ""
    workers = f"{own.num_workers} worker{plural}, batch size {own.batch_size}"
    if own.needed_bytes is None or own.room.free_bytes is None:
        return f"{workers}: nobody knows whether there is room on {own.device.description}"
    return (
        f"{workers}: {gigabytes(own.needed_bytes)} of the {gigabytes(own.room.free_bytes)} that "
        f"are free on {own.device.description}: {own.verdict}"
    )
