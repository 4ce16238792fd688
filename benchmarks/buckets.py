"""What hearing media in a bucket costs: bytes and requests, and time beside a local file.

    python -m benchmarks.buckets --minutes 10 --delay-ms 30

The server is moto on this machine, each request made to wait as a network would. The media are made
here: noise that rises and falls, in a film beside pictures of noise.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import obstore

from benchmarks import machine
from opentr_pipeline.archive.bucket import BucketStorage
from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.archive.recordings import ProbeMemory, probe_all
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline_tests.bucket_server import CREDENTIALS, Between, bucket_server, new_bucket

RATE_HZ = 48_000
# One picture a second; noise, so that no codec makes it small.
PICTURE = (640, 360)


class Making(NamedTuple):
    """How a recording is made."""

    codec: str
    bit_rate: int = 0
    is_film: bool = False
    has_index_in_front: bool = False


MEDIA = {
    "film, index in front.mp4": Making("aac", is_film=True, has_index_in_front=True),
    "film, index at the end.mp4": Making("aac", is_film=True),
    "speech.mp3": Making("libmp3lame", 128_000),
    "speech.flac": Making("flac"),
    "speech.opus": Making("libopus", 32_000),
}


@dataclass(frozen=True)
class Cost:
    """What one file cost.

    Attributes:
        probe_share: fetched by scan, digest and probe, over the file's size.
        decode_share: fetched by hearing it, over the file's size.
        num_requests: of probe and hearing.
        bucket_s: to decode it from the bucket.
        local_s: to decode it from a disk.
    """

    name: str
    size_bytes: int
    probe_share: float
    decode_share: float
    num_requests: int
    bucket_s: float
    local_s: float


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10.0, help="of each recording")
    arguments.add_argument("--delay-ms", type=float, default=30.0, help="of each request")
    arguments.add_argument("--json", type=Path, help="where to keep the figures")
    given = arguments.parse_args()
    facts = machine.facts()
    print(json.dumps(facts))
    with tempfile.TemporaryDirectory() as folder, buckets(given.delay_ms / 1000) as (between, at):
        costs = []
        for name, how in MEDIA.items():
            path = made(Path(folder, name), given.minutes * 60, how)
            costs.append(cost(path, between, at))
            print(shown(costs[-1]), flush=True)
    if given.json:
        found = {"machine": facts, "given": vars(given), "costs": list(map(asdict, costs))}
        given.json.write_text(json.dumps(found, indent=1, default=str))


@contextmanager
def buckets(delay_s: float) -> Iterator[tuple[Between, BucketAddress]]:
    """A server whose requests wait, and an empty place there."""
    os.environ.update(CREDENTIALS)
    with bucket_server() as server:
        between = Between(server, delay_s)
        with between.running() as endpoint:
            yield between, BucketAddress(f"s3://{new_bucket(server)}/media", endpoint)


def cost(path: Path, between: Between, at: BucketAddress) -> Cost:
    """Send a file, look into it and hear it."""
    store = object_store(at)
    obstore.put(store, path.name, path)
    size = path.stat().st_size
    files = [("k", one) for one in scan(at).media_files]
    between.asked.clear()
    with tempfile.TemporaryDirectory() as folder:
        (recording,) = probe_all(at, files, ProbeMemory(Path(folder, "p.sqlite")))
    assert recording.probe.status == "ok", recording.probe
    probed = sum(one.num_bytes for one in between.asked)
    bucket_s = decoded(Sound(lambda: BucketStorage(at).opened(path.name)))
    fetched = sum(one.num_bytes for one in between.asked)
    local_s = decoded(Sound(path))
    obstore.delete(store, path.name)
    shares = probed / size, (fetched - probed) / size
    return Cost(path.name, size, *shares, len(between.asked), bucket_s, local_s)


def decoded(sound: Sound) -> float:
    """Seconds to decode all of it."""
    started = time.monotonic()
    for _ in sound.blocks():
        pass
    return time.monotonic() - started


def shown(one: Cost) -> str:
    """A line of the guide's table."""
    return (
        f"| {one.name}, {one.size_bytes / 1e6:.0f} MB | {one.probe_share:.2f} + "
        f"{one.decode_share:.2f} in {one.num_requests} requests | {one.bucket_s:.2f} s, "
        f"{one.local_s:.2f} s |"
    )


def made(path: Path, seconds: float, how: Making) -> Path:
    """A recording of noise."""
    noise = np.random.default_rng(20_261_127)
    options = {"movflags": "faststart"} if how.has_index_in_front else {}
    with av.open(str(path), "w", options=options) as container:
        sound: Any = container.add_stream(how.codec, rate=RATE_HZ, layout="mono")
        if how.bit_rate:
            sound.bit_rate = how.bit_rate
        pictures: Any = container.add_stream("mjpeg", rate=1) if how.is_film else None
        if pictures:
            pictures.width, pictures.height = PICTURE
            pictures.pix_fmt = "yuvj420p"
        for second in range(int(seconds)):
            if pictures:
                image = noise.integers(0, 256, (PICTURE[1], PICTURE[0], 3), np.uint8)
                frame = av.VideoFrame.from_ndarray(image).reformat(format="yuvj420p")
                frame.pts, frame.time_base = second, Fraction(1)
                container.mux(pictures.encode(frame))
            _mux_second(container, sound, noise, second)
        for stream in filter(None, (sound, pictures)):
            container.mux(stream.encode(None))
    return path


def _mux_second(container: Any, sound: Any, noise: Any, second: int) -> None:
    loudness = np.abs(np.sin(np.arange(RATE_HZ) / RATE_HZ * 9.0))
    samples = (noise.standard_normal(RATE_HZ) * loudness * 3000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
    frame.sample_rate, frame.pts = RATE_HZ, second * RATE_HZ
    container.mux(sound.encode(frame))


if __name__ == "__main__":
    main()
