"""A picture out of a film that tells it from others (PyAV's door, with ``probe``).

It is looked for in a process of its own, which ends where it takes too long or too much memory:
pictures of odd files cost their poster and nothing else.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from opentr_pipeline.audio.own_processes import command_of, environment
from opentr_pipeline.audio.probe import is_cover, open_media
from opentr_pipeline.plain_files import open_regular

# Where in a film it is looked for, one after the other: films begin with titles, and with black.
PLACES = (0.1, 0.25, 0.5, 0.75, 0.02, 0.0)
WIDTH, MAX_HEIGHT = 480, 480
# By how much the brightness of a picture varies that shows something, of 255.
MIN_DEVIATION = 12.0
# Of MPEG's quantiser: 2 is best, 31 worst.
QUALITY = 6
CPU_S = 10
# By the clock, for what no CPU is spent on; a sixth of a CPU is enough for the above.
TIMEOUT_S = 60.0
MEMORY_BYTES = 2 << 30
# That the film makes no sense; any other end may be this machine's fault.
NONSENSE = 3
MAX_PIXELS = 1 << 26
MAX_BYTES = 1 << 18
# What films are coded in.
DECODERS = (
    "av1,cinepak,dnxhd,dvvideo,ffv1,flv,h261,h263,h264,hevc,libaom-av1,libdav1d,libvpx,libvpx-vp9,"
    "mjpeg,mpeg1video,mpeg2video,mpeg4,mpegvideo,msmpeg4,msmpeg4v1,msmpeg4v2,prores,rv10,rv20,rv30,"
    "rv40,svq1,svq3,theora,vc1,vp6,vp6f,vp8,vp9,wmv1,wmv2,wmv3"
)
_STANDARD_INPUT = Path("/proc/self/fd/0")


def poster_of(path: Path, archive: Path) -> bytes | None:
    """A small JPEG out of a film; empty where there is none that shows anything.

    Args:
        path: of the film.
        archive: which no link may leave.

    Returns:
        None where it took too long or too much; another time it may not.

    Raises:
        OSError: the film cannot be opened now.
    """
    with open_regular(path, os.path.realpath(archive)) as stream:
        try:
            done = subprocess.run(
                command_of(__name__),
                stdin=stream,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode in (NONSENSE, -signal.SIGXCPU):
        return b""
    if done.returncode != 0:
        return None
    return done.stdout if len(done.stdout) <= MAX_BYTES else b""


def find_poster(film: Path) -> bytes:
    """The same, in this process.

    Raises:
        av.FFmpegError: the film makes no sense.
        MemoryError: it takes too much.
    """
    with open_media(film, decoders=DECODERS) as container:
        for stream in filter(_is_possible, container.streams.video):
            for frame in _frames(container, stream):
                if frame.reformat(64, 36, "gray").to_ndarray().std() >= MIN_DEVIATION:
                    return _jpeg(frame, float(stream.sample_aspect_ratio or 1))
    return b""


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Key frames here and there."""
    import av

    stream.codec_context.skip_frame = "NONKEY"
    stream.codec_context.thread_count = 1
    for place in PLACES:
        try:
            if container.duration:
                container.seek((container.start_time or 0) + int(place * container.duration))
            yield next(container.decode(stream))
        except (av.FFmpegError, StopIteration):
            continue


def _is_possible(stream: Any) -> bool:
    context = stream.codec_context
    is_film = bool(context) and not is_cover(stream)
    return is_film and 0 < context.width * context.height <= MAX_PIXELS


def _jpeg(frame: Any, shape: float) -> bytes:
    """A small picture, as players show it.

    Args:
        frame: the picture as it is coded.
        shape: how wide its pixels are, if they are 1 high.
    """
    import av
    import numpy as np

    width, height = frame.width * shape, float(frame.height)
    scale = min(1.0, WIDTH / width, MAX_HEIGHT / height)
    size = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    picture = frame.reformat(*size, "rgb24").to_ndarray()
    turned = np.rot90(picture, round(frame.rotation / 90) % 4)
    context = av.CodecContext.create("mjpeg", "w")
    context.height, context.width = turned.shape[:2]
    context.pix_fmt, context.time_base = "yuvj420p", Fraction(1, 25)
    context.qmin = context.qmax = QUALITY
    small = av.VideoFrame.from_ndarray(np.ascontiguousarray(turned), format="rgb24")
    packets = [*context.encode(small.reformat(format="yuvj420p")), *context.encode(None)]
    return b"".join(map(bytes, packets))


def _within_bounds() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))  # the first says why it ends
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _answer() -> None:
    _within_bounds()
    from av import FFmpegError

    try:
        sys.stdout.buffer.write(find_poster(_STANDARD_INPUT))
    except FFmpegError:
        sys.exit(NONSENSE)


if __name__ == "__main__":
    _answer()
