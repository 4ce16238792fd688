"""What the production stack is told: the settings of this machine as its containers see them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from opentr_pipeline.devices.cards import Device, visible, worker_slots
from opentr_pipeline.devices.shared_folder import CONTAINERS_USER, slots_folder
from opentr_pipeline.errors import ServiceError, SettingsError
from opentr_pipeline.pages.lists import FOLDER as PAGES
from opentr_pipeline.recognition.models import is_directory_name
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.environment import Settings, cuda_variable
from opentr_pipeline.settings.folder_file import NAME as FOLDER_FILE_NAME
from opentr_pipeline.settings.folder_file import folder_file
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.layout import EDITS, EXPORTS
from opentr_pipeline.transcripts.store import TranscriptStore

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
        if settings.cluster_address:  # whose hosts have the cards
            return cls((), settings.gpu_scale_device_id, settings.gpu_device_id)
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
    cards = [Device(row[0], row[1], row[2], _memory_bytes(row[3])) for row in rows if len(row) == 4]
    said = cuda_variable("CUDA_VISIBLE_DEVICES")
    return cards if said is None else visible(cards, said)


def _memory_bytes(mebibytes: str) -> int:
    try:
        return int(float(mebibytes) * 2**20)
    except ValueError:  # [N/A], of a card that shares the machine's
        return 0


def user() -> int:
    """Whom the containers run as: whoever asks, but never root."""
    return os.getuid() or CONTAINERS_USER


def group() -> int:
    """The group that the containers run as."""
    return os.getgid() or CONTAINERS_USER


def make_folders(workspace: Workspace, state: Path) -> None:
    """Make what the containers write into; where root asks, hand it to their user.

    Raises:
        ServiceError: a folder that cannot be made.
    """
    try:
        for folder in (workspace.output, state, workspace.models):
            folder.mkdir(parents=True, exist_ok=True)
        if not os.getuid():
            for folder in (workspace.models, workspace.output):
                os.chown(folder, user(), user())
            ours = TranscriptStore(workspace.output).folders
            for folder in (
                *ours,
                *(workspace.output / name for name in (EXPORTS, PAGES, EDITS)),
                state,
            ):
                hand_over(folder)
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
    if is_directory_name(settings.whisper_model):
        raise SettingsError(
            f"WHISPER_MODEL={settings.whisper_model} is a directory, which the containers do not "
            "have; set a name or a hub id, whose model they keep in MODELS_DIR."
        )
    said = {name.upper(): _text(value) for name, value in settings.model_dump().items()}
    return {
        **said,
        **_files(settings),
        **_mounted(settings.workspace, state),
        "DAGSTER_POSTGRES_URL": "postgresql://opentr:"
        f"{quote(settings.postgres_password, safe='')}@postgres/opentr",
        "GPU_DEVICE_ID": cards.default,
        "GPU_SCALE_DEVICE_ID": cards.scaled,
        "STACK_CARDS": ",".join(cards.used),
        "STACK_USER": f"{user()}:{group()}",
        "DOCKER_GROUP": str(ENGINE_SOCKET.stat().st_gid if ENGINE_SOCKET.exists() else 0),
    }


def _files(settings: Settings) -> dict[str, str]:
    """The files that settings name, as the containers see them; they find the archive's own."""
    archive = _archive_folder(settings.workspace)
    vocabulary, options = settings.whisper_vocabulary_file, folder_file(settings)
    files = {"WHISPER_VOCABULARY_FILE": settings.resolved(vocabulary)} if vocabulary else {}
    if isinstance(options, Path) and options != archive / FOLDER_FILE_NAME:
        files["FOLDER_OPTIONS_FILE"] = options
    return {name: _inside(name, path, archive) for name, path in files.items()}


def _mounted(workspace: Workspace, state: Path) -> dict[str, str]:
    """The folders that the containers share with this machine."""
    folders = {
        "ARCHIVE_DIR": _archive_folder(workspace),
        "OUTPUT_DIR": _output_folder(workspace),
        "OPENTR_HOME": state,
        "MODELS_DIR": workspace.models.resolve(),
        "WORKER_SLOTS_DIR": slots_folder(workspace.worker_slots),
    }
    for name, folder in folders.items():
        if ":" in str(folder):
            raise SettingsError(
                f"{name}={folder} has a colon, which ends a path where Docker mounts it; set "
                "another path, or a link to it without one."
            )
    slots = folders["WORKER_SLOTS_DIR"]
    if not _can_write(slots.stat()):
        raise SettingsError(
            f"WORKER_SLOTS_DIR={slots} cannot be written by user {user()}, whom the containers "
            f"run as; chmod 1777 {slots}, or set another folder."
        )
    return {name: str(folder) for name, folder in folders.items()}


def _archive_folder(workspace: Workspace) -> Path:
    if isinstance(workspace.archive, BucketAddress):
        raise _refused("ARCHIVE_DIR", workspace.archive)
    return workspace.archive


def _output_folder(workspace: Workspace) -> Path:
    if workspace.output_bucket:
        raise _refused("OUTPUT_DIR", workspace.output_bucket)
    return workspace.output


def _refused(variable: str, address: BucketAddress) -> SettingsError:
    return SettingsError(
        f"{variable}={address} is in a bucket, and the production stack takes folders; start dev "
        "takes buckets."
    )


def _can_write(folder: os.stat_result) -> bool:
    """Whether the containers' user can make files in a folder, by what they have of its rights."""
    shift = 6 if folder.st_uid == user() else 3 if folder.st_gid == group() else 0
    return folder.st_mode >> shift & 0o3 == 0o3


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
