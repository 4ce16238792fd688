"""The definitions of an archive: for a Dagster of its own, or to be merged with others."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from dagster import Definitions, with_source_code_references

from opentr_pipeline.defs.archive_assets import (
    TRANSCRIPTION,
    media_asset,
    recordings_asset,
    transcripts_asset,
)
from opentr_pipeline.defs.checks import transcripts_checks
from opentr_pipeline.defs.cluster_executor import cluster_executor
from opentr_pipeline.defs.derived_assets import derived_assets
from opentr_pipeline.defs.gpu_slots import slots_executor
from opentr_pipeline.defs.handed_on import HANDED_ON, handed_on
from opentr_pipeline.defs.jobs import check_transcripts, transcribe_archive
from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.refresh_sensor import refreshes_sensor
from opentr_pipeline.defs.resources import transcription_resource
from opentr_pipeline.defs.schedules import nights_schedule
from opentr_pipeline.defs.sensors import interval_s, uploads_sensor
from opentr_pipeline.defs.speaker_assets import speakers_asset
from opentr_pipeline.devices.cards import list_cards, worker_slots
from opentr_pipeline.devices.cpu_slots import hearing_slots
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_work import speakers_matter
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.given import archive_settings


def build_defs(
    archive: str | PathLike[str],
    key_prefix: str | Sequence[str] = (),
    *,
    with_executor: bool = False,
    **settings: Any,
) -> Definitions:
    """The definitions of an archive, to be merged with others by ``Definitions.merge``.

    Nothing is read from the environment or from ``.env``: what else is not given has its
    default.

    Args:
        archive: the folder that holds all media.
        key_prefix: stands before the asset keys and all other names, so that several archives fit
            into one code location.
        with_executor: whether they bring the executor that starts no more transcription steps of a
            run than there are worker slots. A code location has one executor. Without ours, steps
            wait for a worker slot all the same, each as a process.
        **settings: those of ``.env.example`` in small letters, such as ``whisper_model="base"``;
            ``output_dir`` is needed.

    Raises:
        SettingsError: one sentence for the first value refused.
    """
    names = Names(checked_prefix(key_prefix))
    checked = archive_settings(archive, settings, Path.cwd())
    return archive_defs(checked, names, with_executor=with_executor)


def archive_defs(settings: Settings, names: Names, *, with_executor: bool) -> Definitions:
    """The same, of settings that are checked."""
    followers = derived_assets(settings, names)
    with_speakers = speakers_matter(Setup(settings))
    made = [
        recordings_asset(settings, names),
        transcripts_asset(settings, names),
        speakers_asset(settings, names),
        *followers,
    ]
    return Definitions(
        assets=[media_asset(settings, names), *with_source_code_references(made)],
        asset_checks=[transcripts_checks(settings, names)],
        jobs=[transcribe_archive(names, with_speakers=with_speakers), check_transcripts(names)],
        schedules=[nights_schedule(settings, names, with_speakers=with_speakers)],
        sensors=[
            uploads_sensor(settings, names),
            refreshes_sensor(names, followers, interval_s(settings.upload_settle_s)),
        ],
        resources={
            names.name(TRANSCRIPTION): transcription_resource(settings),
            names.name(HANDED_ON): handed_on(settings),
        },
        executor=_executor(settings) if with_executor else None,
    )


def _executor(settings: Settings) -> Any:
    if settings.cluster_address:
        return cluster_executor(settings, len(hearing_slots(())))
    slots = worker_slots(settings, list_cards())
    return slots_executor(len(slots), len(hearing_slots(slots)))


def checked_prefix(key_prefix: Any) -> tuple[str, ...]:
    """A prefix as ``Names`` has it.

    Raises:
        SettingsError: it is no text, nor a list of such, or cannot be in the name of a job.
    """
    parts = tuple(key_prefix) if isinstance(key_prefix, list | tuple) else (key_prefix,)
    for part in parts:
        if not isinstance(part, str) or not re.fullmatch("[A-Za-z0-9_]+", part):
            raise SettingsError(
                f"key_prefix must be letters, digits and _, or a list of such, got {part!r}."
            )
    return parts
