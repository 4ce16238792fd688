"""A loaded Whisper model: sound -> encoded -> language, tokens, word times (faster-whisper's door).

Encoded sound is a float array of shape (1, num_frames, width), 50 frames a second: NumPy's on the
host, or PyTorch's on a card. It is small beside the work that it saves, and windows of many
recordings can be stacked.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.listeners import Listeners
from opentr_pipeline.audio.windows import Window
from opentr_pipeline.devices import cuda_libraries
from opentr_pipeline.devices.cards import MAX_CPU_WORKERS, Device
from opentr_pipeline.devices.failures import is_out_of_memory
from opentr_pipeline.errors import ModelError, OutOfMemoryError
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.whisper.card_encoder import card_encoder, stacked_on_card
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.features import FRAMES_PER_S, LogMel
from opentr_pipeline.recognition.whisper.heap import share_the_heap
from opentr_pipeline.recognition.whisper.model_file import files_without_encoder
from opentr_pipeline.recognition.whisper.word_bounds import at_their_times
from opentr_pipeline.recognition.whisper.word_times import trimmed
from opentr_pipeline.transcripts.transcript import Word

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

Encoded = Any  # NumPy's array, or PyTorch's
# More than anybody says in a second; a decoder that goes on beyond it is in a loop.
MAX_TOKENS_PER_S = 25
MAX_TOKENS = 448
HYPOTHESES = 5  # Source: best_of of openai/whisper's fallback
# Marks that belong to the word after them, and to the word before them.
OPENING_MARKS = "\"'“¿([{-«„‘"
CLOSING_MARKS = "\"'.。,，!！?？:：”)]}、…»।؟"
# Media decoded and searched for speech at once. On a CPU one is faster than the model; beside a
# card each has a process, and hears some 150 times as fast as the sound plays.
CPU_LISTENERS = 1
MAX_CARD_LISTENERS = 12
# Batches that a card does at a time: while words of one are placed by the host the next is decoded.
CARD_WORKERS = 2


class Whisper:
    """A model on a device, used by as many threads at once as ``num_workers`` says."""

    def __init__(
        self, model: Model, device: Device, options: TranscriptionOptions, cpu_threads: int
    ) -> None:
        """Load the model; takes half a second for ``base`` on a CPU.

        Args:
            model: where it is.
            device: what it runs on.
            options: name its arithmetic.
            cpu_threads: cores that this worker slot may use.

        Raises:
            OutOfMemoryError: the device has too little memory for it.
            ModelError: the device cannot run it with this compute type, or lacks a library.
        """
        os.environ["HF_HUB_OFFLINE"] = "1"  # nothing below may ask the network
        if not device.is_cpu:
            use_card(device)
        share_the_heap()
        import ctranslate2
        from faster_whisper import WhisperModel

        # Several batches at once, one thread each, keep cores busier than one batch on all cores.
        self.num_workers = min(cpu_threads, MAX_CPU_WORKERS) if device.is_cpu else CARD_WORKERS
        self.num_listeners = (
            CPU_LISTENERS if device.is_cpu else min(max(1, cpu_threads - 1), MAX_CARD_LISTENERS)
        )
        self._is_on_card = not device.is_cpu
        self._name = model.name
        self._card_encoder = None
        self._tokenizers: dict[tuple[str, str], Any] = {}
        ctranslate2.set_random_seed(0)
        try:
            if self._is_on_card:
                self._card_encoder = card_encoder(model.folder, options.compute_type)
            self._model = WhisperModel(
                str(model.folder),
                files=files_without_encoder(model.folder) if self._card_encoder else None,
                device="cpu" if device.is_cpu else "cuda",
                compute_type=options.compute_type,
                cpu_threads=max(1, cpu_threads // self.num_workers),
                num_workers=self.num_workers,
            )
        except (ValueError, RuntimeError, MemoryError) as error:
            if self._card_encoder:  # another worker slot of the card may need its memory
                self._card_encoder.unload()
            if is_out_of_memory(error):
                said = str(error) or type(error).__name__
                raise OutOfMemoryError(said, is_loading=True) from None
            # The device, the files, or what they need.
            raise ModelError(
                f"{device.name} cannot run {model.name} with "
                f"WHISPER_COMPUTE_TYPE={options.compute_type}: {error}."
            ) from None

        self._log_mel = LogMel(tuple(sorted(self._model.feat_kwargs.items())))
        self._listeners = None if device.is_cpu else Listeners(self._log_mel)

    def windows(self, sound: Sound) -> Iterator[Window]:
        """The windows of a recording; a card has them heard in other processes."""
        return self._listeners.windows(sound) if self._listeners else sound.windows()

    def unload(self) -> None:
        """Give the memory back; nothing can be asked of the model any more."""
        if self._listeners:
            self._listeners.close()
        with contextlib.suppress(RuntimeError):  # a device that failed may fail at this as well
            self._model.model.unload_model()
            if self._card_encoder:
                self._card_encoder.unload()

    @property
    def is_multilingual(self) -> bool:
        """Whether it knows more than English."""
        return bool(self._model.model.is_multilingual)

    def features(self, samples: "Samples", context_s: float) -> "Samples":
        """What the encoder takes of a window: float32, shape (num_mels, num_frames)."""
        return self._log_mel.of(samples, context_s)

    def encode(self, features: Sequence["Samples"]) -> list[Encoded]:
        """Encode the features of windows with one context, each as if it were alone."""
        encode = self._card_encoder or self._encoded
        return [encoded for group in self._groups(features) for encoded in encode(group)]

    def _groups(self, windows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """What is encoded, or aligned, at once: on a CPU a batch is slower than one by one."""
        return [windows] if self._is_on_card else [[one] for one in windows]

    def _encoded(self, features: Sequence["Samples"]) -> list[Encoded]:
        import ctranslate2
        import numpy as np

        output = self._model.model.encode(_stacked([one[None] for one in features]), to_cpu=True)
        if output.dtype == ctranslate2.DataType.bfloat16:  # NumPy does not know it
            output = output.to(ctranslate2.DataType.float32)
        return [encoded[None] for encoded in np.asarray(output)]

    def languages(self, encoded: Encoded) -> dict[str, float]:
        """The probability of each language."""
        (heard,) = self._model.model.detect_language(_stacked([encoded]))
        return {token[2:-2]: probability for token, probability in heard}

    def decode(
        self,
        encoded: Sequence[Encoded],
        languages: Sequence[str],
        options: TranscriptionOptions,
        temperature: float = 0.0,
    ) -> list[Decoded]:
        """Decode windows of one context together, with beam search.

        Args:
            encoded: the windows.
            languages: of each.
            options: of all of them: task, beam, and the text that the model is to start from.
            temperature: above 0 the tokens are drawn by chance, and the likeliest draw is taken.
        """
        prompts = [self._prompt(language, options) for language in languages]
        context_s = encoded[0].shape[1] / FRAMES_PER_S * 2
        num_prompt = len(prompts[0])
        max_tokens = most_tokens(num_prompt, context_s)
        search: dict[str, Any] = {"beam_size": options.beam_size}
        if temperature:
            search = {
                "beam_size": 1,
                "num_hypotheses": HYPOTHESES,
                "sampling_topk": 0,
                "sampling_temperature": temperature,
            }
        results = self._model.model.generate(
            _stacked(encoded),
            prompts,
            # CTranslate2 allows half of it, or what the prompt leaves of it.
            max_length=max(2 * max_tokens, max_tokens + num_prompt - 1),
            suppress_tokens=self._suppressed(options),
            return_scores=True,
            return_no_speech_prob=True,
            **search,
        )
        return [
            self._decoded(result, language, options, max_tokens)
            for result, language in zip(results, languages, strict=True)
        ]

    def _decoded(
        self, result: Any, language: str, options: TranscriptionOptions, max_tokens: int
    ) -> Decoded:
        from faster_whisper.transcribe import get_compression_ratio

        tokenizer = self._tokenizer(language, options.task)
        ids = result.sequences_ids[0]
        tokens = tuple(token for token in ids if token < tokenizer.eot)
        text = tokenizer.decode(list(tokens)).strip()
        return Decoded(
            tokens,
            text,
            # The score is a mean without the end token, which counts as well.
            avg_logprob=result.scores[0] * len(ids) / (len(ids) + 1),
            no_speech_probability=result.no_speech_prob,
            compression_ratio=get_compression_ratio(text) if text else 0.0,
            is_endless=len(ids) >= max_tokens,
        )

    def align(
        self,
        encoded: Sequence[Encoded],
        decoded: Sequence[Decoded],
        languages: Sequence[str],
        windows: Sequence[Window],
        task: str,
    ) -> list[list[Word]]:
        """Words of windows of one context with times from the window's start."""
        words: list[list[Word]] = [[] for _ in decoded]
        for language in sorted(set(languages)):  # the alignment takes one language at a time
            spoken = [place for place, other in enumerate(languages) if other == language]
            for places in self._groups(spoken):
                found = self._model.find_alignment(
                    self._tokenizer(language, task),
                    [list(decoded[place].tokens) for place in places],
                    _stacked([encoded[place] for place in places]),
                    [math.ceil(windows[place].duration_s * FRAMES_PER_S) for place in places],
                )
                for place, timings in zip(places, found, strict=True):
                    timed = at_their_times(_words(timings), windows[place], self._name)
                    words[place] = trimmed(timed)
        return words

    def _prompt(self, language: str, options: TranscriptionOptions) -> list[int]:
        tokenizer = self._tokenizer(language, options.task)
        previous = tokenizer.encode(" " + options.initial_prompt) if options.initial_prompt else []
        prompt: list[int] = self._model.get_prompt(
            tokenizer, previous, without_timestamps=True, hotwords=options.hotwords or None
        )
        return prompt

    def _suppressed(self, options: TranscriptionOptions) -> list[int]:
        from faster_whisper.transcribe import get_suppressed_tokens

        return list(get_suppressed_tokens(self._tokenizer("en", options.task), [-1]))

    def _tokenizer(self, language: str, task: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        if (language, task) not in self._tokenizers:
            self._tokenizers[language, task] = Tokenizer(
                self._model.hf_tokenizer, self.is_multilingual, task=task, language=language
            )
        return self._tokenizers[language, task]


def most_tokens(num_prompt: int, context_s: float) -> int:
    """How long a text may be, so that the alignment has room for the token that ends it; pure."""
    return min(MAX_TOKENS - num_prompt - 1, int(MAX_TOKENS_PER_S * context_s))


def use_card(device: Device) -> None:
    """Make a card the only one that this process sees; before anything looks for one.

    Raises:
        ModelError: a CUDA library is missing.
    """
    # By UUID: CUDA numbers the cards in another order than the driver's tools.
    os.environ["CUDA_VISIBLE_DEVICES"] = device.uuid
    cuda_libraries.load()


def _stacked(arrays: Sequence[Encoded]) -> Any:
    """One array for CTranslate2, on the device where they are."""
    import ctranslate2
    import numpy as np

    if isinstance(arrays[0], np.ndarray):
        return ctranslate2.StorageView.from_array(np.concatenate(arrays))
    return ctranslate2.StorageView.from_array(stacked_on_card(arrays))


def _words(timings: Sequence[dict[str, Any]]) -> list[Word]:
    """Words with their punctuation, as the alignment places them."""
    from faster_whisper.transcribe import merge_punctuations

    merge_punctuations(timings, OPENING_MARKS, CLOSING_MARKS)
    return [
        Word(one["word"], float(one["start"]), float(one["end"]), float(one["probability"]))
        for one in timings
        if one["word"]
    ]
