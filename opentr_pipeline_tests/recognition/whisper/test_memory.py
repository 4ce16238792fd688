"""What a worker needs, beside what was measured; and what a machine says that it has."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.devices.host_memory import HostMemory, host_memory
from opentr_pipeline.recognition.whisper.memory import largest_batch, useful_batch, worker_bytes
from opentr_pipeline.recognition.whisper.shapes import SHAPES, ModelShape
from opentr_pipeline_tests.making import PROPERTY

COMPUTE_TYPES = st.sampled_from(["int8", "int8_float16", "int8_float32", "float16", "float32"])
MODELS = st.sampled_from(sorted(SHAPES))
BATCHES = st.integers(1, 128)
BEAMS = st.integers(1, 20)
CPU_BATCHES = st.integers(0, 4)


@pytest.mark.parametrize(
    ("model", "compute_type", "batch_size", "measured_mb"),
    [
        ("large-v3-turbo", "int8_float16", 8, 3769),
        ("large-v3-turbo", "int8_float16", 16, 5166),
        ("large-v3-turbo", "int8_float16", 32, 7983),
        ("large-v3-turbo", "int8_float16", 64, 13425),
        ("large-v2", "int8_float16", 16, 10149),
        ("large-v2", "int8_float16", 32, 18242),
        ("large-v2", "float16", 32, 18359),
    ],
)
def test_a_card_as_it_was_measured(
    model: str, compute_type: str, batch_size: int, measured_mb: int
) -> None:
    """An H100; too much is safer than too little."""
    estimate = worker_bytes(SHAPES[model], compute_type, batch_size, beam_size=5)
    assert 1.0 <= estimate / 1e6 / measured_mb <= 1.1


@pytest.mark.parametrize(
    ("model", "compute_type", "batch_size", "measured_mb"),
    [
        ("base", "int8", 1, 676),
        ("base", "int8", 6, 987),
        ("base", "int8", 16, 1234),
        ("base", "float32", 6, 1052),
        ("base", "float32", 16, 1616),
        ("small", "int8", 1, 1007),
        ("small", "int8", 6, 1574),
    ],
)
def test_a_cpu_as_it_was_measured_here(
    model: str, compute_type: str, batch_size: int, measured_mb: int
) -> None:
    """On two cores, Dagster included."""
    estimate = worker_bytes(SHAPES[model], compute_type, batch_size, 5, cpu_batches=2)
    assert 1.0 <= estimate / 1e6 / measured_mb <= 1.26


@PROPERTY
@given(MODELS, COMPUTE_TYPES, BATCHES, BEAMS, CPU_BATCHES)
def test_more_work_never_needs_less(
    model: str, compute_type: str, batch_size: int, beam_size: int, cpu_batches: int
) -> None:
    shape = SHAPES[model]
    need = worker_bytes(shape, compute_type, batch_size, beam_size, cpu_batches)
    assert need < worker_bytes(shape, compute_type, batch_size + 1, beam_size, cpu_batches)
    assert need <= worker_bytes(shape, compute_type, batch_size, beam_size + 1, cpu_batches)
    if cpu_batches or not compute_type.endswith("float16"):  # which another library encodes
        assert need <= worker_bytes(shape, "float32", batch_size, beam_size, cpu_batches)


@PROPERTY
@given(MODELS, COMPUTE_TYPES, BEAMS, CPU_BATCHES, st.floats(0, 200e9))
def test_the_largest_batch_fits_and_one_more_does_not(
    model: str, compute_type: str, beam_size: int, cpu_batches: int, room_bytes: float
) -> None:
    shape = SHAPES[model]
    batch_size = largest_batch(shape, compute_type, beam_size, room_bytes, cpu_batches)
    one_more = worker_bytes(shape, compute_type, batch_size + 1, beam_size, cpu_batches)
    assert batch_size == 128 or one_more > room_bytes
    if batch_size:
        need = worker_bytes(shape, compute_type, batch_size, beam_size, cpu_batches)
        assert need <= room_bytes


def test_batches_that_are_useful() -> None:
    sizes = {model: useful_batch(SHAPES[model]) for model in ("large-v3-turbo", "medium", "base")}
    assert sizes == {"large-v3-turbo": 16, "medium": 16, "base": 24}
    assert useful_batch(ModelShape(2, 2, 2048)) == 16


MEMINFO = "MemTotal:  24000000 kB\nMemFree: 1000000 kB\nMemAvailable:  20000000 kB\nHugePages: 0\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_memory_of_a_machine(tmp_path: Path) -> None:
    write(tmp_path, meminfo=MEMINFO)
    facts = tmp_path / "meminfo"
    whole = HostMemory(24_576_000_000, 20_480_000_000)
    assert host_memory(facts, tmp_path / "nothing") == whole
    write(tmp_path, groups__memory_dot_max="max\n", groups__memory_dot_stat="anon 5\n")
    assert host_memory(facts, tmp_path / "groups") == whole


def test_the_memory_of_a_container(tmp_path: Path) -> None:
    """Files that are kept in memory make room when somebody needs it."""
    write(tmp_path, meminfo=MEMINFO)
    stat = "anon 1000000000\nfile 2500000000\n"
    write(tmp_path, new__memory_dot_max="4000000000\n", new__memory_dot_stat=stat)
    limited = HostMemory(4_000_000_000, 3_000_000_000)
    assert host_memory(tmp_path / "meminfo", tmp_path / "new") == limited
    old = tmp_path / "old" / "memory"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("4000000000")
    (old / "memory.stat").write_text("cache 2500000000\ntotal_rss 1000000000\n")
    assert host_memory(tmp_path / "meminfo", tmp_path / "old") == limited


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB\n"])
def test_where_nobody_says_how_much_memory_there_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "meminfo").write_text(text)
    assert host_memory(tmp_path / "meminfo", tmp_path) is None
    assert host_memory(tmp_path / "nothing", tmp_path) is None
