"""What decides what a transcript says."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from opentr_pipeline.settings.sound import MAX_DURATION_S

# Raise it when the same sound and options give other words than before: it makes every earlier
# transcript stale.
ENGINE_VERSION = 4


@dataclass(frozen=True)
class TranscriptionOptions:
    """Everything that decides what a transcript says; nothing else is in its fingerprint.

    Attributes:
        model_digest: names the weights.
        language: ISO 639 code, ``auto`` or ``each_window``.
        task: ``transcribe`` or ``translate``.
        initial_prompt: text that the model is to believe came before.
        hotwords: terms, ``, `` between them, those of the vocabulary included.
        audio_stream: ``auto``, or its number among the audio streams, from 0.
        audio_channels: ``mix``, or ``split`` for a transcript of each channel of a stereo call.
        max_duration_s: seconds of a recording that are heard.
        is_too_long: the recording is longer by its header; then alone the maximum decides anything.
    """

    model: str
    model_digest: str
    compute_type: str
    language: str
    task: str
    beam_size: int
    initial_prompt: str = ""
    hotwords: str = ""
    audio_stream: str = "auto"
    audio_channels: str = "mix"
    max_duration_s: int = MAX_DURATION_S
    is_too_long: bool = False
    engine_version: int = ENGINE_VERSION

    @cached_property
    def settings_fingerprint(self) -> str:
        """Digest of all of this: 32 hexadecimal digits."""
        # The name is left out: one set of weights may go by several.
        facts = {**dataclasses.asdict(self), "model": ""}
        if not self.is_too_long:
            del facts["max_duration_s"], facts["is_too_long"]
        text = json.dumps(facts, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
