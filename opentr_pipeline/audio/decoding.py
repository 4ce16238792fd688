"""Media file -> samples -> windows (PyAV's door, with ``probe``).

A stream: what is in memory at once does not depend on how long a recording is.
"""

import errno
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.mixing import levelled, mixed, peak_of
from opentr_pipeline.audio.probe import MACHINE_ERRORS, open_media, own_duration_s
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, WINDOW_SAMPLES, SpeechFinder, Window
from opentr_pipeline.errors import MediaError

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

# Decoded and searched for speech at once. What is held back from one block is searched again with
# the next; longer blocks cost memory, and keep the model waiting for the first window.
BLOCK_S = 120.0
# Not the file's fault.
DISK_ERRORS = MACHINE_ERRORS | {errno.EIO}
# Whether channels cancel each other is judged of so much at once.
MIX_SAMPLES = SAMPLE_RATE_HZ
# Of 16 bits or fewer. Other samples stay numbers with a fraction: quiet sound would be lost.
SHALLOW_FORMATS = frozenset({"u8", "u8p", "s16", "s16p"})
# A file of noise: every packet fails.
MAX_ERRORS = 10_000
# A frame whose time is so much later than the sound before it leaves a gap: packets are missing, or
# a film's sound begins after its picture. More than the maximum is a broken clock.
MIN_GAP_S = 0.1
MAX_GAP_S = 3600.0
# Headers round, and encoders pad; a file counts as cut off where more than both is missing.
MAX_MISSING_SHARE = 0.02
MIN_MISSING_S = 1.0


class Sound:
    """One audio stream of a media file, decoded while its windows are taken.

    Attributes:
        duration_s: what was decoded so far; the whole once the windows are exhausted.
        num_errors: packets that could not be decoded and are missing, so far.
        reached_s: how far streams beside this one go; 0 where this one says its own length.
    """

    def __init__(
        self,
        media: Path | Callable[[], AbstractContextManager[Path]],
        audio_stream: str = "auto",
        *,
        split: bool = False,
    ) -> None:
        """Name the file; it is opened by ``windows``.

        Args:
            media: the media file, or what gives one for as long as it is read.
            audio_stream: its number among the audio streams, from 0, or ``auto`` for the best.
            split: windows of each channel by itself.
        """
        self._media = media
        self._audio_stream = audio_stream
        self._split = split
        self._errors: list[str] = []
        self._num_samples = 0
        self.reached_s = 0.0

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
        finders: list[SpeechFinder] = []
        for block in self.blocks():
            channels = range(len(block)) if len(block) > 1 else [None]
            finders = finders or [SpeechFinder(channel) for channel in channels]
            for finder, samples in zip(finders, block, strict=True):
                yield from finder.feed(samples)
        for finder in finders:
            yield from finder.rest()
        if not self._num_samples:
            why = self._errors[0] if self._errors else "the stream is empty"
            raise MediaError("corrupt", f"No sound could be decoded: {why}.")

    def _opened(self) -> AbstractContextManager[Path]:
        return nullcontext(self._media) if isinstance(self._media, Path) else self._media()

    def blocks(self) -> Iterator["Samples"]:
        """The sound in blocks of ``BLOCK_S``, the last one shorter: shape (num_channels, n)."""
        import av

        try:
            with self._opened() as path, open_media(path) as container:
                decoder = _Decoder(container, self._stream(container), self._split, self._errors)
                for block in _blocks(decoder.parts()):
                    self._num_samples += block.shape[1]
                    yield block
                self.reached_s = decoder.reached_s
        except av.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
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
    peak = 0.0
    for block in _joined(parts, int(BLOCK_S * SAMPLE_RATE_HZ)):
        peak = max(peak, peak_of(block))
        yield levelled(block, peak)
        del block


def _joined(parts: Iterable["Samples"], size: int) -> Iterator["Samples"]:
    """The same samples in pieces of this size or a little more, the last one shorter."""
    import numpy as np

    waiting: list[Samples] = []
    num_samples = 0
    for part in parts:
        waiting.append(part)
        num_samples += part.shape[1]
        if num_samples >= size:
            joined = np.concatenate(waiting, axis=1)
            waiting, num_samples = [], 0  # not kept while the caller works
            yield joined
            del joined
    if num_samples:
        yield np.concatenate(waiting, axis=1)


