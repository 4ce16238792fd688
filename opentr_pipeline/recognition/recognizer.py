"""What recognizes speech: windows on their way to it, and what it must be able to do."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.windows import Window
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.transcripts.window_results import Heard

FULL_CONTEXT_S = 30.0
# The encoder hears a window and some silence after it, not always 30 s: its cost grows with the
# context. Shorter contexts than these lose words. Source: docs/decisions/0011 and 0073.
MIN_CONTEXT_S = 15.0
CONTEXT_STEP_S = 5.0
CONTEXT_PAD_S = 2.0


def context_s(duration_s: float) -> float:
    """How much the encoder hears of a window and the silence after it; pure."""
    steps = math.ceil((duration_s + CONTEXT_PAD_S) / CONTEXT_STEP_S)
    return min(FULL_CONTEXT_S, max(MIN_CONTEXT_S, steps * CONTEXT_STEP_S))


@dataclass(eq=False)
class Part:
    """A window on its way through the engine.

    Attributes:
        window: the sound.
        options: how to transcribe it.
        language: empty until it is found out.
        encoded: by the model, once it is needed.
        context_s: what the model hears: the window, and silence after it.
        is_widened: whether that is more than at first.
    """

    window: Window
    options: TranscriptionOptions
    language: str = ""
    language_probability: float = 1.0
    encoded: Any = None
    context_s: float = 0.0
    is_widened: bool = False

    def __post_init__(self) -> None:
        """Begin with the shortest context that holds the window."""
        self.context_s = self.context_s or context_s(self.window.duration_s)

    @property
    def kind(self) -> tuple[Any, ...]:
        """Only windows of one kind share a batch: one context, one prompt, one search."""
        options = self.options
        prompt = options.task, options.initial_prompt, options.hotwords
        return self.context_s, options.beam_size, prompt

    @property
    def is_cut(self) -> bool:
        """Whether the model hears less than the full context."""
        return self.context_s < FULL_CONTEXT_S

    def widen(self) -> None:
        """Have the model hear the full context."""
        self.context_s, self.encoded, self.is_widened = FULL_CONTEXT_S, None, True


def share_of_batch(kind: tuple[Any, ...]) -> float:
    """How much of a full context's memory and work windows of a kind take; pure."""
    context_s: float = kind[0]
    return context_s / FULL_CONTEXT_S


class Recognizer(Protocol):
    """What the engine needs of a loaded model; it is asked from several threads at once."""

    @property
    def num_workers(self) -> int:
        """Batches that the device does at a time."""

    @property
    def num_listeners(self) -> int:
        """Media to be decoded at a time, so that the device need not wait."""

    def windows(self, sound: Sound) -> Iterator[Window]:
        """The windows of a recording, asked for by one of the listeners."""

    def settle_language(
        self, parts: Sequence[Part], before: str = "", known: Sequence[Heard] = ()
    ) -> str:
        """Give neighbouring windows of one recording their language.

        Args:
            parts: with language ``auto`` in their options.
            before: the language of the windows before them, empty at the beginning.
            known: what an earlier attempt heard in windows beside them, which decides.

        Returns:
            The language.
        """

    def hear(self, parts: Sequence[Part]) -> list[Heard]:
        """What is said in a batch of one kind, in the same order."""

    def unload(self) -> None:
        """Give the model's memory back, which the next one in the worker slot needs."""
