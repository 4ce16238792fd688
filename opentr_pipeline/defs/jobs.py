"""The main job, and the checks by themselves."""

from dagster import AssetSelection, define_asset_job
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from opentr_pipeline.commands import command
from opentr_pipeline.defs.names import Names

MAIN_JOB = "transcribe_archive"


def transcribe_archive(names: Names, *, with_speakers: bool) -> UnresolvedAssetJobDefinition:
    """The main job.

    Args:
        names: of the archive.
        with_speakers: whether there may be anything to do about these; else it costs no step.
    """
    assets = ["recordings", "transcripts", *["speakers"] * with_speakers]
    told = "tells speakers apart, " * with_speakers
    return define_asset_job(
        names.name(MAIN_JOB),
        selection=AssetSelection.assets(*map(names.key, assets)),
        description="Probes the media files of the chosen partitions, transcribes what is missing, "
        f"stale or failed in them, {told}and judges all that is published. Started by the sensor "
        f"`uploads` (new media), the schedule `nights` (what is left), `{command('run')}`, and by "
        "hand. "
        "When it fails: the failed step says which recordings are left and what to do; launching "
        "it again costs only those.",
    )


def check_transcripts(names: Names) -> UnresolvedAssetJobDefinition:
    """The checks by themselves."""
    return define_asset_job(
        names.name("check_transcripts"),
        selection=AssetSelection.checks_for_assets(names.key("transcripts")),
        description="Judges what is published in all partitions, without transcribing anything. "
        "Launch it after a reference was added beside the media; transcribe_archive does the same "
        "at its end.",
    )