class _Decoder:
    """Decodes a stream to samples at 16 kHz, float32, each at its place in time."""

    def __init__(self, container: Any, stream: Any, split: bool, errors: list[str]) -> None:
        self._container = container
        self._stream = stream
        self._split = split
        self._errors = errors
        self._layout: Any = None
        self._num_samples = 0
        self.reached_s = 0.0
        self._read = [stream]
        if own_duration_s(container, stream) is None:  # read anyway, to pass over them
            streams = container.streams
            self._read = [*streams.video, *streams.audio, *streams.subtitles]
        stream.thread_type = "AUTO"

    def parts(self) -> Iterator["Samples"]:
        """Samples, shape (num_channels, n), of all channels or of the mix of them."""
        if self._split:
            for _, samples in self._channels():
                yield samples
            return
        for names, group in itertools.groupby(self._channels(), key=lambda one: one[0]):
            for samples in _joined((samples for _, samples in group), MIX_SAMPLES):
                yield mixed(samples, names)

    def _channels(self) -> Iterator[tuple[tuple[str, ...], "Samples"]]:
        """Names and samples of channels; a stream may change its rate or channels midway."""
        import av

        resampler: Any = None
        shape = None
        for frame in self._frames():
            try:
                if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
                    if resampler:
                        yield from self._out(resampler.resample(None))
                    resampler = self._resampler(frame)
                yield from self._silence_before(frame)
                frame.pts = None  # times that jump would make the resampler drop or stretch
                yield from self._out(resampler.resample(frame))
            except av.FFmpegError as error:  # a damaged frame that claims what cannot be
                self._errors.append(str(error.strerror))
                resampler = shape = None
        if resampler:
            yield from self._out(resampler.resample(None))

    def _resampler(self, frame: Any) -> Any:
        from av.audio.resampler import AudioResampler

        # Where channels are kept apart, the first frame decides how many there are to the end.
        self._layout = self._layout if self._layout and self._split else frame.layout
        kind = "s16p" if frame.format.name in SHALLOW_FORMATS else "fltp"
        return AudioResampler(kind, self._layout, SAMPLE_RATE_HZ)

    def _out(self, frames: Sequence[Any]) -> Iterator[tuple[tuple[str, ...], "Samples"]]:
        import numpy as np

        for frame in frames:
            samples = frame.to_ndarray()
            self._num_samples += samples.shape[1]
            if samples.dtype == np.int16:
                samples = samples.astype(np.float32) / 32768.0
            else:  # which may hold what is no number
                samples = np.nan_to_num(samples, posinf=0.0, neginf=0.0)
            yield self._names(), samples

    def _names(self) -> tuple[str, ...]:
        return tuple(channel.name for channel in self._layout.channels)

    def _silence_before(self, frame: Any) -> Iterator[tuple[tuple[str, ...], "Samples"]]:
        """What is missing in front of a frame, by its time: players leave a gap there as well."""
        import numpy as np

        if frame.time is None:
            return
        at_s = frame.time - (self._container.start_time or 0) / 1e6
        missing = round(at_s * SAMPLE_RATE_HZ) - self._num_samples
        if not MIN_GAP_S * SAMPLE_RATE_HZ <= missing <= MAX_GAP_S * SAMPLE_RATE_HZ:
            return
        names = self._names()
        self._num_samples += missing
        for start in range(0, missing, WINDOW_SAMPLES):
            size = min(WINDOW_SAMPLES, missing - start)
            yield names, np.zeros((len(names), size), np.float32)

    def _frames(self) -> Iterator[Any]:
        """Frames that can be decoded; each packet that cannot is counted as an error."""
        import av

        for packet in self._packets():
            try:
                yield from packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError as error:
                self._errors.append(str(error.strerror))

    def _packets(self) -> Iterator[Any]:
        """Packets as far as the file can be read.

        Raises:
            OSError: a disk or a network, not the file, is at fault.
        """
        import av

        packets = self._container.demux(self._read)
        while len(self._errors) <= MAX_ERRORS:
            try:
                packet = next(packets, None)
            except av.EOFError:
                return
            except av.FFmpegError as error:
                if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                    raise
                self._errors.append(str(error.strerror))
                packets = self._container.demux(self._read)  # the one that raised has ended
                continue
            if packet is None:
                return
            if packet.stream.index == self._stream.index:
                yield packet
            elif packet.pts is not None:
                end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                start_s = (self._container.start_time or 0) / 1e6
                self.reached_s = max(self.reached_s, end_s - start_s)


def is_cut_off(decoded_s: float, claimed_s: float) -> bool:
    """Whether clearly less could be decoded than a header claims."""
    return claimed_s - decoded_s > max(MIN_MISSING_S, MAX_MISSING_SHARE * claimed_s)
