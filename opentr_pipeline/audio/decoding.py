"""Media file -> samples -> windows (PyAV's door, with ``probe`` and ``streams``).

A stream: what is in memory at once does not depend on how long a recording is.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from opentr_pipeline.audio.blocks import blocks_of
from opentr_pipeline.audio.ceilings import MAX_OTHER_STREAMS, Allowance
from opentr_pipeline.audio.extents import extents_of
from opentr_pipeline.audio.media_streams import reading, size_of
from opentr_pipeline.audio.mixing import Mix, mixed, other_mixes
from opentr_pipeline.audio.peaks import Peaks
from opentr_pipeline.audio.probe import open_media
from opentr_pipeline.audio.streams import DISK_ERRORS, LATE_STREAM, Decoder
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, SpeechFinder, Window
from opentr_pipeline.errors import MediaError
from opentr_pipeline.settings.sound import MAX_DURATION_S

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

# Decoded and searched for speech at once. What is held back from one block is searched again with
# the next; longer blocks cost memory, and keep the model waiting for the first window.
BLOCK_S = 120.0
# Headers round, and encoders pad; a file counts as cut off where more than both is missing.
MAX_MISSING_SHARE = 0.02
MIN_MISSING_S = 1.0


class Sound:
    """One audio stream of a media file, decoded while its windows are taken.

    Attributes:
        duration_s: what was decoded so far; the whole once the windows are exhausted.
        is_flat: nothing but zeros was decoded so far.
        num_errors: packets that could not be decoded and are missing, so far.
        reached_s: how far streams beside this one go; 0 where this one says its own length.
        is_cut: the file ends before its container does.
        num_left: bytes that follow the end that the container says, and were not heard.
        num_other: audio streams that were not heard.
        is_claimed: whether what headers claim is this sound: that of the best stream, and all
            of the file.
        allowance: what of it may still be heard.
        peaks: how loud it was so far.
    """

    def __init__(
        self,
        media: Path | Callable[[], AbstractContextManager[BinaryIO]],
        audio_stream: str = "auto",
        *,
        split: bool = False,
        max_duration_s: float = MAX_DURATION_S,
        mix: Mix = mixed,
    ) -> None:
        """Name the file; it is opened by ``windows``.

        Args:
            media: the media file, or what opens one for as long as it is read.
            audio_stream: its number among the audio streams, from 0, or ``auto`` for the best.
            split: windows of each channel by itself.
            max_duration_s: what is heard of it.
            mix: makes one of all channels, where they are not split.
        """
        self._media = media
        self._audio_stream = audio_stream
        self._split, self._mix = split, mix
        self._errors: list[str] = []
        self._num_samples = 0
        self.reached_s = 0.0
        self.is_flat, self.is_cut, self.is_claimed = True, False, audio_stream == "auto"
        self.num_left = self.num_other = 0
        self._number, self._num_channels = 0, 1
        self.allowance = Allowance(max_duration_s)
        self.peaks = Peaks()

    @property
    def duration_s(self) -> float:
        """Length of what could be decoded so far."""
        return self._num_samples / SAMPLE_RATE_HZ

    @property
    def num_errors(self) -> int:
        """Packets that are missing so far."""
        return len(self._errors)

    @property
    def has_late_stream(self) -> bool:
        """Whether a stream began midway, which was not heard."""
        return LATE_STREAM in self._errors

    def windows(self) -> Iterator[Window]:
        """Decode and find speech, a block at a time; damaged packets are left out.

        Where nobody speaks in the mix of the best stream, its channels are heard, and then the
        other streams, until somebody does.

        Raises:
            MediaError: ``corrupt`` where nothing can be decoded, ``unsupported`` without audio.
            OSError: the file cannot be read, through no fault of its own.
        """
        spoke = yield from self._windows_of_stream()
        if not spoke and self._audio_stream == "auto":
            yield from self._instead(self._other_streams())

    def _windows_of_stream(self) -> Generator[Window, None, bool]:
        """Those of the mix, or else of the channels; whether there were any."""
        spoke = False
        for window in self._windows():
            spoke = True
            yield window
        if not spoke and not self._split and self._mix is mixed:
            spoke = yield from self._instead(self._other_mixes())
        return spoke

    def _instead(self, others: Iterable["Sound"]) -> Generator[Window, None, bool]:
        """The windows of the first in which somebody speaks, which this one then is."""
        for other in others:
            if self.allowance.status:
                return False
            self._within_allowance(other)
            try:
                spoke = yield from other._windows_of_stream()
            except MediaError:  # not the one that would decide over the file
                spoke = False
            if spoke:
                vars(self).update(vars(other))
                return True
            self.allowance.count(other.allowance)
            if other.allowance.status:
                return False
        return False

    def others(self) -> Iterator["Sound"]:
        """What to listen to where nobody speaks in this, as ``windows`` does by itself."""
        if not self._split and self._mix is mixed:
            yield from map(self._within_allowance, self._other_mixes())
        if self._audio_stream == "auto":
            yield from map(self._within_allowance, self._other_streams())

    def _within_allowance(self, other: "Sound") -> "Sound":
        other.allowance = self.allowance.of_another_stream()
        return other

    def _other_mixes(self) -> Iterator["Sound"]:
        for mix in other_mixes(self._num_channels):
            other = Sound(self._media, self._audio_stream, mix=mix)
            yield other
            if other.is_flat and self._num_channels == 2:  # channels that are the same
                return

    def _other_streams(self) -> Iterator["Sound"]:
        numbers = [number for number in range(self.num_other + 1) if number != self._number]
        for number in numbers[:MAX_OTHER_STREAMS]:
            yield Sound(self._media, str(number), split=self._split)
        self.num_other = 0

    def _windows(self) -> Iterator[Window]:
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

    def _opened(self) -> AbstractContextManager[BinaryIO]:
        return reading(self._media) if isinstance(self._media, Path) else self._media()

    def blocks(self) -> Iterator["Samples"]:
        """The sound in blocks of ``BLOCK_S``, the last one shorter: shape (num_channels, n)."""
        import av

        try:
            with self._opened() as file:
                self.allowance.size_bytes = size_of(file)
                for block in blocks_of(self._parts(file), int(BLOCK_S * SAMPLE_RATE_HZ)):
                    self._num_samples += block.shape[1]
                    self.is_flat = self.is_flat and not block.any()
                    self.peaks.add(block)
                    yield block
        except av.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                raise
            raise MediaError("corrupt", f"The sound cannot be decoded: {error.strerror}.") from None

    def _parts(self, file: BinaryIO) -> Iterator["Samples"]:
        """The sound of all containers in the file."""
        import av

        layout: Any = None
        num_before = 0
        for extent in extents_of(file):
            if not self.allowance.part():
                return
            self.is_cut, self.num_left = extent.is_cut, 0
            self.is_claimed &= not extent.start
            try:
                with open_media(file, extent) as container:
                    stream = self._stream(container)
                    decoder = Decoder(
                        container,
                        stream,
                        self._errors,
                        is_cut=extent.is_cut,
                        split=self._split,
                    )
                    decoder.layout, decoder.allowance = layout, self.allowance
                    decoder.mix = self._mix
                    yield from decoder.parts()
            except (av.FFmpegError, MediaError) as error:
                if not extent.start or getattr(error, "errno", None) in DISK_ERRORS:
                    raise
                self._errors.append(str(error))
                continue
            self.reached_s = num_before / SAMPLE_RATE_HZ + decoder.reached_s
            self._num_channels = max(self._num_channels, decoder.num_channels)
            layout, num_before = decoder.layout, num_before + decoder.num_samples
            self.num_left = 0 if extent.is_wave else extent.num_left
            if self.allowance.status:
                return

    def _stream(self, container: Any) -> Any:
        streams = container.streams.audio
        if not streams:
            raise MediaError("unsupported", "There is no audio stream in the file.")
        self.num_other = len(streams) - 1
        if self._audio_stream == "auto":
            best = container.streams.best("audio") or streams[0]
            self._number = streams.index(best)
            return best
        if int(self._audio_stream) >= len(streams):
            raise MediaError(
                "unsupported",
                f"AUDIO_STREAM={self._audio_stream}, but the file's audio streams are "
                f"0 to {len(streams) - 1}.",
            )
        return streams[int(self._audio_stream)]


def is_cut_off(decoded_s: float, claimed_s: float) -> bool:
    """Whether clearly less could be decoded than a header claims."""
    return claimed_s - decoded_s > max(MIN_MISSING_S, MAX_MISSING_SHARE * claimed_s)
