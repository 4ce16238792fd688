"""Whose speakers are told apart, and what decides how; no transcript depends on it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.planning.option_files import MAX_FILE_BYTES, is_there, opened
from opentr_pipeline.planning.options import deepest, settings_by_folder
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.folder_file import folder_file, own_folder_file
from opentr_pipeline.speakers import models
from opentr_pipeline.transcripts.transcript import Content


@dataclass(frozen=True)
class SpeakerOptions:
    """What decides who is heard when.

    Attributes:
        are_wanted: whether speakers are told apart at all.
        audio_stream: as for transcripts; likewise what follows.
    """

    are_wanted: bool
    audio_stream: str
    audio_channels: str
    max_duration_s: int

    def fingerprint(self, recording: Recording) -> str:
        """Digest of what is wanted for a recording: 32 hexadecimal digits, empty for nothing."""
        if not self.are_wanted:
            return ""
        heard = [models.fingerprint(), self.audio_stream, self.audio_channels]
        is_too_long = (recording.probe.duration_s or 0.0) > self.max_duration_s
        facts = json.dumps([*heard, self.max_duration_s if is_too_long else None])
        return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class ArchiveSpeakers:
    """Which options belong to which recording of an archive.

    Attributes:
        default: where no folder says otherwise.
        by_folder: the whole options of each folder that has some of its own, by its path.
    """

    default: SpeakerOptions
    by_folder: Mapping[str, SpeakerOptions] = field(default_factory=dict)

    def of(self, recording: Recording) -> SpeakerOptions:
        """The options for a recording: those of the deepest folder that has some."""
        return deepest(recording.media_file.path, self.by_folder) or self.default

    def content(self, recording: Recording) -> Content:
        """What is wanted for a recording belongs to: its bytes, and the options."""
        return recording.media_fingerprint, self.of(recording).fingerprint(recording)

    @property
    def are_wanted(self) -> bool:
        """Whether speakers are told apart anywhere."""
        return any(one.are_wanted for one in (self.default, *self.by_folder.values()))


def settings_name_speakers(settings: Settings) -> bool:
    """Whether speakers are asked for, or the folder file may ask for them; it is not understood."""
    if settings.speakers:
        return True
    own = own_folder_file(settings.workspace.archive)
    if isinstance(own, BucketAddress) and settings.folder_options_file in ("auto", str(own)):
        return True  # it may: a process that steps are forked from must not ask a bucket
    path = folder_file(settings, is_there)
    if path is None:
        return False
    try:
        with opened(path, settings.workspace.archive) as stream:
            return b"speakers" in stream.read(MAX_FILE_BYTES)
    except OSError:  # a run says what is wrong with it
        return False


def are_speakers_wanted(settings: Settings) -> bool:
    """Whether speakers are told apart anywhere in the archive.

    Raises:
        SettingsError: the folder file makes no sense.
    """
    return settings_name_speakers(settings) and archive_speakers(settings).are_wanted


def archive_speakers(settings: Settings) -> ArchiveSpeakers:
    """The options that the settings and the folder file mean.

    Raises:
        SettingsError: the folder file is not there or makes no sense.
    """
    folders = settings_by_folder(settings)
    return ArchiveSpeakers(
        _options(settings), {folder: _options(here) for folder, here in folders.items()}
    )


def _options(settings: Settings) -> SpeakerOptions:
    return SpeakerOptions(
        settings.speakers,
        settings.audio_stream,
        settings.audio_channels,
        settings.max_duration_s,
    )
