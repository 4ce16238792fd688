"""Keeps a code server from growing with every tick."""

import functools

from alembic import util


def find_scripts_once() -> None:
    """Let Alembic find the folder of Dagster's scripts once, and not at every tick.

    Each tick of a sensor opens Dagster's instance anew, with its databases; for each of these
    Alembic looks up the folder, and holds what it looked it up with until the process ends.
    """
    found = util.coerce_resource_to_filename
    if not hasattr(found, "cache_info"):
        util.coerce_resource_to_filename = functools.cache(found)
