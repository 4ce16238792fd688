"""Windows of any recordings -> what is said in each of them.

A batch mixes recordings and languages; what is made of a window does not depend on its neighbours,
except in the last bits of the arithmetic.
"""

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.devices.failures import device_errors
from opentr_pipeline.errors import DeviceError
from opentr_pipeline.recognition.recognizer import Part
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.languages import encode_missing, spoken_language
from opentr_pipeline.recognition.whisper.model import Whisper
from opentr_pipeline.recognition.whisper.other_languages import (
    between_pauses,
    inserted,
    lost_stretches,
)
from opentr_pipeline.recognition.whisper.word_times import parted
from opentr_pipeline.transcripts.transcript import Segment, Word
from opentr_pipeline.transcripts.window_results import Heard

# A window less certain of its words is heard again with the full context.
# Source: docs/decisions/0011 and 0073.
MIN_CUT_LOGPROB = -0.6
# Source: the steps of openai/whisper's fallback.
TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
NOTHING = Decoded((), "", 0.0, 0.0, 0.0, is_endless=False)


class Transcriber:
    """A loaded model that transcribes batches, from several threads at once."""

    def __init__(self, whisper: Whisper) -> None:
        """Keep the model, and nothing else from one batch to the next."""
        self._whisper = whisper

    @property
    def num_workers(self) -> int:
        """Batches that the device does at a time."""
        return self._whisper.num_workers

    @property
    def num_listeners(self) -> int:
        """Media to be decoded at a time, so that the device need not wait."""
        return self._whisper.num_listeners

    def windows(self, sound: Sound) -> Iterator[Window]:
        """The windows of a recording."""
        return self._whisper.windows(sound)

    def unload(self) -> None:
        """Give the model's memory back, which the next one in the worker slot needs."""
        self._whisper.unload()

    def settle_language(
        self, parts: Sequence[Part], before: str = "", known: Sequence[Heard] = ()
    ) -> str:
        """Give neighbouring windows of one recording their language.

        Some minutes are judged together, by the windows with most speech, so that neither music
        nor a quotation decides for an hour.

        Args:
            parts: with language ``auto`` in their options.
            before: the language of the windows before them, empty at the beginning.
            known: what an earlier attempt heard in windows beside them, which decides.

        Returns:
            The language.

        Raises:
            OutOfMemoryError: the device has too little memory for the batch.
            DeviceError: the card failed; this process cannot use it any more.
        """
        if known:
            language, probability = known[0].language, known[0].language_probability
        elif not self._whisper.is_multilingual:
            language, probability = "en", 1.0
        else:
            with device_errors():
                language, probability = spoken_language(self._whisper, parts, before)
        for part in parts:
            part.language, part.language_probability = language, probability
        return language

    def hear(self, parts: Sequence[Part]) -> list[Heard]:
        """Decode a batch of one kind and place its words.

        Windows without a language, where each is asked for its own, find it out here. What goes
        wrong in a window that is alone costs its words, or their times, and nothing else.

        Raises:
            OutOfMemoryError: the device has too little memory for the batch.
            DeviceError: the card failed; this process cannot use it any more.
            Exception: something went wrong with one of several windows.
        """
        started = time.monotonic()
        decoded = dict.fromkeys(parts, NOTHING)
        words: dict[Part, list[Word]] = {part: [] for part in parts}
        trouble = ""
        try:
            with device_errors():
                for part in parts:
                    if not part.language:
                        self.settle_language([part])
                decoded = self._decoded(parts)
                words = self._words(decoded)
        except DeviceError:
            raise
        except Exception as error:
            if len(parts) > 1:  # the engine tries them one by one
                raise
            trouble = f"{type(error).__name__}: {error}"
        wall_s = (time.monotonic() - started) / self.num_workers
        total_s = sum(part.window.duration_s for part in parts)
        heard = [
            dataclasses.replace(
                _heard(part, decoded[part], words[part], wall_s * part.window.duration_s / total_s),
                trouble=trouble,
            )
            for part in parts
        ]
        return [self._with_others(*pair) for pair in zip(parts, heard, strict=True)]

    def _with_others(self, part: Part, heard: Heard) -> Heard:
        """What was heard in a window, and what is said in it in other languages.

        The model writes one language and leaves out the rest without a word.
        """
        if part.options.language != "each_window" or heard.trouble:
            return heard
        for spans in between_pauses(lost_stretches(heard), part.window):
            if spans != list(part.window.spans):  # else the same would come of it
                (other,) = self.hear([Part(part.window.within(spans), part.options)])
                heard = inserted(heard, other)
        return heard

    def _decoded(self, parts: Sequence[Part]) -> dict[Part, Decoded]:
        """The text of each window, tried again where it went wrong."""
        found: dict[Part, Decoded] = {}
        for group in _by_context(parts):
            found |= zip(group, self._decode(group), strict=True)
        again = [part for part in parts if part.is_cut and _is_worse_for_it(found[part])]
        if again:
            found |= self._decoded_in_full(again, found)
        for part in parts:
            if found[part].is_doubtful:
                found[part] = self._fallback(part, found[part])
        return found

    def _decoded_in_full(
        self, parts: Sequence[Part], cut: Mapping[Part, Decoded]
    ) -> dict[Part, Decoded]:
        """What the full context gives, or the cut one where that is likelier."""
        shorter = {part: (part.context_s, part.encoded) for part in parts}
        for part in parts:
            part.widen()
        found = dict(zip(parts, self._decode(parts), strict=True))
        for part in parts:
            if cut[part].is_likelier_than(found[part]):
                found[part] = cut[part]
                part.context_s, part.encoded = shorter[part]  # for the alignment
        return found

    def _decode(self, parts: Sequence[Part], temperature: float = 0.0) -> list[Decoded]:
        encode_missing(self._whisper, parts)
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
        return max(tries, key=lambda one: one.likelihood)

    def _words(self, decoded: Mapping[Part, Decoded]) -> dict[Part, list[Word]]:
        words: dict[Part, list[Word]] = {part: [] for part in decoded}
        for group in _by_context([part for part in decoded if decoded[part].tokens]):
            aligned = self._whisper.align(
                [part.encoded for part in group],
                [decoded[part] for part in group],
                [part.language for part in group],
                [part.window for part in group],
                group[0].options.task,
            )
            words |= zip(group, aligned, strict=True)
        return words


