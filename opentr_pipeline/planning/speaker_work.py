"""Whose speakers are left to be told apart: what is wanted less what is published."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.planning.plan import Selection
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_options import (
    ArchiveSpeakers,
    archive_speakers,
    settings_name_speakers,
)
from opentr_pipeline.transcripts.store import PublishedRow, StoreIndex
from opentr_pipeline.transcripts.transcript import HEARD, Content

# ``unwanted``: published, and asked for no more.
SpeakerState = Literal["done", "missing", "stale", "failed", "unwanted"]


@dataclass(frozen=True)
class SpeakerWork:
    """A recording whose words are published, and how its speakers stand.

    Attributes:
        content: its bytes, and what decides who is heard when; without that nobody is wanted.
    """

    recording: Recording
    content: Content
    state: SpeakerState

    @property
    def audio_s(self) -> float:
        """Seconds of audio to be heard, as the headers claim."""
        return 0.0 if self.state == "unwanted" else self.recording.probe.duration_s or 0.0

    def is_selected(self, selection: Selection) -> bool:
        """Whether a run with this selection takes it."""
        if selection == "failed":
            return self.state == "failed"
        return self.state not in ("done", "failed")


def judge_speakers(
    recordings: Iterable[Recording], index: StoreIndex, speakers: ArchiveSpeakers
) -> list[SpeakerWork]:
    """How the speakers of each recording stand; of one that has no words there is nothing to do."""
    found = []
    for recording in recordings:
        row = index.by_recording.get((recording.partition_key, recording.recording_id))
        if row and row.media_fingerprint == recording.media_fingerprint:
            content = speakers.content(recording)
            if state := _state(row, content[1]):
                found.append(SpeakerWork(recording, content, state))
    return found


def _state(row: PublishedRow, wanted: str) -> SpeakerState | None:
    if not wanted:
        return "unwanted" if row.speakers_fingerprint else None
    if row.status not in HEARD or row.status == "no_speech":
        return None
    if row.speakers_fingerprint == wanted:
        return "failed" if row.speakers_reason else "done"
    return "stale" if row.speakers_fingerprint else "missing"


def speakers_matter(setup: Setup) -> bool:
    """Whether there may be anything to do about speakers; where nobody ever asked there is not.

    Reads no more than names: what is wrong in a folder file, a run says.
    """
    was_on = (setup.workspace.output / "turns").is_dir()
    return was_on or settings_name_speakers(setup.settings)


def speaker_work(setup: Setup, recordings: Iterable[Recording]) -> list[SpeakerWork]:
    """How the speakers of some recordings stand.

    Raises:
        SettingsError: the folder file is not there or makes no sense.
    """
    if not speakers_matter(setup):
        return []
    all_recordings = list(recordings)
    keys = {one.partition_key for one in all_recordings}
    return judge_speakers(all_recordings, setup.store.index(keys), archive_speakers(setup.settings))
