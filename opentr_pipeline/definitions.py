"""The code location that ``workspace.yaml`` and ``[tool.dg]`` name."""

from dagster import Definitions, JobDefinition

from opentr_pipeline.defs.build import archive_defs
from opentr_pipeline.defs.forked_runs import fork_runs
from opentr_pipeline.defs.handed_on import handed_on
from opentr_pipeline.defs.jobs import MAIN_JOB
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.script_places import find_scripts_once
from opentr_pipeline.settings.environment import load_settings

find_scripts_once()
# The archive of the environment has a Dagster to itself, so no name needs a prefix.
NAMES, SETTINGS = Names(), load_settings()
# Dagster's own way of keeping values, which nothing of ours uses, could be told by any run to load
# pickles from anywhere.
defs = Definitions.merge(
    archive_defs(SETTINGS, NAMES, with_executor=True),
    Definitions(resources={"io_manager": handed_on(SETTINGS)}),
)


def transcribe_archive_job() -> JobDefinition:
    """The main job, in the form that other processes can build again."""
    return defs.resolve_job_def(NAMES.name(MAIN_JOB))


fork_runs()  # last, for what is refused above is to be said once
