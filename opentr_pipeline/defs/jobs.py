"""The main job."""

from dagster import AssetSelection, define_asset_job

transcribe_archive = define_asset_job(
    "transcribe_archive",
    selection=AssetSelection.assets("recordings", "transcripts"),
    description="Probe the media files of the chosen partitions and transcribe what is not done.",
)