def _is_worse_for_it(decoded: Decoded) -> bool:
    """Whether a cut context may have cost words; no words at all score as certain."""
    is_strange = decoded.is_doubtful or decoded.ends_twice or not decoded.text
    return is_strange or decoded.avg_logprob < MIN_CUT_LOGPROB


def _by_context(parts: Sequence[Part]) -> Iterable[list[Part]]:
    groups: dict[float, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.context_s, []).append(part)
    return groups.values()


def _heard(part: Part, decoded: Decoded, words: Sequence[Word], wall_s: float) -> Heard:
    start, channel = part.window.place
    return Heard(
        start=start,
        channel=channel,
        speech_s=part.window.duration_s,
        language=part.language,
        language_probability=part.language_probability,
        wall_s=wall_s,
        segments=tuple(_segments(part, decoded, words)) if decoded.text else (),
        spans=part.window.spans,
    )


def _segments(part: Part, decoded: Decoded, words: Sequence[Word]) -> Iterator[Segment]:
    """The text of a window, parted where the speaker pauses; scores are the whole window's."""
    window = part.window
    placed = []
    for word in words:
        start_s, end_s = window.placed(word.start_s, word.end_s)
        placed.append(dataclasses.replace(word, start_s=start_s, end_s=end_s))
    groups = parted(placed)
    if _letters(placed) != decoded.text.replace(" ", ""):  # never lose a letter to the alignment
        groups = [placed]
    for group in groups:
        text = "".join(word.text for word in group).strip() if len(groups) > 1 else decoded.text
        yield Segment(
            start_s=group[0].start_s if group else window.spans[0][0] / SAMPLE_RATE_HZ,
            end_s=group[-1].end_s if group else window.spans[-1][1] / SAMPLE_RATE_HZ,
            text=text,
            avg_logprob=decoded.avg_logprob,
            no_speech_probability=decoded.no_speech_probability,
            compression_ratio=decoded.compression_ratio,
            words=tuple(group),
            channel=window.channel,
            language=part.language,
            is_endless=decoded.is_endless,
        )


def _letters(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words).replace(" ", "")
