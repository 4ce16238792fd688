"""What the headers of a media file say (PyAV's door, with ``decoding``)."""

import ctypes
import dataclasses
import errno
import functools
import itertools
import re
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from opentr_pipeline.audio.ceilings import refusal
from opentr_pipeline.audio.container_sizes import Extent, is_placeholder
from opentr_pipeline.audio.extents import Slice, is_one_part
from opentr_pipeline.audio.media_streams import Media, reading, size_of, suffix_of

# Longer than any recording: a header that claims more is broken.
MAX_DURATION_S = 31 * 86_400.0
# Of a recording whose length is believed: what codecs need for speech (Codec 2 at its lowest rate:
# 87), and not what silence takes, for which a clock that jumped would be taken.
MIN_CLAIMED_BYTES_PER_S = 80.0
# The index of an MP4 of five days is as large.
MAX_ALLOCATION_BYTES = 1 << 29
# Of a container, and letters of one.
MAX_TAGS = 100
MAX_TAG_LETTERS = 1000
# Telephone sound without a header, by extension, with FFmpeg's name of the format.
RAW_TELEPHONE = {".ul": "mulaw", ".ulaw": "mulaw", ".al": "alaw", ".alaw": "alaw"}
TELEPHONE_RATE_HZ = 8000
# How a file begins that has a header whatever its extension says.
HEADERS = (b"RIFF", b"RIFX", b"RF64", b".snd", b"FORM", b"OggS", b"fLaC")
# FFmpeg's formats that are lists of other files or addresses, or go on in files beside theirs.
PLAYLISTS = frozenset(
    {"concat", "dash", "hls", "image2", "imf", "mlv", "rtsp", "sdp", "vobsub", "webm_dash_manifest"}
)
# Not the file's fault: tried again, and not remembered.
MACHINE_ERRORS = frozenset(
    {
        *(errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOMEM),
        *(errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT),
    }
)
# Streams of frames with no header in front that could tell a duration.
HEADERLESS = frozenset(
    "aac ac3 amr dts dtshd eac3 loas mlp truehd mpeg mpegts mpegtsraw mpegvideo".split()
)
# In the tags of a stream, hours first.
MATROSKA_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
# Formats that give each stream the length of the longest.
SHARED_DURATION = frozenset({"asf"})


@dataclass(frozen=True)
class Probe:
    """What the headers of a media file say.

    Attributes:
        status: ``ok``, or why there is nothing to transcribe (see ``transcript.STATUSES``).
        reason: a sentence where the status is not ``ok``.
        duration_s: as the container claims it; None where it does not say.
        may_be_estimated: the duration equals what the libraries guess from the size where no header
            says it; a file that holds less is then no proof of damage.
        tags: the container's own, such as title and date.
    """

    status: str = "ok"
    reason: str = ""
    container: str = ""
    codec: str = ""
    sample_rate_hz: int = 0
    num_channels: int = 0
    num_audio_streams: int = 0
    has_video: bool = False
    duration_s: float | None = None
    may_be_estimated: bool = False
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


@contextmanager
def open_media(media: Media, extent: Extent | None = None, decoders: str = "") -> Iterator[Any]:
    """Open a container with FFmpeg's libraries, which get the bytes of this file from us.

    They open nothing themselves: a playlist or an index in disguise would have us read other files
    or the network. They decode no pictures, unless these are asked for: one of some kilobytes may
    fill the memory.

    Args:
        media: the file.
        extent: of the container in it, where it is not the whole file or holds more than it says.
        decoders: those that may be used, with commas between; empty: those of sound.

    Raises:
        av.FFmpegError: not a container that the libraries know.
        OSError: the file cannot be opened, or is no regular file.
    """
    import av

    _bound_allocations()
    options = {"protocol_whitelist": "none", "codec_whitelist": decoders or _sound_decoders()}
    has_header = _has_header(media)  # opened here first, for FFmpeg says EPERM of damage
    kind = None if has_header else RAW_TELEPHONE.get(suffix_of(media))
    if kind:
        options["sample_rate"] = str(TELEPHONE_RATE_HZ)
    else:
        options["format_whitelist"] = ",".join(sorted(av.formats_available - PLAYLISTS))
    if extent and extent.is_wave and extent.num_left:
        options["ignore_length"] = "1"
    with reading(media) as file:
        part = extent if extent and not kind else Extent(0, size_of(file))
        with (
            Slice(file, part) as stream,
            av.open(stream, format=kind, metadata_errors="replace", options=options) as container,
        ):
            yield container


@functools.cache
def _bound_allocations() -> None:
    """Have FFmpeg's libraries take no more memory at once: an index may claim any number of parts.

    PyAV has no name for it; FFmpeg's own program has ``-max_alloc``.
    """
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        paths = {line.split(maxsplit=5)[-1].strip() for line in maps if "libavutil" in line}
    for path in paths:
        ctypes.CDLL(path).av_max_alloc(ctypes.c_size_t(MAX_ALLOCATION_BYTES))


@functools.cache
def _sound_decoders() -> str:
    import av

    names = []
    for name in sorted(av.codecs_available):
        try:
            if av.Codec(name, "r").type == "audio":
                names.append(name)
        except av.codec.codec.UnknownCodecError:  # it encodes only
            continue
    return ",".join(names)


