"""The main job, and the checks by themselves."""

from dagster import AssetSelection, define_asset_job

transcribe_archive = define_asset_job(
    "transcribe_archive",
    selection=AssetSelection.assets("recordings", "transcripts"),
    description="Probes the media files of the chosen partitions, transcribes what is missing, "
    "stale or failed in them, and judges all that is published. Started by the sensor `uploads` "
    "(new media), the schedule `nights` (what is left), `opentr run`, and by hand. When it fails: "
    "the failed step says which recordings are left and what to do; launching it again costs only "
    "those.",
)
check_transcripts = define_asset_job(
    "check_transcripts",
    selection=AssetSelection.checks_for_assets("transcripts"),
    description="Judges what is published in all partitions, without transcribing anything. Launch "
    "it after a reference was added beside the media; transcribe_archive does the same at its end.",
)
