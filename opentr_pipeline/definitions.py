"""The code location that ``workspace.yaml`` names."""

from dagster import Definitions, JobDefinition

from opentr_pipeline.defs.assets import recordings, transcripts
from opentr_pipeline.defs.checks import judge_transcripts
from opentr_pipeline.defs.gpu_slots import slots_executor
from opentr_pipeline.defs.jobs import check_transcripts, transcribe_archive
from opentr_pipeline.defs.pages import pages
from opentr_pipeline.defs.refresh_sensor import refreshes_sensor
from opentr_pipeline.defs.report import archive_report
from opentr_pipeline.defs.resources import transcription_resource
from opentr_pipeline.defs.schedules import nights_schedule
from opentr_pipeline.defs.search_asset import search_index
from opentr_pipeline.defs.sensors import uploads_sensor
from opentr_pipeline.defs.subtitles import subtitles
from opentr_pipeline.devices.cards import list_cards, worker_slots
from opentr_pipeline.settings.environment import load_settings

_settings = load_settings()
# What is made from transcripts follows them by itself; what has no partitions, once an hour.
_followers = [subtitles, pages, search_index, archive_report]

defs = Definitions(
    assets=[recordings, transcripts, *_followers],
    asset_checks=[judge_transcripts],
    jobs=[transcribe_archive, check_transcripts],
    schedules=[nights_schedule(_settings)],
    sensors=[uploads_sensor(_settings), refreshes_sensor(_settings, _followers)],
    resources={"transcription": transcription_resource(_settings)},
    executor=slots_executor(len(worker_slots(_settings, list_cards()))),
)


def transcribe_archive_job() -> JobDefinition:
    """The main job, in the form that other processes can build again."""
    return defs.resolve_job_def("transcribe_archive")
