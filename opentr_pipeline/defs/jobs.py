"""The main job."""

from dagster import AssetSelection, define_asset_job

from opentr_pipeline.defs.partitions import archive_partitions

transcribe_archive = define_asset_job(
    "transcribe_archive",
    selection=AssetSelection.assets("recordings", "transcripts"),
    partitions_def=archive_partitions,
    description="Probe the media files of the chosen partitions and transcribe what is not done.",
)
