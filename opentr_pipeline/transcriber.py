"""The engine: the sound of a recording -> its transcript (faster-whisper's door)."""

import dataclasses
import os
import re
import time
from collections.abc import Sequence
from typing import Any

from opentr_pipeline.audio import SAMPLE_RATE_HZ, WINDOW_S, Audio, Window, speech_windows
from opentr_pipeline.devices import Device
from opentr_pipeline.errors import DeviceError, ModelError
from opentr_pipeline.models import Model
from opentr_pipeline.options import TranscriptionOptions
from opentr_pipeline.setting_values import DETECTED_LANGUAGES
from opentr_pipeline.transcript import Segment, Transcript, Word, now, settle_times

# Windows that language detection hears, most speech first, until it is sure.
LANGUAGE_WINDOWS = 3
SURE_PROBABILITY = 0.8


class Transcriber:
    """A loaded model. It keeps nothing from one recording to the next."""

    def __init__(
        self, model: Model, device: Device, options: TranscriptionOptions, cpu_threads: int
    ) -> None:
        """Load the model; takes a second for ``base`` on a CPU.

        Raises:
            ModelError: the device cannot run it with this compute type.
        """
        os.environ["HF_HUB_OFFLINE"] = "1"  # nothing below may ask the network
        if not device.is_cpu:
            # By UUID: CUDA numbers the cards in another order than the driver's tools.
            os.environ["CUDA_VISIBLE_DEVICES"] = device.uuid
        from faster_whisper import WhisperModel

        self._options = options
        try:
            self._model = WhisperModel(
                str(model.folder),
                device="cpu" if device.is_cpu else "cuda",
                compute_type=options.compute_type,
                cpu_threads=cpu_threads,
            )
        except (ValueError, RuntimeError) as error:  # the device, the files, or what they need
            raise ModelError(
                f"{device.name} cannot run {model.name} with "
                f"WHISPER_COMPUTE_TYPE={options.compute_type}: {error}."
            ) from None

    def transcribe(self, audio: Audio, batch_size: int) -> Transcript:
        """Transcribe one recording; fingerprints and attempts are for the caller to fill in.

        Args:
            audio: the whole recording.
            batch_size: windows decoded together.

        Returns:
            Status ``ok``, ``suspect`` or ``no_speech``.

        Raises:
            DeviceError: the card failed; this process cannot use it any more.
        """
        try:
            return self._transcribed(audio, batch_size)
        except RuntimeError as error:
            text = str(error)
            if "out of memory" not in text and re.search("CUDA|cuBLAS|cuDNN|Library lib", text):
                raise DeviceError(text) from error
            raise

    def _transcribed(self, audio: Audio, batch_size: int) -> Transcript:
        started = time.monotonic()
        windows, speech_s = speech_windows(audio)
        transcript = Transcript("", self._options.settings_fingerprint, "no_speech")
        if windows:
            language, probability = self._language(audio, windows)
            transcript = dataclasses.replace(
                transcript,
                language=language,
                language_probability=probability,
                segments=self._segments(audio, windows, language, batch_size),
            )
        status, reason = _verdict(transcript)
        return dataclasses.replace(
            transcript,
            status=status,
            reason=reason,
            model=self._options.model,
            compute_type=self._options.compute_type,
            task=self._options.task,
            duration_s=audio.duration_s,
            speech_s=speech_s,
            wall_s=time.monotonic() - started,
            transcribed_at=now(),
        )

    def _language(self, audio: Audio, windows: Sequence[Window]) -> tuple[str, float]:
        """The language asked for, or the likeliest over the windows with most speech.

        One place can mislead: music, a quotation, a silence with noise. Where the first window
        leaves doubt, more are heard and their probabilities averaged.
        """
        if self._options.language not in DETECTED_LANGUAGES:
            return self._options.language, 1.0
        if not self._model.model.is_multilingual:
            return "en", 1.0
        likely: dict[str, float] = {}
        longest = sorted(windows, key=lambda window: -window.duration_s)[:LANGUAGE_WINDOWS]
        for count, window in enumerate(longest, 1):
            _, _, heard = self._model.detect_language(audio=_cut(audio, window))
            for language, probability in heard:
                likely[language] = likely.get(language, 0.0) + probability
            best = max(likely, key=likely.__getitem__)
            if likely[best] / count >= SURE_PROBABILITY:
                break
        return best, likely[best] / count

    def _segments(
        self, audio: Audio, windows: Sequence[Window], language: str, batch_size: int
    ) -> tuple[Segment, ...]:
        from faster_whisper import BatchedInferencePipeline

        # A new pipeline for each recording: it remembers where the last one's speech ended and
        # lets that decide word times.
        segments, _ = BatchedInferencePipeline(self._model).transcribe(
            audio.samples,
            language=language,
            task=self._options.task,
            beam_size=self._options.beam_size,
            batch_size=batch_size,
            word_timestamps=True,
            clip_timestamps=[{"start": w.start_s, "end": w.end_s} for w in windows],
        )
        return settle_times((_segment(s) for s in segments if s.text.strip()), audio.duration_s)


def _cut(audio: Audio, window: Window) -> Any:
    start = int(window.start_s * SAMPLE_RATE_HZ)
    return audio.samples[start : start + int(min(window.duration_s, WINDOW_S) * SAMPLE_RATE_HZ)]


def _segment(segment: Any) -> Segment:
    words = (Word(w.word, w.start, w.end, w.probability) for w in segment.words or ())
    return Segment(
        start_s=segment.start,
        end_s=segment.end,
        text=segment.text.strip(),
        avg_logprob=segment.avg_logprob,
        no_speech_probability=segment.no_speech_prob,
        compression_ratio=segment.compression_ratio,
        words=tuple(words),
    )


def _verdict(transcript: Transcript) -> tuple[str, str]:
    """Status and reason of what was heard."""
    if not transcript.segments:
        return "no_speech", "No speech was found."
    if transcript.flags:
        doubtful = sum(bool(segment.flags) for segment in transcript.segments)
        share = f"{doubtful} of {len(transcript.segments)} segments"
        return "suspect", f"{', '.join(transcript.flags)} in {share}."
    return "ok", ""
