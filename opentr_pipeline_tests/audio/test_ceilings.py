"""Small files that claim or decode to far more than they are cost little, and are said to be so."""

import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from opentr_pipeline.audio.ceilings import MAX_FORMATS, MIN_BYTES_PER_S, Allowance
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.probe import MAX_TAG_LETTERS, MAX_TAGS, probe_file
from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.errors import MediaError
from opentr_pipeline.planning.shards import ShardItem
from opentr_pipeline.steps.outcome import status_and_reason
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.making import OPTIONS, media_file, transcript, wav
from opentr_pipeline_tests.runs import SPEECH, make_archive

HOUR_S = 3600


def heard(path: Path, **options: float) -> Sound:
    """A file heard to where it ends, or is ended."""
    sound = Sound(path, **options)  # type: ignore[arg-type]
    list(sound.windows())
    return sound


def outcome(sound: Sound) -> tuple[str, str]:
    """Status and reason of a recording in which somebody speaks."""
    item = ShardItem(media_file("a"), "f", OPTIONS, None, may_be_estimated=True, partition_keys=())
    return status_and_reason(transcript(), sound, item)


def written(
    path: Path, codec: str, rate_hz: int, frames: Iterable[tuple[int, int]], **options: str
) -> Path:
    """Silence, in frames that begin at these seconds and are so many samples long."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono", options=options)
        for start_s, num_samples in frames:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, num_samples), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = rate_hz, start_s * rate_hz
            frame.time_base = Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def silent_flac(path: Path, rate_hz: int, hours: int) -> Path:
    """Silence in blocks so long that a second takes less than a byte."""
    num_samples = 60 * rate_hz
    frames = [(start, num_samples) for start in range(0, hours * HOUR_S, 60)]
    return written(path, "flac", rate_hz, frames, frame_size=str(num_samples))


def gaps(path: Path, starts_s: Sequence[int]) -> Path:
    """An MKV with a hundredth of a second of sound at each of these times."""
    return written(path, "pcm_s16le", SAMPLE_RATE_HZ, ((start, 160) for start in starts_s))


def test_sound_ends_where_a_file_can_hold_no_more(tmp_path: Path) -> None:
    path = silent_flac(tmp_path / "a.flac", 1000, hours=6)
    assert probe_file(path).duration_s is None, "the header's claim enters hours and progress"
    held_s = path.stat().st_size / MIN_BYTES_PER_S
    assert held_s < 3 * HOUR_S
    started = time.monotonic()
    sound = heard(path)
    assert time.monotonic() - started < 10
    assert sound.duration_s == pytest.approx(held_s, abs=60)
    status, reason = outcome(sound)
    assert status == "truncated"
    assert f"its {path.stat().st_size} bytes can hold; copy it again." in reason


def test_sound_ends_where_the_setting_says(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", seconds=100.0)
    sound = heard(path, max_duration_s=60)
    assert 61 <= sound.duration_s < 62
    assert outcome(sound) == (
        "too_long",
        "Heard as far as MAX_DURATION_S=60; set a larger one to hear the rest.",
    )
    assert outcome(heard(path, max_duration_s=101)) == ("ok", "")


@pytest.mark.parametrize(
    ("starts_s", "most_s"),
    [(range(0, 300 * HOUR_S, HOUR_S // 2), 6.5 * HOUR_S), ([0, 30 * 24 * HOUR_S], 1)],
)
def test_gaps_are_filled_as_far_as_a_file_can_mean_them(
    tmp_path: Path, starts_s: Sequence[int], most_s: float
) -> None:
    path = gaps(tmp_path / "a.mkv", starts_s)
    probe = probe_file(path)
    assert probe.duration_s is None
    sound = heard(path)
    assert sound.duration_s <= most_s
    status, reason = outcome(sound)
    assert status == "suspect"
    assert "clock jumps" in reason


def test_a_speaker_recorded_alone_may_be_silent_for_hours(tmp_path: Path) -> None:
    sound = heard(gaps(tmp_path / "a.mkv", [0, HOUR_S // 2, HOUR_S, 2 * HOUR_S]))
    assert sound.duration_s == pytest.approx(2 * HOUR_S, abs=1)
    assert outcome(sound) == ("ok", "")


def allowed(size_bytes: int, claimed_s: float | None) -> Allowance:
    allowance = Allowance()
    allowance.size_bytes = size_bytes
    allowance.begin(claimed_s)
    return allowance


def test_a_gap_beyond_the_end_of_the_file_is_a_broken_clock() -> None:
    allowance = allowed(134_000, 4.0)
    assert (allowance.silence(520.0), allowance.silence(0.05), allowance.silence(3.0)) == (0, 0, 3)
    assert "jumps by 520 s" in allowance.doubt
    said_nothing, broadcast = allowed(7000, 0.0), allowed(7000, None)
    assert said_nothing.silence(500.0) == broadcast.silence(500.0) == 500.0
    assert said_nothing.silence(2000.0) == broadcast.silence(2000.0) == 0.0
    assert said_nothing.doubt
    assert not broadcast.doubt


@pytest.mark.parametrize(("claimed_s", "status"), [(7212.0, "suspect"), (7400.0, "truncated")])
def test_a_gap_that_is_left_out_is_no_end_that_is_missing(
    tmp_path: Path, claimed_s: float, status: str
) -> None:
    sound = heard(gaps(tmp_path / "a.mkv", [*range(6), *range(7206, 7212)]))
    assert sound.duration_s < 60
    item = ShardItem(media_file("a"), "f", OPTIONS, claimed_s, False, partition_keys=())
    found, reason = status_and_reason(transcript(), sound, item)
    assert found == status
    assert ("clock jumps by 7" in reason) == (status == "suspect")


def test_a_clock_that_jumps_enters_no_total(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mkv", "pcm_s16le", 16_000, [(0, 400_000), (40_000, 160)])
    assert path.stat().st_size > 15 * 40_000, "more than silence may take"
    assert probe_file(path).duration_s is None


def test_what_only_the_first_part_says_enters_no_total(tmp_path: Path) -> None:
    for part in (
        wav(tmp_path / "a.wav", 1.0),
        written(tmp_path / "a.ogg", "libopus", 48_000, [(0, 48_000)]),
    ):
        assert probe_file(part).duration_s == pytest.approx(1.0, abs=0.05)
        part.write_bytes(part.read_bytes() * 50)
        assert probe_file(part).duration_s is None
        sound = heard(part)
        assert sound.duration_s == pytest.approx(50.0, abs=2)
        assert outcome(sound) == ("ok", "")


@pytest.mark.parametrize("seconds", [0.01, 0.0])
def test_parts_without_end_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    for room in ("ceilings", "extents"):
        monkeypatch.setattr(f"opentr_pipeline.audio.{room}.MAX_PARTS", 30)
    first, part = wav(tmp_path / "a.wav", 2.0), wav(tmp_path / "b.wav", seconds)
    first.write_bytes(first.read_bytes() + part.read_bytes() * 40)
    status, reason = outcome(heard(first))
    assert (status, reason) == (
        "truncated",
        "Heard as far as 2 s: it has more than 30 parts; convert it to one file.",
    )


def test_all_streams_of_a_file_have_one_allowance() -> None:
    first = allowed(7200, 0.0)
    first.sound(719.0)
    second = first.of_another_stream()
    second.size_bytes = 7200
    second.sound(2.0)
    assert (first.status, second.status) == ("", "truncated")
    assert "Heard as far as 2 s" in second.reason


def test_formats_that_change_again_and_again_end_it() -> None:
    allowance = allowed(10**9, 0.0)
    for _ in range(MAX_FORMATS):
        allowance.format()
    assert not allowance.status
    allowance.format()
    assert allowance.status == "truncated"
    assert "convert it to one format." in allowance.reason


def test_a_rate_that_no_speech_has_is_not_resampled(tmp_path: Path) -> None:
    """A sample at 8 Hz is two thousand at 16 kHz."""
    path = wav(tmp_path / "a.wav", seconds=10_000.0, rate_hz=8)
    assert probe_file(path).status == "unsupported"
    with pytest.raises(MediaError, match="sample rate is 8 Hz") as caught:
        heard(path)
    assert caught.value.status == "corrupt"


def test_a_frame_of_minutes_is_resampled_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wav(tmp_path / "a.wav", seconds=60.0, rate_hz=1000)
    whole = np.concatenate(list(Sound(path).blocks()), axis=1)
    monkeypatch.setattr("opentr_pipeline.audio.blocks.PIECE_S", 0.1)
    pieces = np.concatenate(list(Sound(path).blocks()), axis=1)
    assert np.array_equal(whole, pieces)


def test_many_channels_take_no_more_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="7.1")
        frame = av.AudioFrame.from_ndarray(np.ones((1, 8 * 8000 * 150), np.int16), "s16", "7.1")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    mixed = np.concatenate(list(Sound(path).blocks()), axis=1)
    assert mixed.shape == pytest.approx((1, 150 * SAMPLE_RATE_HZ), abs=99)
    blocks = list(Sound(path, split=True).blocks())
    assert {len(block) for block in blocks} == {8}
    assert max(block.size for block in blocks) < 1.1 * 2 * 120 * SAMPLE_RATE_HZ
    assert sum(block.shape[1] for block in blocks) == pytest.approx(150 * SAMPLE_RATE_HZ, abs=99)


@pytest.mark.parametrize("claimed_bytes", [0x60000000, 0x7FFFFFFF, 0xFFFFFE00])
def test_a_length_that_cannot_be_is_none(tmp_path: Path, claimed_bytes: int) -> None:
    path = wav(tmp_path / "a.wav", 3.0)
    content = bytearray(path.read_bytes())
    content[40:44] = claimed_bytes.to_bytes(4, "little")
    path.write_bytes(content)
    duration_s = probe_file(path).duration_s
    assert duration_s is None or duration_s <= 3.0


def id3(*tags: tuple[bytes, bytes]) -> bytes:
    """Tags in front of an MP3, of version 2.3."""
    body = b"".join(name + len(value).to_bytes(4, "big") + b"\0\0" + value for name, value in tags)
    size = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + body


def tone_mp3(path: Path) -> Path:
    return written(path, "libmp3lame", 16_000, [(0, 32_000)])


def test_tags_are_cut(tmp_path: Path) -> None:
    path = tone_mp3(tmp_path / "a.mp3")
    many = [(b"TXXX", b"\0k%d\0v" % number) for number in range(5000)]
    path.write_bytes(id3((b"TIT2", b"\0" + b"A" * 2_000_000), *many) + path.read_bytes())
    probe = probe_file(path)
    assert probe.status == "ok"
    assert len(probe.tags) == MAX_TAGS
    assert max(map(len, probe.tags.values())) <= MAX_TAG_LETTERS
    assert probe.tags.get("title", "A" * MAX_TAG_LETTERS) == "A" * MAX_TAG_LETTERS


def png(side: int) -> bytes:
    """A black picture, small however large."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return len(content).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")

    packed = zlib.compressobj(1)
    rows = [packed.compress(bytes(1 + 3 * side)) for _ in range(side)]
    header = side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    pixels = b"".join([*rows, packed.flush()])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*one) for one in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


