"""An audio stream of a container -> samples (PyAV's door, with ``probe``)."""

import errno
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.blocks import joined, pieces_of
from opentr_pipeline.audio.ceilings import MAX_FRAME_SAMPLES, Allowance, refusal
from opentr_pipeline.audio.mixing import Mix, mixed
from opentr_pipeline.audio.probe import MACHINE_ERRORS, container_duration_s, own_duration_s
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, WINDOW_SAMPLES
from opentr_pipeline.errors import MediaError

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

# Not the file's fault.
DISK_ERRORS = MACHINE_ERRORS | {errno.EIO}
# Whether channels cancel each other is judged of so much at once.
MIX_SAMPLES = SAMPLE_RATE_HZ
# Of 16 bits or fewer. Other samples stay numbers with a fraction: quiet sound would be lost.
SHALLOW_FORMATS = frozenset({"u8", "u8p", "s16", "s16p"})
MANY_CHANNELS = 8
LATE_STREAM = "A stream begins midway"
# A file of noise: every packet fails.
MAX_ERRORS = 10_000


class Decoder:
    """Decodes a stream to samples at 16 kHz, float32, each at its place in time.

    Attributes:
        mix: makes one of its channels, where they are not kept apart.
        layout: of its channels; set where the file had another container before.
        allowance: what of the file may still be heard.
        num_channels: most of them at once, so far.
        num_samples: decoded so far.
        reached_s: how far streams beside this one go; 0 where nobody needs to know.
    """

    def __init__(
        self,
        container: Any,
        stream: Any,
        errors: list[str],
        *,
        is_cut: bool,
        split: bool,
    ) -> None:
        """Begin at the beginning of a stream.

        Args:
            container: that is open.
            stream: of it.
            errors: gets what could not be decoded.
            is_cut: the file ends before the container does.
            split: each channel by itself.
        """
        self._container = container
        self._stream = stream
        self._split = split
        self._errors = errors
        self.allowance = Allowance()
        self.mix: Mix = mixed
        self.layout: Any = None
        self.num_channels = self.num_samples = 0
        self.reached_s = 0.0
        self._read = [stream]
        # Read anyway, to pass over them.
        if is_cut or own_duration_s(container, stream) is None:
            streams = container.streams
            self._read = [*streams.video, *streams.audio, *streams.subtitles]
        stream.thread_type = "AUTO"
        if stream.codec_context:
            stream.codec_context.options = {"max_samples": str(MAX_FRAME_SAMPLES)}

    def parts(self) -> Iterator["Samples"]:
        """Samples, shape (num_channels, n), of all channels or of the mix of them."""
        self.allowance.begin(container_duration_s(self._container))
        if self._split:
            for _, samples in self._channels():
                yield samples
            return
        for names, group in itertools.groupby(self._channels(), key=lambda one: one[0]):
            for samples in joined((samples for _, samples in group), MIX_SAMPLES):
                yield self.mix(samples, names)

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
                for piece in pieces_of(frame):
                    yield from self._out(resampler.resample(piece))
            except (av.FFmpegError, MediaError) as error:  # a frame that claims what cannot be
                self._errors.append(getattr(error, "strerror", None) or str(error).rstrip("."))
                resampler = shape = None
            if self.allowance.status:
                return
        if resampler:
            yield from self._out(resampler.resample(None))

    def _resampler(self, frame: Any) -> Any:
        from av.audio.resampler import AudioResampler

        if why := refusal(frame.sample_rate, frame.layout.nb_channels):
            raise MediaError("corrupt", why)
        self.allowance.format()
        # Where channels are kept apart, the first frame decides how many there are to the end.
        self.layout = self.layout if self.layout and self._split else frame.layout
        self.num_channels = max(self.num_channels, self.layout.nb_channels)
        kind = "s16" if frame.format.name in SHALLOW_FORMATS else "flt"
        # A plane for each channel; of eight and more PyAV 18 reads beyond the last one.
        kind += "p" if self.layout.nb_channels < MANY_CHANNELS else ""
        return AudioResampler(kind, self.layout, SAMPLE_RATE_HZ)

    def _out(self, frames: Sequence[Any]) -> Iterator[tuple[tuple[str, ...], "Samples"]]:
        import numpy as np

        for frame in frames:
            samples = frame.to_ndarray()
            if not frame.format.is_planar:
                samples = np.ascontiguousarray(samples.reshape(-1, len(self._names())).T)
            self.num_samples += samples.shape[1]
            self.allowance.sound(samples.shape[1] / SAMPLE_RATE_HZ)
            if samples.dtype == np.int16:
                samples = samples.astype(np.float32) / 32768.0
            elif not np.isfinite(samples).all():
                samples = np.nan_to_num(samples, posinf=0.0, neginf=0.0)
            yield self._names(), samples

    def _names(self) -> tuple[str, ...]:
        return tuple(channel.name for channel in self.layout.channels)

    def _silence_before(self, frame: Any) -> Iterator[tuple[tuple[str, ...], "Samples"]]:
        """What is missing in front of a frame, by its time: players leave a gap there as well."""
        import numpy as np

        if frame.time is None:
            return
        at_s = frame.time - (self._container.start_time or 0) / 1e6
        missing_s = at_s - self.num_samples / SAMPLE_RATE_HZ
        missing = round(self.allowance.silence(missing_s) * SAMPLE_RATE_HZ)
        names = self._names()
        self.num_samples += missing
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
            except IndexError:  # PyAV knows none of the streams that begin midway
                if LATE_STREAM not in self._errors:
                    self._errors.append(LATE_STREAM)
                packets = self._container.demux(self._read)
                continue
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
