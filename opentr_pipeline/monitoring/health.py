"""Whether everything that an archive needs is in order; each check is one sentence."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.commands import command
from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.memory_limits import closed_slots
from opentr_pipeline.devices.shared_folder import cannot_be_used, slots_folder
from opentr_pipeline.errors import ServiceError, SettingsError, StoreError
from opentr_pipeline.launching.run_state import active_runs, automations, daemon_beats
from opentr_pipeline.locks import try_lock
from opentr_pipeline.monitoring.cluster import cluster_state
from opentr_pipeline.monitoring.doctor import Finding, looked_at, slots_said
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.services.dev import DevServices, StackServices, services_of
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.elsewhere import elsewhere_of

MIN_FREE_BYTES = 1_000_000_000
# File systems on which a lock of one host may not be seen by another, or not at all.
REMOTE_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse.sshfs", "ceph", "glusterfs", "lustre", "afs")


def check_all(load: Callable[[], Settings]) -> Iterator[Finding]:
    """Look at one thing after the other.

    Args:
        load: gives the settings, or refuses.
    """
    try:
        setup = Setup(load())
    except SettingsError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, "every value can work")
    settings, workspace = setup.settings, setup.workspace
    services = services_of(settings)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("archive", lambda: _archive(workspace.archive)),
        ("output", lambda: _output(workspace)),
        ("state", lambda: _folder("OPENTR_HOME", workspace.home)),
        ("devices", lambda: slots_said(setup.slots)),
        ("model", lambda: _model(setup.model)),
        ("worker slots", lambda: _slots_folder(setup.slots, workspace.worker_slots)),
        ("page", lambda: _page(services)),
    ]
    if services.is_running():
        checks += [
            ("daemon", lambda: _daemon(workspace, services)),
            ("code location", lambda: _code_location(services)),
            ("automation", lambda: _automation(settings)),
        ]
    if settings.cluster_address:
        checks.append(("cluster", lambda: _cluster(settings)))
    checks.append(("runs", lambda: _runs(workspace)))
    yield from looked_at(checks)


def _archive(archive: Place) -> str:
    return f"{len(scan(archive).media_files)} media files in {archive}"


def _output(workspace: Workspace) -> str:
    said = _folder("OUTPUT_DIR", workspace.output)
    if workspace.output_bucket is None:
        return said
    elsewhere_of(workspace).follow_all()
    return f"{workspace.output_bucket} can be read; the copy in {said}"


def _folder(variable: str, folder: Path) -> str:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"{variable}={folder} cannot be written; make {there} writable.")
    free = shutil.disk_usage(there).free
    if free < MIN_FREE_BYTES:
        raise StoreError(
            f"The disk of {variable}={folder} has {free / 1e9:.2f} GB left; make room."
        )
    return f"{folder} can be written, {free / 1e9:.1f} GB free"


def _model(model: Model) -> str:
    return f"{model.name} is in {model.folder}"


def _slots_folder(slots: Sequence[WorkerSlot], folder: Path) -> str:
    slots_folder(folder)
    try:
        descriptor = try_lock(folder / f"health-{os.getpid()}")
        (folder / f"health-{os.getpid()}").unlink()
    except OSError as error:
        raise cannot_be_used(folder, error) from None
    if descriptor is not None:
        os.close(descriptor)
    kind = file_system(folder)
    if kind.startswith(REMOTE_FILE_SYSTEMS):
        raise StoreError(f"{folder} is on {kind}; set WORKER_SLOTS_DIR to a local disk.")
    if closed := closed_slots(slots, folder):
        raise ServiceError(" ".join(limit.sentence for limit in closed))
    return f"{folder} holds the locks, on {kind or 'a local disk'}"


def file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The kind of file system that a folder is on, such as ``ext4``; empty where nobody says."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    at = {
        line.split()[1].encode().decode("unicode_escape"): line.split()[2] for line in lines if line
    }
    place = folder.resolve()
    return next((at[str(one)] for one in (place, *place.parents) if str(one) in at), "")


def _page(services: DevServices | StackServices) -> str:
    if not services.is_running():
        if left := services.processes():
            raise ServiceError(
                f"The services were killed and left {len(left)} processes behind; "
                f"{command('start dev')} ends those and starts again."
            )
        if services.were_killed:
            raise ServiceError(
                "The page and the daemon ended, and nobody stopped them; "
                f"{command('start dev')} starts them again."
            )
        return (
            f"nobody started it; {command('start dev')} does, for new media and nights; "
            f"{command('run')} works without"
        )
    if not services.answers():
        raise ServiceError(
            f"{services.address} does not answer; {command(f'logs {services.name}')} may say why."
        )
    return services.address


def _daemon(workspace: Workspace, services: DevServices | StackServices) -> str:
    beats = daemon_beats(workspace)
    if late := [beat.name for beat in beats if not beat.is_fresh]:
        raise ServiceError(
            f"No sign of life from {', '.join(late)}; {command(f'logs {services.name}')} may say "
            "why."
        )
    if errors := [f"{beat.name}: {beat.error}" for beat in beats if beat.error]:
        raise ServiceError(f"The daemon reports errors: {'; '.join(errors)}")
    return f"{len(beats)} parts, all with a sign of life in the last two minutes"


def _code_location(services: DevServices | StackServices) -> str:
    if error := services.code_location_error():
        raise ServiceError(f"The code location does not load: {error}")
    return "loaded"


def _automation(settings: Settings) -> str:
    found = automations(settings)
    if wrong := [f"{one.name}: {one.error}" for one in found if one.error]:
        raise ServiceError(f"The last tick failed of {'; '.join(wrong)}")
    return ", ".join(f"{one.name} is {'on' if one.is_on else 'off'}" for one in found) or "none"


def _cluster(settings: Settings) -> str:
    state = cluster_state(settings)
    if not state.num_slots:
        raise ServiceError(
            f"No host with worker slots has joined {state.address}; {command('cluster join')} on a "
            "machine does."
        )
    names = ", ".join(host.name for host in state.hosts)
    return f"{state.address} has {state.num_slots} worker slots on {names}"


def _runs(workspace: Workspace) -> str:
    runs = active_runs(workspace)
    if lost := [run.run_id for run in runs if run.is_orphan]:
        raise ServiceError(
            f"The process of {len(lost)} run(s) is gone ({', '.join(lost)}); the daemon ends such "
            f"runs: {command('start dev')}."
        )
    return f"{len(runs)} active"
