"""Shortens the ticks of Dagster's daemon for tests: no setting does that for backfills.

Python imports this where the folder is on ``PYTHONPATH``; it touches the daemon's process alone.
"""

import sys

if "dagster._daemon" in sys.orig_argv:
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
