"""Media file -> samples -> spans of speech -> windows (PyAV's and Silero's door).

A stream: what is in memory at once does not depend on how long a recording is.
"""

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.errors import MediaError
from opentr_pipeline.probe import MACHINE_ERRORS, open_media

if TYPE_CHECKING:
    import numpy as np

    # float32, shape (num_samples,), 16 kHz, range [-1, 1]; a block has shape (num_channels, ...).
    Samples = np.ndarray[Any, Any]

# Start and end of speech, in samples.
Span = tuple[int, int]
# What tells a window from the others of its recording: its start in samples and its channel.
Place = tuple[int, int | None]
SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ
# Decoded and searched for speech at once. What is held back from one block is searched again with
# the next; longer blocks cost memory, and keep the model waiting for the first window.
BLOCK_S = 120.0
# A pause that ends a span of speech. Source: faster-whisper's choice for its batched pipeline.
MIN_SILENCE_MS = 160
# A window keeps short pauses, because words suffer where speech is joined to speech, and leaves
# longer ones out. After still longer ones, and beyond the extent, another window begins.
KEPT_PAUSE_SAMPLES = SAMPLE_RATE_HZ
MAX_PAUSE_SAMPLES = 3 * SAMPLE_RATE_HZ
MAX_EXTENT_SAMPLES = 60 * SAMPLE_RATE_HZ
# The end of a block is searched again with the next one, where a word may be cut in two.
OVERLAP_SAMPLES = SAMPLE_RATE_HZ
# A file of noise: every packet fails.
MAX_ERRORS = 10_000
# Headers round, and encoders pad; a file counts as cut off where more than both is missing.
MAX_MISSING_SHARE = 0.02
MIN_MISSING_S = 1.0


@dataclass(frozen=True)
class Window:
    """Up to 30 s of speech as Whisper hears it, without the pauses between its spans.

    Attributes:
        spans: where its speech is in the recording, in samples, in order.
        samples: float32, shape (num_samples,), 16 kHz mono, range [-1, 1].
        channel: of the recording, from 0; None where all of them are mixed.
    """

    spans: tuple[Span, ...]
    samples: "Samples"
    channel: int | None = None

    @property
    def place(self) -> Place:
        """What tells it from the recording's other windows."""
        return self.spans[0][0], self.channel

    @property
    def duration_s(self) -> float:
        """Seconds of speech."""
        return len(self.samples) / SAMPLE_RATE_HZ

    def placed(self, start_s: float, end_s: float) -> tuple[float, float]:
        """The time in the recording of something that was heard in the window.

        It lies in one span, the one in which its middle was heard: nothing lasts over a pause.

        Args:
            start_s: from the beginning of ``samples``.
            end_s: likewise.
        """
        middle = (start_s + end_s) / 2 * SAMPLE_RATE_HZ
        offset = 0  # of the span in ``samples``
        for first, last in self.spans[:-1]:
            if middle < offset + last - first:
                break
            offset += last - first
        else:
            first, last = self.spans[-1]
        shift_s = (first - offset) / SAMPLE_RATE_HZ
        earliest_s, latest_s = first / SAMPLE_RATE_HZ, last / SAMPLE_RATE_HZ
        start_s = min(max(start_s + shift_s, earliest_s), latest_s)
        return start_s, min(max(end_s + shift_s, start_s), latest_s)


class Sound:
    """One audio stream of a media file, decoded while its windows are taken.

    Attributes:
        duration_s: what was decoded so far; the whole once the windows are exhausted.
        num_errors: packets that could not be decoded and are missing, so far.
    """

    def __init__(self, path: Path, audio_stream: str = "auto", *, split: bool = False) -> None:
        """Name the file; it is opened by ``windows``.

        Args:
            path: of the media file.
            audio_stream: its number among the audio streams, from 0, or ``auto`` for the best.
            split: windows of each channel by itself.
        """
        self._path = path
        self._audio_stream = audio_stream
        self._split = split
        self._errors: list[str] = []
        self._num_samples = 0

    @property
    def duration_s(self) -> float:
        """Length of what could be decoded so far."""
        return self._num_samples / SAMPLE_RATE_HZ

    @property
    def num_errors(self) -> int:
        """Packets that are missing so far."""
        return len(self._errors)

    def windows(self) -> Iterator[Window]:
        """Decode and find speech, a block at a time; damaged packets are left out.

        Raises:
            MediaError: ``corrupt`` where nothing can be decoded, ``unsupported`` without audio.
            OSError: the file cannot be read, through no fault of its own.
        """
        finders: list[_SpeechFinder] = []
        for block in self.blocks():
            channels = range(len(block)) if len(block) > 1 else [None]
            finders = finders or [_SpeechFinder(channel) for channel in channels]
            for finder, samples in zip(finders, block, strict=True):
                yield from finder.feed(samples)
        for finder in finders:
            yield from finder.rest()
        if not self._num_samples:
            why = self._errors[0] if self._errors else "the stream is empty"
            raise MediaError("corrupt", f"No sound could be decoded: {why}.")

    def blocks(self) -> Iterator["Samples"]:
        """The sound in blocks of ``BLOCK_S``, the last one shorter: shape (num_channels, n)."""
        import av

        try:
            with open_media(self._path) as container:
                stream = self._stream(container)
                stream.thread_type = "AUTO"
                frames = _frames(container, stream, self._errors)
                for block in _blocks(_resampled(frames, self._split)):
                    self._num_samples += block.shape[1]
                    yield block
        except av.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
                raise
            raise MediaError("corrupt", f"The sound cannot be decoded: {error.strerror}.") from None

    def _stream(self, container: Any) -> Any:
        streams = container.streams.audio
        if not streams:
            raise MediaError("unsupported", "There is no audio stream in the file.")
        if self._audio_stream == "auto":
            return container.streams.best("audio") or streams[0]
        if int(self._audio_stream) >= len(streams):
            raise MediaError(
                "unsupported",
                f"AUDIO_STREAM={self._audio_stream}, but the file's audio streams are "
                f"0 to {len(streams) - 1}.",
            )
        return streams[int(self._audio_stream)]


