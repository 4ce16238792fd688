"""Media file -> samples -> spans of speech -> windows (PyAV's and Silero's door)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.errors import MediaError
from opentr_pipeline.probe import open_media

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE_HZ = 16_000
WINDOW_S = 30.0
# A pause that ends a span of speech. Source: faster-whisper's choice for its batched pipeline.
MIN_SILENCE_MS = 160
# Headers round, and encoders pad; a file counts as cut off where more than both is missing.
MAX_MISSING_SHARE = 0.02
MIN_MISSING_S = 1.0


@dataclass(frozen=True)
class Audio:
    """The sound of one recording.

    Attributes:
        samples: float32, shape (num_samples,), 16 kHz mono, range [-1, 1].
        num_errors: packets that could not be decoded and are missing.
    """

    samples: "np.ndarray[Any, Any]"
    num_errors: int = 0

    @property
    def duration_s(self) -> float:
        """Length of what could be decoded."""
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Window:
    """Up to 30 s of sound as Whisper sees it, from the first to the last speech in it."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Its length."""
        return self.end_s - self.start_s


def decode(path: Path) -> Audio:
    """Decode the best audio stream to 16 kHz mono; damaged packets are left out.

    Raises:
        MediaError: ``corrupt`` where nothing can be decoded, ``unsupported`` without audio.
        OSError: the file cannot be opened.
    """
    import av
    import numpy as np

    parts: list[Any] = []
    errors: list[str] = []
    try:
        with open_media(path) as container:
            stream = container.streams.best("audio")
            if stream is None:
                raise MediaError("unsupported", "There is no audio stream in the file.")
            stream.thread_type = "AUTO"
            parts.extend(_resampled(_frames(container, stream, errors)))
    except av.FFmpegError as error:
        raise MediaError("corrupt", f"The sound cannot be decoded: {error.strerror}.") from None
    samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    if not len(samples):
        why = errors[0] if errors else "the stream is empty"
        raise MediaError("corrupt", f"No sound could be decoded: {why}.")
    return Audio(samples.astype(np.float32) / 32768.0, len(errors))


def _frames(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """Frames that can be decoded; each packet that cannot adds its reason to ``errors``."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError as error:
            errors.append(str(error.strerror))
            if len(errors) > 10_000:  # a file of noise; every packet fails
                return


def _resampled(frames: Iterator[Any]) -> Iterator["np.ndarray[Any, Any]"]:
    """Mono 16-bit samples at 16 kHz; a stream may change its rate or channels midway."""
    from av.audio.resampler import AudioResampler

    resampler: Any = None
    shape = None
    for frame in frames:
        if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
            if resampler:
                yield from (out.to_ndarray()[0] for out in resampler.resample(None))
            resampler = AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
        frame.pts = None  # times that jump would make the resampler drop or stretch
        yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
    if resampler:
        yield from (out.to_ndarray()[0] for out in resampler.resample(None))


def is_cut_off(audio: Audio, claimed_s: float) -> bool:
    """Whether clearly less could be decoded than a header claims."""
    missing_s = claimed_s - audio.duration_s
    return missing_s > max(MIN_MISSING_S, MAX_MISSING_SHARE * claimed_s)


def speech_windows(audio: Audio) -> tuple[list[Window], float]:
    """Find speech and join its spans into windows.

    Returns:
        The windows in order, and the seconds of speech in them.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(max_speech_duration_s=WINDOW_S, min_silence_duration_ms=MIN_SILENCE_MS)
    spans = [
        Window(span["start"] / SAMPLE_RATE_HZ, span["end"] / SAMPLE_RATE_HZ)
        for span in get_speech_timestamps(audio.samples, options)
    ]
    return joined(spans), sum(span.duration_s for span in spans)


def joined(spans: Sequence[Window]) -> list[Window]:
    """Join neighbouring spans while they fit into 30 s; pure.

    Args:
        spans: in order, none longer than a window.
    """
    windows: list[Window] = []
    for span in spans:
        if windows and span.end_s - windows[-1].start_s <= WINDOW_S:
            windows[-1] = Window(windows[-1].start_s, span.end_s)
        else:
            windows.append(span)
    return windows
