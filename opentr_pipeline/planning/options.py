"""What decides what a transcript says, for the archive and for its folders."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.devices.cards import WorkerSlot
from opentr_pipeline.devices.compute_types import compute_type
from opentr_pipeline.errors import ModelError, SettingsError
from opentr_pipeline.planning.option_files import is_there, read_folder_file, read_vocabulary
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.whisper.tokens import MAX_PROMPT_TOKENS, num_tokens
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.folder_file import folder_file
from opentr_pipeline.settings.values import term_list
from opentr_pipeline.transcripts.transcript import Content

Found = TypeVar("Found")


@dataclass(frozen=True)
class ArchiveOptions:
    """Which options belong to which recording of an archive.

    Attributes:
        default: where no folder says otherwise.
        by_folder: the whole options of each folder that has some of its own, by its path.
    """

    default: TranscriptionOptions
    by_folder: Mapping[str, TranscriptionOptions] = field(default_factory=dict)

    def of(self, path: str) -> TranscriptionOptions:
        """The options for a path of the archive: those of the deepest folder that has some."""
        return deepest(path, self.by_folder) or self.default

    def wanted(self, recording: Recording) -> TranscriptionOptions:
        """The options for a recording, whose length may matter."""
        options = self.of(recording.media_file.path)
        if (recording.probe.duration_s or 0.0) <= options.max_duration_s:
            return options
        return dataclasses.replace(options, is_too_long=True)

    def content(self, recording: Recording) -> Content:
        """What the transcript that is wanted for a recording belongs to."""
        return recording.media_fingerprint, self.wanted(recording).settings_fingerprint


# What no transcript was made with, so that everything is missing.
NO_OPTIONS = ArchiveOptions(TranscriptionOptions("", "", "", "auto", "transcribe", beam_size=1))


def deepest(path: str, by_folder: Mapping[str, Found]) -> Found | None:
    """What there is for the deepest folder that a path is in; None where there is nothing."""
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in by_folder:
            return by_folder[path]
    return None


def archive_options(
    settings: Settings,
    model: Model,
    slots: Sequence[WorkerSlot],
    typed: Collection[str] = (),
) -> ArchiveOptions:
    """The options that the settings and the folder file mean.

    Args:
        settings: for the archive, and where its folder file is.
        model: that all recordings are transcribed with.
        slots: that it runs on.
        typed: settings that a person chose for this run alone; no folder replaces them.

    Raises:
        ModelError: the model cannot do what is asked of it.
        SettingsError: a file with options is not there or makes no sense.
    """
    default = transcription_options(settings, model, slots)
    path = folder_file(settings, is_there)
    if path is None:
        return ArchiveOptions(default)
    by_folder = {
        folder: transcription_options(here, model, slots, f" of the folder {folder!r} in {path}")
        for folder, here in settings_by_folder(settings, typed).items()
    }
    return ArchiveOptions(default, by_folder)


def settings_by_folder(settings: Settings, typed: Collection[str] = ()) -> dict[str, Settings]:
    """The whole settings of each folder that has some of its own, by its path.

    Args:
        settings: for the archive, and where its folder file is.
        typed: settings that a person chose for this run alone; no folder replaces them.

    Raises:
        SettingsError: a file with options is not there or makes no sense.
    """
    path = folder_file(settings, is_there)
    if path is None:
        return {}
    replaced: dict[str, dict[str, object]] = {}
    own = read_folder_file(path, settings.workspace.archive)
    for folder in sorted(own):  # each after the folders that it is in
        kept = {name: value for name, value in own[folder].items() if name not in typed}
        replaced[folder] = {**(deepest(folder, replaced) or {}), **kept}
    return {folder: settings.model_copy(update=values) for folder, values in replaced.items()}


def transcription_options(
    settings: Settings, model: Model, slots: Sequence[WorkerSlot], place: str = ""
) -> TranscriptionOptions:
    """The options that the settings mean for this model on these slots.

    Args:
        settings: with a folder's values in place, where it is for a folder.
        model: the model.
        slots: that it runs on.
        place: where the values stand other than in variables, for a refusal.

    Raises:
        ModelError: the model cannot do what is asked of it.
        SettingsError: the vocabulary cannot be read, or there is more text than a prompt holds.
    """
    _check_model(settings, model, place)
    return TranscriptionOptions(
        model.name,
        model.digest,
        compute_type(settings.whisper_compute_type, {slot.device for slot in slots}),
        settings.whisper_language,
        settings.whisper_task,
        settings.whisper_beam_size,
        settings.whisper_initial_prompt,
        _hotwords(settings, model, place),
        settings.audio_stream,
        settings.audio_channels,
        settings.max_duration_s,
    )


def _check_model(settings: Settings, model: Model, place: str) -> None:
    if model.english_only and settings.whisper_language not in ("auto", "en"):
        said = _said("language", settings.whisper_language, place)
        raise ModelError(
            f"The model {model.name} knows English only, but {said} is asked for; set "
            "WHISPER_MODEL=base or the language en."
        )
    if settings.whisper_task == "translate" and not model.translates:
        said = _said("task", settings.whisper_task, place)
        raise ModelError(
            f"The model {model.name} cannot translate, but {said} is asked for; set "
            "WHISPER_MODEL=large-v3 or the task transcribe."
        )


def _hotwords(settings: Settings, model: Model, place: str) -> str:
    """The terms of the settings and of the vocabulary, once it is sure that they fit."""
    terms = settings.whisper_hotwords.split(",")
    if settings.whisper_vocabulary_file:
        path = settings.resolved(settings.whisper_vocabulary_file)
        said = _said("vocabulary_file", str(path), place)
        terms += read_vocabulary(path, said, settings.workspace.archive)
    hotwords = term_list(terms)
    count = sum(num_tokens(text, model) for text in (settings.whisper_initial_prompt, hotwords))
    if count > MAX_PROMPT_TOKENS:
        said = "WHISPER_INITIAL_PROMPT and WHISPER_HOTWORDS"
        if place:
            said = f"initial_prompt and hotwords{place}"
        raise SettingsError(
            f"{said} have {count} tokens, vocabulary included, and the model {model.name} takes "
            f"{MAX_PROMPT_TOKENS}, some 700 letters; keep the terms that matter most."
        )
    return hotwords


def _said(key: str, value: str, place: str) -> str:
    """An option as the person wrote it, in a folder's table or in a variable."""
    return f"{key} = {value!r}{place}" if place else f"WHISPER_{key.upper()}={value}"
