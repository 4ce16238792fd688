"""Keeps a code server from growing with every tick, and steps from reading what does not change."""

import functools
from typing import Any

from alembic import util
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION


def find_scripts_once() -> None:
    """Let Alembic find Dagster's scripts, and read them, once in a process.

    Each tick of a sensor and each step opens Dagster's instance anew, with its databases. For each
    of these Alembic looks up the folder of the scripts, and holds what it looked it up with until
    the process ends; and it reads all of them for the number of the newest, which takes 20 ms.
    """
    found = util.coerce_resource_to_filename
    if hasattr(found, "cache_info"):
        return
    util.coerce_resource_to_filename = functools.cache(found)
    directory_of = ScriptDirectory.from_config
    kept: list[ScriptDirectory] = []

    def from_config(config: Config) -> ScriptDirectory:
        if config.get_main_option("script_location") != ALEMBIC_SCRIPTS_LOCATION:
            return directory_of(config)  # somebody else's
        if not kept:
            kept.append(directory_of(config))
        return kept[0]

    patched: Any = ScriptDirectory
    patched.from_config = from_config


def read_scripts() -> None:
    """Read them now, so that forks of this process need not."""
    config = Config()
    config.set_main_option("script_location", ALEMBIC_SCRIPTS_LOCATION)
    ScriptDirectory.from_config(config).as_revision_number("head")
