"""What the commands' tables and lines share; names are Text, so that [bold] stays a name."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from opentr_pipeline.devices.leases import Holder
from opentr_pipeline.wording import duration_text, visible

NUM_KEYS_SHOWN = 3
NUM_ID_LETTERS = 8  # as on Dagster's page


def lines(facts: Iterable[tuple[str, str]]) -> RenderableType:
    """A line for each fact, after its name."""
    return Group(*(Text(f"{name:14}{visible(said)}") for name, said in facts))


def holder_text(holder: Holder) -> str:
    """Who holds a worker slot, for which partitions, since when."""
    slot = f"{holder.worker} {holder.slot}"
    if not holder.run_id:
        return slot
    keys = "".join(f", {key}" for key in holder.partitions[:NUM_KEYS_SHOWN])
    more = " ..." if len(holder.partitions) > NUM_KEYS_SHOWN else ""
    held = duration_text(holder.held_s or 0.0)
    run = holder.run_id[:NUM_ID_LETTERS]
    return f"{slot}, run {run}{keys}{more}, since {clock_text(holder.since)} ({held})"


def speed_text(speed_x: float | None, otherwise: str) -> str:
    """``9.8x``, or something else where nothing was measured."""
    return otherwise if speed_x is None else f"{speed_x:.1f}x"


def clock_text(at: str) -> str:
    """A time in ISO 8601 as the clock here shows it, to the minute."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}"


def table(*columns: tuple[str, str]) -> Table:
    """An empty table.

    Args:
        columns: the name of each, and the side that it is set to, ``left`` or ``right``.
    """
    made = Table(box=None, header_style="bold", pad_edge=False)
    for name, side in columns:
        made.add_column(name, justify="right" if side == "right" else "left")
    return made
