"""The schedule that fills, by night, what is missing, failed or stale."""

from collections.abc import Sequence

from dagster import (
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster._utils.schedules import is_valid_cron_string

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.defs.gpu_slots import PRIORITIES, PRIORITY_TAG
from opentr_pipeline.defs.jobs import MAIN_JOB
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions, registered
from opentr_pipeline.defs.run_config import plan_config, speaker_config
from opentr_pipeline.defs.tags import NIGHT_TAG
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.planning import backlog, nights
from opentr_pipeline.planning.backlog import RecordingWork
from opentr_pipeline.planning.run_ranges import grouped
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_work import speaker_work
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import example_file


def nights_schedule(settings: Settings, names: Names, *, with_speakers: bool) -> ScheduleDefinition:
    """The schedule ``nights``, when and how long the settings say.

    Args:
        settings: of the archive.
        names: likewise.
        with_speakers: whether the main job tells speakers apart.

    Raises:
        SettingsError: nobody can tell when that is.
    """
    if not is_valid_cron_string(settings.night_cron):
        raise SettingsError(
            f"NIGHT_CRON must be five fields as cron has them, such as 0 22 * * *, got "
            f"{settings.night_cron!r}; see {example_file()}."
        )

    @schedule(
        job_name=names.name(MAIN_JOB),
        name=names.name("nights"),
        cron_schedule=settings.night_cron,
        execution_timezone=settings.night_time_zone,
        description=f"Transcribes what is missing, failed or stale, up to "
        f"{settings.night_budget} of audio, until {settings.night_until} "
        f"({settings.night_time_zone}). What is done by then is kept, the next night goes on. "
        "Uploads go first. Set NIGHT_CRON, NIGHT_TIME_ZONE, NIGHT_UNTIL and NIGHT_BUDGET.",
    )
    def fill(context: ScheduleEvaluationContext) -> list[RunRequest] | SkipReason:
        return _night(context, Setup(settings), names, with_speakers)

    return fill


def _night(
    context: ScheduleEvaluationContext, setup: Setup, names: Names, with_speakers: bool
) -> list[RunRequest] | SkipReason:
    began_at = context.scheduled_execution_time
    taking = nights.taking_of(setup.settings, began_at)
    if taking.is_over:
        return SkipReason(
            f"This night ended at {setup.settings.night_until}; the next one goes on."
        )
    all_work = backlog.known_work(setup, scan(setup.workspace.archive), setup.options)
    audio_s = backlog.audio_by_partition(backlog.chosen(all_work, taking))
    to_hear_s = _to_hear_s(setup, all_work) if with_speakers else {}
    if not audio_s and not to_hear_s:
        return SkipReason("Nothing is missing, stale or failed with attempts left.")
    register_partitions(context.instance, {**to_hear_s, **audio_s}, names)
    order, max_s = registered(context.instance, names), setup.settings.run_max_audio_s
    night = f"{began_at:%Y-%m-%dT%H:%M}"
    tags = {PRIORITY_TAG: PRIORITIES["backfills"], NIGHT_TAG: night}
    requests = [
        RunRequest(
            run_key=f"{night} {run_range.keys[0]}",
            run_config=plan_config(taking.share(run_range, audio_s), names),
            tags={**run_range.tags, **tags},
        )
        for run_range in grouped(order, audio_s, max_s)
    ]
    # Those with transcripts to be made follow these, unless a recording fails there once more; the
    # others need no transcription.
    failing = {one.recording.partition_key for one in all_work if one.state == "failed"}
    others = {
        key: one_s for key, one_s in to_hear_s.items() if key not in audio_s or key in failing
    }
    return requests + [
        RunRequest(
            run_key=f"{night} speakers {run_range.keys[0]}",
            run_config=speaker_config(taking, names),
            asset_selection=[names.key("speakers")],
            tags={**run_range.tags, **tags},
        )
        for run_range in grouped(order, others, max_s)
    ]


def _to_hear_s(setup: Setup, all_work: Sequence[RecordingWork]) -> dict[str, float]:
    """Seconds of audio in which speakers are to be told apart, for each partition with any."""
    works = speaker_work(setup, (one.recording for one in all_work))
    return backlog.audio_by_partition(one for one in works if one.is_selected("pending"))
