"""Windows of any recordings -> what is said in each of them.

A batch mixes recordings and languages; what is made of a window does not depend on its neighbours,
except in the last bits of the arithmetic.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentr_pipeline.audio import Window
from opentr_pipeline.errors import DeviceError
from opentr_pipeline.options import TranscriptionOptions
from opentr_pipeline.transcript import Heard, Segment, Word
from opentr_pipeline.whisper import FULL_CONTEXT_S, Decoded, Whisper, context_s

# Windows that are asked for the language, most speech first, until it is sure.
LANGUAGE_WINDOWS = 3
SURE_PROBABILITY = 0.8
# A window less certain than this is decoded again with the full context. Source: README, Decisions.
MIN_CUT_LOGPROB = -0.4
# Source: the steps of openai/whisper's fallback.
TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(eq=False)
class Part:
    """A window on its way through the engine.

    Attributes:
        window: the sound.
        options: how to transcribe it.
        language: empty until it is found out.
        encoded: by the model, once it is needed.
    """

    window: Window
    options: TranscriptionOptions
    language: str = ""
    language_probability: float = 1.0
    encoded: Any = None

    @property
    def kind(self) -> tuple[Any, ...]:
        """Only windows of one kind share a batch: one context, prompts of one length."""
        options = self.options
        return context_s(self.window.duration_s), options.initial_prompt, options.hotwords


class Transcriber:
    """A loaded model that transcribes batches, from several threads at once."""

    def __init__(self, whisper: Whisper) -> None:
        """Keep the model, and nothing else from one batch to the next."""
        self._whisper = whisper

    @property
    def num_workers(self) -> int:
        """Batches that the device does at a time."""
        return self._whisper.num_workers

    def settle_language(self, parts: Sequence[Part], before: str) -> str:
        """Give neighbouring windows of one recording their language.

        Some minutes are judged together, by the windows with most speech, so that neither music
        nor a quotation decides for an hour. To change the language within a recording takes more
        certainty than to begin with one.

        Args:
            parts: with language ``auto`` in their options.
            before: the language of the windows before them, empty at the beginning.

        Raises:
            DeviceError: the card failed; this process cannot use it any more.
        """
        if not self._whisper.is_multilingual:
            language, probability = "en", 1.0
        else:
            with _device_errors():
                language, probability = self._heard_language(parts)
        if before and language != before and probability < SURE_PROBABILITY:
            language = before
        for part in parts:
            part.language, part.language_probability = language, probability
        return language

    def _heard_language(self, parts: Sequence[Part]) -> tuple[str, float]:
        likely: dict[str, float] = {}
        longest = sorted(parts, key=lambda part: -part.window.speech_s)[:LANGUAGE_WINDOWS]
        for count, part in enumerate(longest, 1):
            self._encode([part])
            for language, probability in self._whisper.languages(part.encoded).items():
                likely[language] = likely.get(language, 0.0) + probability
            best = max(likely, key=likely.__getitem__)
            if likely[best] / count >= SURE_PROBABILITY:
                break
        return best, likely[best] / count

    def hear(self, parts: Sequence[Part]) -> list[Heard]:
        """Decode a batch of one kind and place its words.

        Windows without a language, where each is asked for its own, find it out here.

        Raises:
            DeviceError: the card failed; this process cannot use it any more.
        """
        started = time.monotonic()
        with _device_errors():
            self._encode(parts)
            for part in parts:
                if not part.language:
                    self.settle_language([part], "")
            decoded = self._decoded(parts)
            words = self._words(parts, decoded)
        wall_s = (time.monotonic() - started) / self.num_workers
        total_s = sum(part.window.duration_s for part in parts)
        return [
            _heard(part, one, said, wall_s * part.window.duration_s / total_s)
            for part, one, said in zip(parts, decoded, words, strict=True)
        ]

    def _encode(self, parts: Sequence[Part], full: bool = False) -> None:
        missing = [part for part in parts if part.encoded is None or full]
        if not missing:
            return
        length_s = FULL_CONTEXT_S if full else context_s(missing[0].window.duration_s)
        samples = [part.window.samples for part in missing]
        for part, encoded in zip(missing, self._whisper.encode(samples, length_s), strict=True):
            part.encoded = encoded

    def _decoded(self, parts: Sequence[Part]) -> list[Decoded]:
        """The text of each window, tried again where it went wrong."""
        found = dict(zip(parts, self._decode(parts), strict=True))
        cut = [part for part in parts if context_s(part.window.duration_s) < FULL_CONTEXT_S]
        again = [part for part in cut if found[part].avg_logprob < MIN_CUT_LOGPROB]
        again += [part for part in cut if part not in again and found[part].is_doubtful]
        if again:
            self._encode(again, full=True)
            found |= zip(again, self._decode(again), strict=True)
        for part in parts:
            if found[part].is_doubtful:
                found[part] = self._fallback(part, found[part])
        return [found[part] for part in parts]

    def _decode(self, parts: Sequence[Part], temperature: float = 0.0) -> list[Decoded]:
        encoded = [part.encoded for part in parts]
        languages = [part.language for part in parts]
        return self._whisper.decode(encoded, languages, parts[0].options, temperature)

    def _fallback(self, part: Part, first: Decoded) -> Decoded:
        """Draw by chance, ever more freely, until the text makes sense; else the likeliest."""
        tries = [first]
        for temperature in TEMPERATURES:
            tries += self._decode([part], temperature)
            if not tries[-1].is_doubtful:
                return tries[-1]
        return max(tries, key=lambda one: (not one.is_loop, one.avg_logprob))

    def _words(self, parts: Sequence[Part], decoded: Sequence[Decoded]) -> list[list[Word]]:
        words: list[list[Word]] = [[] for _ in parts]
        by_context: dict[int, list[int]] = {}
        for place, part in enumerate(parts):
            if decoded[place].tokens:
                by_context.setdefault(part.encoded.shape[1], []).append(place)
        for places in by_context.values():
            aligned = self._whisper.align(
                [parts[place].encoded for place in places],
                [decoded[place] for place in places],
                [parts[place].language for place in places],
                [parts[place].window.duration_s for place in places],
                parts[0].options.task,
            )
            for place, one in zip(places, aligned, strict=True):
                words[place] = one
        return words


@contextmanager
def _device_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if "out of memory" not in text and re.search("CUDA|cuBLAS|cuDNN|Library lib", text):
            raise DeviceError(text) from error
        raise


def _heard(part: Part, decoded: Decoded, words: Sequence[Word], wall_s: float) -> Heard:
    window = part.window
    segment = None
    if decoded.text:
        start_s = window.start_s
        segment = Segment(
            start_s=start_s + words[0].start_s if words else start_s,
            end_s=start_s + words[-1].end_s if words else start_s + window.duration_s,
            text=decoded.text,
            avg_logprob=decoded.avg_logprob,
            no_speech_probability=decoded.no_speech_probability,
            compression_ratio=decoded.compression_ratio,
            words=tuple(word.shifted(start_s) for word in words),
            channel=window.channel,
            language=part.language,
            is_endless=decoded.is_endless,
        )
    return Heard(
        start=window.start,
        channel=window.channel,
        speech_s=window.speech_s,
        language=part.language,
        language_probability=part.language_probability,
        wall_s=wall_s,
        segment=segment,
    )