INDEX = "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n" + "".join(
    f"timestamp: 00:00:0{second}:000, filepos: 00000000{second}\n" for second in range(9)
)


def test_what_goes_on_in_a_file_beside_it_is_refused(tmp_path: Path) -> None:
    """FFmpeg's libraries would wait for whoever writes to the pipe."""
    (tmp_path / "a.mkv").write_text(INDEX)
    os.mkfifo(tmp_path / "a.sub")
    probes = []
    thread = threading.Thread(
        target=lambda: probes.append(probe_file(tmp_path / "a.mkv")), daemon=True
    )
    thread.start()
    thread.join(20)
    assert [probe.status for probe in probes] == ["corrupt"]


LOOK = """
import sys
from pathlib import Path
from opentr_pipeline.audio.probe import probe_file
from opentr_pipeline.devices.usage import peak_memory_bytes
print(probe_file(Path(sys.argv[1])).status)
print(peak_memory_bytes())
"""


def test_an_index_of_millions_is_not_believed(tmp_path: Path) -> None:
    """Some kilobytes of MP4 that would take gigabytes to be looked at."""
    path = written(tmp_path / "a.mp4", "aac", 16_000, [(0, 64_000)])
    content = bytearray(path.read_bytes())
    millions = 60_000_000
    for name, numbers in {
        b"stsz": (1, millions),
        b"stts": (1, millions, 1024),
        b"stsc": (1, 1, millions, 1),
    }.items():
        struct.pack_into(f">{len(numbers)}I", content, content.index(name) + 8, *numbers)
    path.write_bytes(content)
    said = subprocess.run(
        [sys.executable, "-c", LOOK, str(path)], capture_output=True, text=True, check=True
    )
    status, peak_bytes = said.stdout.split()
    assert status in ("ok", "corrupt")
    assert int(peak_bytes) < 1e8, "54 MB on 2026-11-28"


