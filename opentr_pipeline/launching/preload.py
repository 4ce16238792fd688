"""Imported once by the forkserver of a run, so that each step is born with it.

The code location, and the parts of Dagster that a step would otherwise import when it opens the
instance: 1.4 s of CPU for each step becomes 0.2 s. A test bounds what a step still imports.
Nothing here may touch a device or start a thread of Python's: steps are forks of it. (numpy and
pyarrow bring native helper threads; both restart them after a fork.)
"""

import dagster._core.executor.child_process_executor
import dagster._core.executor.multiprocess
import dagster._core.instance.factory
import dagster._core.storage.local_compute_log_manager
import dagster._core.storage.sqlite_storage
import sqlalchemy.dialects.sqlite
import upath.implementations.local

import opentr_pipeline.definitions
