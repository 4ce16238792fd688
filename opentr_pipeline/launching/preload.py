"""Imported once by the server that steps are forked from, so that each is born with it.

Of the services that is one for all runs of a code server, and runs are forked from it too. The code
location, and the parts of Dagster that a step would otherwise import when it opens the
instance: 1.7 s of CPU for each step becomes 0.2 s. A test bounds what a step still imports.
Nothing here may touch a device or start a thread of Python's: steps are forks of it. (numpy and
pyarrow bring native helper threads; both restart them after a fork.)
"""

import gc

gc.disable()  # none of what follows ever goes; to look for garbage in it takes a fifth of the time

import dagster._core.executor.child_process_executor
import dagster._core.executor.multiprocess
import dagster._core.instance.factory
import dagster._core.storage.local_compute_log_manager
import dagster._core.storage.sqlite_storage
import dagster._grpc.impl
import pandas  # which pyarrow imports with the first array that a step makes
import sqlalchemy.dialects.sqlite
import upath.implementations.local

import opentr_pipeline.definitions
from opentr_pipeline.defs.script_places import read_scripts
from opentr_pipeline.steps.birth import fork_grandchildren_too

read_scripts()
fork_grandchildren_too()
gc.freeze()  # nor do steps look at it
gc.enable()
