"""What the production stack is told: the settings of this machine as its containers see them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from opentr_pipeline.devices import Device, worker_slots
from opentr_pipeline.errors import ServiceError, SettingsError
from opentr_pipeline.settings import Settings
from opentr_pipeline.worker_slots import slots_folder

# Whom the containers run as where root starts them; the image's own user.
USUAL_USER = 1000
ENGINE_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True)
class HostCards:
    """The cards of this machine that the worker slots are on.

    Attributes:
        used: their UUIDs; none: the slots are on the CPU.
        scaled: those of ``GPU_SCALE_DEVICE_ID``, as a container must name them, where a card may
            have another number.
        default: that of ``GPU_DEVICE_ID``, likewise.
    """

    used: tuple[str, ...]
    scaled: str
    default: str

    @classmethod
    def of(cls, settings: Settings, cards: Sequence[Device] | None = None) -> "HostCards":
        """As the settings ask for.

        Args:
            settings: checked settings.
            cards: of this machine; None: ask the driver.

        Raises:
            SettingsError: a card that is not there.
        """
        cards = list_host_cards() if cards is None else cards
        slots = worker_slots(settings, cards)
        used = dict.fromkeys(slot.device.uuid for slot in slots if not slot.device.is_cpu)
        uuid = {name: card.uuid for card in cards for name in (card.number, card.uuid)}
        scaled = settings.gpu_scale_device_id.split(",")
        default = settings.gpu_device_id
        if default == "auto":
            default = cards[0].uuid if cards else "cpu"
        return cls(
            tuple(used),
            ",".join(uuid.get(name, name) for name in scaled),
            uuid.get(default, default),
        )


def list_host_cards() -> list[Device]:
    """The NVIDIA cards of this machine, by the driver's own tool: the extra gpu is not needed."""
    if not shutil.which("nvidia-smi"):
        return []
    query = ["--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(["nvidia-smi", *query], check=False, capture_output=True, text=True)
    rows = [line.split(", ") for line in done.stdout.splitlines()] if not done.returncode else []
    return [Device(row[0], row[1], row[2], int(float(row[3]) * 2**20)) for row in rows]


def user() -> int:
    """Whom the containers run as: whoever asks, but never root."""
    return os.getuid() or USUAL_USER


def make_folders(settings: Settings, state: Path) -> None:
    """Make what the containers write into; where root asks, hand it to their user.

    Raises:
        ServiceError: a folder that cannot be made.
    """
    try:
        for folder in (settings.output_root, state, settings.models_root):
            folder.mkdir(parents=True, exist_ok=True)
        if not os.getuid():
            os.chown(settings.models_root, user(), user())
            hand_over(settings.output_root)
            hand_over(state)
    except OSError as error:
        raise ServiceError(f"{error.filename} cannot be made: {error.strerror}.") from None


def hand_over(folder: Path) -> None:
    """Give a folder and all in it to the containers' user; only root can."""
    for place, _, names in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in names)):
            os.lchown(path, user(), user())


def environment(settings: Settings, cards: HostCards, state: Path) -> dict[str, str]:
    """The variables that the compose files name.

    Args:
        settings: of this machine.
        cards: that the stack may use.
        state: the folder for what the containers keep beside the database.

    Raises:
        SettingsError: a value that cannot work inside.
    """
    if not settings.postgres_password:
        raise SettingsError("The production stack needs POSTGRES_PASSWORD; set one in .env.")
    said = {name.upper(): _text(value) for name, value in settings.model_dump().items()}
    for name in ("WHISPER_VOCABULARY_FILE", "FOLDER_OPTIONS_FILE"):
        if said[name] not in ("", "auto"):
            said[name] = _inside(name, settings.resolved(said[name]), settings.archive_root)
    return {
        **said,
        "DAGSTER_POSTGRES_URL": "postgresql://opentr:"
        f"{quote(settings.postgres_password, safe='')}@postgres/opentr",
        "GPU_DEVICE_ID": cards.default,
        "GPU_SCALE_DEVICE_ID": cards.scaled,
        "STACK_CARDS": ",".join(cards.used),
        "STACK_USER": f"{user()}:{os.getgid() or USUAL_USER}",
        "DOCKER_GROUP": str(ENGINE_SOCKET.stat().st_gid if ENGINE_SOCKET.exists() else 0),
        "ARCHIVE_DIR": str(settings.archive_root),
        "OUTPUT_DIR": str(settings.output_root),
        "STATE_DIR": str(state),
        "MODELS_DIR": str(settings.models_root.resolve()),
        "WORKER_SLOTS_DIR": str(slots_folder(settings)),
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _inside(variable: str, path: Path, archive: Path) -> str:
    """A file of the archive, as the containers see it."""
    if not path.is_relative_to(archive):
        raise SettingsError(
            f"{variable}={path} is outside the archive, so the containers cannot read it; put it "
            f"into {archive}."
        )
    return str(Path("/archive", path.relative_to(archive)))
