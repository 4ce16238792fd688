"""What is decoded -> pieces of one size: frames that are too long, samples that are short."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.mixing import centred, levelled, peak_of

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples

# What is resampled at once: at a low rate few samples become many.
PIECE_S = 30.0


def pieces_of(frame: Any) -> Iterator[Any]:
    """A frame, or parts of one that would be much longer than frames are."""
    from av.audio.fifo import AudioFifo

    size = int(PIECE_S * frame.sample_rate)
    if frame.samples <= size:
        yield frame
        return
    fifo = AudioFifo()
    fifo.write(frame)
    while piece := fifo.read(size, partial=True):
        piece.pts = None
        yield piece


def blocks_of(parts: Iterator["Samples"], size: int) -> Iterator["Samples"]:
    """The samples of a recording in such pieces, at a level that can be heard."""
    peak = 0.0
    for block in joined(parts, size):
        peak = max(peak, peak_of(centred(block)))
        yield levelled(block, peak)
        del block


def joined(parts: Iterable["Samples"], size: int) -> Iterator["Samples"]:
    """The same samples in pieces of this size or a little more, the last one shorter.

    More than two channels make smaller pieces, so that these take no more memory.
    """
    import numpy as np

    waiting: list[Samples] = []
    num_samples = 0
    for part in parts:
        waiting.append(part)
        num_samples += part.shape[1]
        if num_samples * max(2, len(part)) >= 2 * size:
            piece = np.concatenate(waiting, axis=1)
            waiting, num_samples = [], 0  # not kept while the caller works
            yield piece
            del piece
    if num_samples:
        yield np.concatenate(waiting, axis=1)
