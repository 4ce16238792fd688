"""The hosts of an archive's cluster: looked at once each, refused where they do not share folders.

What was seen is kept in the archive's state, so that plans and sensors need not ask the head.
"""

import dataclasses
import json
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path

from opentr_pipeline import __version__
from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.commands import command
from opentr_pipeline.devices.cluster_slots import Host, cluster_slots, num_slots_on
from opentr_pipeline.errors import ServiceError, SettingsError
from opentr_pipeline.services import host_look
from opentr_pipeline.services.ray_cluster import RayCluster, check_installed
from opentr_pipeline.settings.addresses import BucketAddress, Place
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.elsewhere import elsewhere_of
from opentr_pipeline.transcripts.layout import StoreLayout, disk_sentences
from opentr_pipeline.whole_files import write_whole

LOOK = ("python", "-m", "opentr_pipeline.services.host_look")
TOKEN_NAME = "cluster-token"
KEPT_NAME = "cluster.json"
# To tell an archive from another folder of that name, some of what it holds is enough.
NUM_MEDIA = 3


def check_possible(settings: Settings) -> None:
    """Refuse a cluster that cannot work, before anybody is asked.

    Raises:
        SettingsError: the extra is not installed, or Dagster's state is in SQLite.
    """
    check_installed()
    if not settings.dagster_postgres_url and not settings.postgres_password:
        raise SettingsError(
            f"CLUSTER_ADDRESS={settings.cluster_address} needs Dagster's state in PostgreSQL, "
            "which its hosts can reach, not in SQLite; set DAGSTER_POSTGRES_URL."
        )


def meet(settings: Settings) -> list[Host]:
    """The hosts that are there now; those that joined since the last time are looked at.

    Raises:
        ServiceError: the head or a host does not answer.
        SettingsError: a host has another release, or does not see the folders.
    """
    check_possible(settings)
    cluster, workspace = RayCluster(settings.cluster_address), settings.workspace
    known = {host.node: host for host in _kept(workspace, settings.cluster_address)}
    joined = cluster.hosts()
    there = [host for host in joined if num_slots_on(host, settings, joined)]
    fresh = [host for host in there if host.node not in known]
    if fresh:
        wanted = shlex.join([*LOOK, json.dumps(_shared(workspace))])
        said = cluster.say_on_each(fresh, wanted, {})
        known |= {host.node: _checked(host, said[host.node], settings) for host in fresh}
    hosts = [known[host.node] for host in there]
    _keep(workspace, settings.cluster_address, hosts)
    return hosts


def _checked(host: Host, said: str, settings: Settings) -> Host:
    """A host with what it said of itself, if it can do the work."""
    try:
        facts = host_look.read(said)
    except ValueError:
        raise ServiceError(
            f"{host.name} ({host.address}) of the cluster {settings.cluster_address} has another "
            "release of this program; install the same version there."
        ) from None
    if facts["version"] != __version__:
        raise SettingsError(
            f"{host.name} ({host.address}) of the cluster {settings.cluster_address} has "
            f"opentr-pipeline {facts['version']}, not {__version__}; install the same there."
        )
    if missing := facts["missing"]:
        name = missing[0]
        place = _places(settings.workspace)[name]
        remedy = "mount the same folder at the same path on every host"
        if isinstance(place, BucketAddress):
            remedy = "let that host reach it, with credentials in the environment in which it joins"
        raise SettingsError(
            f"{name}={place} is not shared with {host.name} ({host.address}), a host of the "
            f"cluster {settings.cluster_address}, which finds something else or nothing there; "
            f"{remedy}."
        )
    return dataclasses.replace(host, version=facts["version"], cards=facts["cards"])


def _places(workspace: Workspace) -> dict[str, Place]:
    """What every host must see by the same name, by the variables that say it."""
    return {
        "ARCHIVE_DIR": workspace.archive,
        "OUTPUT_DIR": workspace.output_place,
        "OPENTR_HOME": workspace.home,
        "MODELS_DIR": workspace.models,
    }


def _shared(workspace: Workspace) -> dict[str, str]:
    """What a host must find; see ``host_look.looked_for``."""
    kept = {"MODELS_DIR": str(workspace.models)}
    if bucket := workspace.output_bucket:  # then the state is each host's own
        token = elsewhere_of(workspace).keep_first(TOKEN_NAME, secrets.token_hex(16))
        kept["OUTPUT_DIR"] = f"{bucket / f'.store/{TOKEN_NAME}'}\n{token}\n{bucket.endpoint}"
    else:
        output = StoreLayout(workspace.output).inner / TOKEN_NAME
        tokens = {"OUTPUT_DIR": output, "OPENTR_HOME": workspace.state / TOKEN_NAME}
        kept |= {name: f"{path}\n{_token(path, workspace)}" for name, path in tokens.items()}
    if isinstance(workspace.archive, BucketAddress):
        kept["ARCHIVE_DIR"] = f"{workspace.archive}\n\n{workspace.archive.endpoint}"
    else:
        # Nothing is written into an archive; so of the archive what it holds must be there.
        media = scan(workspace.archive).media_files[:NUM_MEDIA]
        seen = [workspace.archive / one.path for one in media] or [workspace.archive]
        kept["ARCHIVE_DIR"] = str(seen[-1])
    return kept


def _token(path: Path, workspace: Workspace) -> str:
    """A text that no other folder has."""
    with disk_sentences(workspace.output):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_whole(path, secrets.token_hex(16).encode())
        return path.read_text()


def _kept(workspace: Workspace, address: str) -> list[Host]:
    try:
        kept = json.loads((workspace.state / KEPT_NAME).read_bytes())
        return [_host(one) for one in kept[address]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # none yet, or another release's
        return []


def _host(kept: dict[str, object]) -> Host:
    facts = {"version": kept["version"], "cards": kept["cards"], "missing": []}
    said = host_look.read(f"{host_look.MARK}{json.dumps(facts)}")
    return Host(**{**kept, "cards": said["cards"]})


def _keep(workspace: Workspace, address: str, hosts: Sequence[Host]) -> None:
    workspace.state.mkdir(parents=True, exist_ok=True)
    facts = {address: [dataclasses.asdict(host) for host in hosts]}
    write_whole(workspace.state / KEPT_NAME, json.dumps(facts).encode())


def known_hosts(settings: Settings) -> list[Host]:
    """The hosts that were there when somebody last looked; where none were, those that are now.

    Raises:
        ServiceError: there is none, or the head does not answer.
        SettingsError: a host cannot do the work.
    """
    hosts = _kept(settings.workspace, settings.cluster_address)
    if not cluster_slots(settings, hosts):
        hosts = meet(settings)
    if not cluster_slots(settings, hosts):
        head = settings.cluster_address.partition("://")[2].rpartition(":")[0]
        raise ServiceError(
            f"No host with worker slots has joined the cluster {settings.cluster_address}; on "
            f"each, say {command(f'cluster join {head}:6379')}."
        )
    return hosts