def probe_file(media: Media) -> Probe:
    """Read the headers of a media file; a broken file is a probe with a status, not an error.

    Raises:
        OSError: the file cannot be opened.
    """
    with reading(media) as file:  # first, for a pipe has no bytes either
        return _probed(file)


def _probed(file: BinaryIO) -> Probe:
    if size_of(file) == 0:
        return Probe("corrupt", "The file is empty (0 bytes).")
    if not _has_header(file) and suffix_of(file) == ".vox":
        return Probe(
            "unsupported", "A .vox file does not say how its sound is coded; convert it to WAV."
        )
    try:
        with open_media(file) as container:
            return _judged(_headers(container, file))
    except Exception as error:  # the libraries raise many kinds on bytes that make no sense
        if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
            raise
        return Probe("corrupt", f"FFmpeg's libraries cannot open the file: {_words(error)}.")


def _has_header(media: Media) -> bool:
    with reading(media) as file:
        return file.read(4) in HEADERS


def _headers(container: Any, file: BinaryIO) -> Probe:
    streams = container.streams
    facts = Probe(
        container=container.format.name,
        num_audio_streams=len(streams.audio),
        has_video=any(not is_cover(stream) for stream in streams.video),
        tags=_tags(container.metadata),
    )
    stream = streams.best("audio")
    if stream is None:
        return facts
    context = stream.codec_context
    return dataclasses.replace(
        facts,
        codec=context.name if context else "",
        sample_rate_hz=(context and context.sample_rate) or 0,
        num_channels=(context and context.channels) or 0,
        duration_s=_possible_duration_s(container, stream, file),
        may_be_estimated=_may_be_estimated(container, stream, size_of(file)),
    )


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    tags = itertools.islice(sorted(metadata.items()), MAX_TAGS)
    return {str(key)[:MAX_TAG_LETTERS]: str(value)[:MAX_TAG_LETTERS] for key, value in tags}


def is_cover(stream: Any) -> bool:
    """A picture embedded in a music file counts as a video stream with one frame."""
    return "attached_pic" in str(stream.disposition).lower()


def own_duration_s(container: Any, stream: Any) -> float | None:
    """The length that a stream says of itself, where it does; pictures may go on beyond it."""
    if stream.duration is not None and stream.time_base:
        is_shared = container.format.name in SHARED_DURATION and len(container.streams) > 1
        return None if is_shared else float(stream.duration * stream.time_base)
    said = MATROSKA_DURATION.fullmatch(stream.metadata.get("DURATION", ""))
    if not said or container.duration is None:
        return None
    # What cut a file in two may have left the tag as it was.
    duration_s = int(said[1]) * 3600 + int(said[2]) * 60 + float(said[3])
    return float(min(duration_s, container.duration / 1e6))


def container_duration_s(container: Any) -> float | None:
    """The length that a container says of all streams; 0 where it does not, None where none can."""
    is_guess = container.format.name in HEADERLESS
    return None if is_guess else float((container.duration or 0) / 1e6)


def _possible_duration_s(container: Any, stream: Any, file: BinaryIO) -> float | None:
    """The claimed length of the sound, or of all streams; None where the file cannot hold that."""
    duration_s = _wave_duration_s(file) or own_duration_s(container, stream)
    if duration_s is None and container.duration is not None:
        duration_s = container.duration / 1e6
    if duration_s is None or not 0 <= duration_s <= MAX_DURATION_S:
        return None
    # The clock jumps, or the header was never filled in, or is that of the first part alone.
    is_held = size_of(file) >= duration_s * MIN_CLAIMED_BYTES_PER_S
    return duration_s if is_held and is_one_part(file) else None


def _wave_duration_s(file: BinaryIO) -> float | None:
    """What a WAV header says of PCM; FFmpeg shortens it to the file, and hides that it was cut."""
    try:
        with reading(file) as stream, wave.open(stream) as reader:
            num_frames = int(reader.getnframes())
            size_bytes = num_frames * reader.getnchannels() * reader.getsampwidth()
            if not is_placeholder(size_bytes):
                return num_frames / int(reader.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError, OSError):
        pass
    return None


def _may_be_estimated(container: Any, stream: Any, size_bytes: int) -> bool:
    """Whether the duration equals size divided by bit rate."""
    if container.format.name in HEADERLESS:
        return True
    if container.format.name != "mp3" or not stream.duration:
        return False
    # With a Xing header the bit rate stands for the bytes that the file should have.
    guess_s = size_bytes * 8 / float(stream.codec_context.bit_rate or 1)
    return abs(guess_s - float(stream.duration * stream.time_base)) < 0.01 * guess_s


def _judged(probe: Probe) -> Probe:
    """The status that follows from the headers."""
    status, reason = "ok", ""
    if probe.num_audio_streams == 0:
        status, reason = "unsupported", "There is no audio stream in the file."
    elif not probe.codec:
        status, reason = "unsupported", "The audio codec is not one that FFmpeg's libraries know."
    elif probe.sample_rate_hz <= 0 or probe.num_channels < 1:
        status = "corrupt"
        reason = f"The header claims {probe.num_channels} channels at {probe.sample_rate_hz} Hz."
    elif reason := refusal(probe.sample_rate_hz, probe.num_channels):
        status = "unsupported"
    return dataclasses.replace(probe, status=status, reason=reason)


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.rstrip(".")