def _blocks(parts: Iterator["Samples"]) -> Iterator["Samples"]:
    import numpy as np

    waiting: list[Samples] = []
    num_samples = 0
    for part in parts:
        waiting.append(part)
        num_samples += part.shape[1]
        if num_samples >= BLOCK_S * SAMPLE_RATE_HZ:
            yield np.concatenate(waiting, axis=1).astype(np.float32) / 32768.0
            waiting, num_samples = [], 0
    if num_samples:
        yield np.concatenate(waiting, axis=1).astype(np.float32) / 32768.0


def _frames(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """Frames that can be decoded; each packet that cannot adds its reason to ``errors``."""
    import av

    for packet in _packets(container, stream, errors):
        try:
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError as error:
            errors.append(str(error.strerror))
            if len(errors) > MAX_ERRORS:
                return


def _packets(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """Packets as far as the file can be read.

    Raises:
        OSError: a disk or a network, not the file, is at fault.
    """
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.EOFError:
            return
        except av.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in MACHINE_ERRORS | {errno.EIO}:
                raise
            errors.append(str(error.strerror))
            if len(errors) > MAX_ERRORS:
                return
            continue
        if packet is None:
            return
        yield packet


def _resampled(frames: Iterator[Any], split: bool) -> Iterator["Samples"]:
    """16-bit samples at 16 kHz, shape (num_channels, n); a stream may change its rate midway."""
    from av.audio.resampler import AudioResampler

    resampler: Any = None
    shape = None
    layout: Any = None
    for frame in frames:
        if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
            if resampler:
                yield from (out.to_ndarray() for out in resampler.resample(None))
            # The first frame decides how many channels there are to the end.
            layout = layout or (frame.layout if split else "mono")
            resampler = AudioResampler("s16p", layout, SAMPLE_RATE_HZ)
        frame.pts = None  # times that jump would make the resampler drop or stretch
        yield from (out.to_ndarray() for out in resampler.resample(frame))
    if resampler:
        yield from (out.to_ndarray() for out in resampler.resample(None))


def is_cut_off(decoded_s: float, claimed_s: float) -> bool:
    """Whether clearly less could be decoded than a header claims."""
    return claimed_s - decoded_s > max(MIN_MISSING_S, MAX_MISSING_SHARE * claimed_s)


class _SpeechFinder:
    """Turns the blocks of one channel into windows, the same ones wherever the blocks meet.

    A window that may still grow is held back, with its samples, into the next block.
    """

    def __init__(self, channel: int | None) -> None:
        self._channel = channel
        self._held: Samples | None = None
        self._start = 0  # of what is held, in the recording

    def feed(self, block: "Samples") -> Iterator[Window]:
        """Windows that no later block can change."""
        import numpy as np

        sound = block if self._held is None else np.concatenate([self._held, block])
        groups = joined(_speech(sound))
        keep_from = max(0, len(sound) - OVERLAP_SAMPLES)
        if groups and groups[-1][-1][1] > keep_from - MAX_PAUSE_SAMPLES:
            keep_from = groups.pop()[0][0]
        yield from self._cut(sound, groups)
        self._held = sound[keep_from:].copy()
        self._start += keep_from

    def rest(self) -> Iterator[Window]:
        """The windows that were held back."""
        if self._held is not None:
            yield from self._cut(self._held, joined(_speech(self._held)))

    def _cut(self, sound: "Samples", groups: Sequence[Sequence[Span]]) -> Iterator[Window]:
        import numpy as np

        for group in groups:
            samples = np.concatenate([sound[start:end] for start, end in group])
            spans = tuple((self._start + start, self._start + end) for start, end in group)
            yield Window(spans, samples, self._channel)


def _speech(sound: "Samples") -> list[Span]:
    """Spans of speech, none longer than a window."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    max_s = WINDOW_SAMPLES / SAMPLE_RATE_HZ
    options = VadOptions(max_speech_duration_s=max_s, min_silence_duration_ms=MIN_SILENCE_MS)
    found = get_speech_timestamps(sound, options)
    return [(span["start"], min(span["end"], span["start"] + WINDOW_SAMPLES)) for span in found]


def joined(speech: Sequence[Span]) -> list[list[Span]]:
    """Group neighbouring spans of speech while they fit into a window; pure.

    Args:
        speech: in order, none longer than a window.

    Returns:
        The spans of each window, those with a short pause between them made one.
    """
    windows: list[list[Span]] = []
    num_samples = 0
    for start, end in speech:
        pause = start - windows[-1][-1][1] if windows else 0
        is_short = pause <= KEPT_PAUSE_SAMPLES
        more = end - start + (pause if is_short else 0)
        fits = (
            windows
            and num_samples + more <= WINDOW_SAMPLES
            and pause <= MAX_PAUSE_SAMPLES
            and end - windows[-1][0][0] <= MAX_EXTENT_SAMPLES
        )
        if not fits:
            windows.append([(start, end)])
            num_samples = end - start
            continue
        if is_short:
            start = windows[-1].pop()[0]
        windows[-1].append((start, end))
        num_samples += more
    return windows
