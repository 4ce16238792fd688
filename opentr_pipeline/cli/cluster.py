"""``opentr cluster``: this machine as the head or a host of a cluster, and how its hosts do."""

from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import Commands, json_option, print_json, settings_to_look
from opentr_pipeline.commands import command
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.wording import number_text

if TYPE_CHECKING:
    from opentr_pipeline.monitoring.cluster import ClusterState


@click.group(cls=Commands)
def cluster() -> None:
    """Transcribe on several machines: be the head or a host of a cluster, or see how it does."""


@cluster.command()
@click.argument("address", required=False)
def head(address: str | None) -> None:
    """Make this machine the head, which other machines reach by ADDRESS (default: its own)."""
    from opentr_pipeline.services import cluster_node

    home = settings_to_look(None).workspace.home
    there = address or cluster_node.own_address()
    page = cluster_node.start_head(home, there)
    host = f"{there}:{cluster_node.HEAD_PORT}"
    terminal.say(
        f"The head is at {page}. On each host: {command(f'cluster join {host}')}; here: "
        f"{command(f'start dev --cluster {page}')}."
    )


@cluster.command()
@click.argument("head", metavar="HEAD:6379")
def join(head: str) -> None:
    """Give this machine to the cluster of a head: its cards, or GPU_SCALE_WORKERS slots."""
    from opentr_pipeline.devices.cluster_slots import slots_each
    from opentr_pipeline.services import cluster_node

    settings = settings_to_look(None)
    if not settings.dagster_postgres_url:
        raise SettingsError(
            "Steps on this machine need DAGSTER_POSTGRES_URL, the same as the head's runs; set it "
            "in .env here."
        )
    its_own = {
        "DAGSTER_POSTGRES_URL": settings.dagster_postgres_url,
        "WORKER_SLOTS_DIR": str(settings.workspace.worker_slots),
    }
    cluster_node.join(settings.workspace.home, head, slots_each(settings), its_own)
    terminal.say(f"This machine has joined {head}; {command('cluster leave')} ends that.")


@cluster.command()
def leave() -> None:
    """End what of a cluster runs on this machine; its steps begin again on other hosts."""
    from opentr_pipeline.services.cluster_node import Node

    home = settings_to_look(None).workspace.home
    ended = [kind for kind in ("host", "head") if Node(home, kind).stop()]
    terminal.say(f"Ended: {' and '.join(ended)}." if ended else "Nothing was running.")


@cluster.command()
@json_option
def status(as_json: bool) -> None:
    """Show the hosts of CLUSTER_ADDRESS, their cards, slots, and what each does."""
    from opentr_pipeline.monitoring.cluster import cluster_state

    settings = settings_to_look(None)
    if not settings.cluster_address:
        raise SettingsError(
            "CLUSTER_ADDRESS is not set, so that this machine transcribes; set it to a head, such "
            "as http://head.example:8265."
        )
    found = cluster_state(settings)
    if as_json:
        print_json(found)
    else:
        _show(found)


def _show(state: "ClusterState") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("host", "cards", "slots", "steps", box=None, header_style="bold", pad_edge=False)
    for host in state.hosts:
        cards = ", ".join(host.cards) or "CPU"
        steps = "; ".join(host.steps) or "-"
        slots = f"{len(host.steps)} of {host.num_slots}"
        table.add_row(Text(host.name), Text(cards), slots, Text(steps))
    console = terminal.console()
    console.print(table)
    console.print(
        f"{number_text(len(state.hosts), 'host')}, {state.num_running} of {state.num_slots} worker "
        f"slots in use, {number_text(state.num_waiting, 'step')} in the queue of {state.address}.",
        soft_wrap=True,
    )