def test_a_pipe_is_no_media_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    for look in (probe_file, heard):
        with pytest.raises(OSError, match="no regular file"):
            look(tmp_path / "a.wav")


MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
raise SystemExit(code)
"""


@pytest.mark.slow
def test_an_archive_of_bombs_costs_little(project: Callable[..., Project], tmp_path: Path) -> None:
    """Whatever they decode to; a recording among them is transcribed all the same."""
    archive = make_archive(tmp_path / "archive", {"speech.wav": SPEECH[0]})
    os.mkfifo(archive / "speech.reference.txt")
    silent_flac(archive / "silence.flac", 1000, hours=72)
    gaps(archive / "gaps.mkv", range(0, 300 * HOUR_S, HOUR_S // 2))
    # Some bytes, and two gigabytes at 16 kHz.
    written(archive / "slow.flac", "flac", 8, [(0, 65_535)], frame_size="65535")
    cover = tone_mp3(archive / "cover.mp3")
    cover.write_bytes(id3((b"APIC", b"\0image/png\0\3\0" + png(16_000))) + cover.read_bytes())
    made = project(archive, SHARD_AUDIO_S="36000")
    command = [sys.executable, "-m", "opentr_pipeline.cli.app", "run"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        env=made.environ,
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    assert "Traceback" not in done.stdout + done.stderr
    peak_bytes = int(done.stdout.rpartition("peak ")[2]) * 1024
    statuses = {path: row["status"] for path, row in made.transcripts().items()}
    assert statuses == {
        "speech.wav": "ok",
        "silence.flac": "truncated",
        "gaps.mkv": "suspect",
        "slow.flac": "unsupported",
        "cover.mp3": "no_speech",
    }
    # Of the command and what it waits for, where files are looked at: 215 MB on 2026-11-28. The
    # step, with the model, is no child of it; the test of the samples has its bar.
    assert peak_bytes < 3e8
