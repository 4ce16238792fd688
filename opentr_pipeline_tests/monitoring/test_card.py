"""``opentr bench card``, end to end on the CPU with noise in a tiny shape."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.devices.cards import Device, WorkerSlot
from opentr_pipeline.devices.memory_limits import learning
from opentr_pipeline.errors import ModelError, OutOfMemoryError
from opentr_pipeline.monitoring import card, card_memory
from opentr_pipeline.monitoring.card import CardBench
from opentr_pipeline.monitoring.card_stages import FrontEnd, StageRow
from opentr_pipeline.monitoring.card_text import markdown
from opentr_pipeline.monitoring.scaling import Row, Scaling
from opentr_pipeline.monitoring.scaling_workers import Bench
from opentr_pipeline.recognition import models
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.whisper import noise
from opentr_pipeline.recognition.whisper.shapes import SHAPES, ModelShape, read_shape
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.making import OPTIONS
from opentr_pipeline_tests.runs import SPEECH, make_archive

slow = pytest.mark.slow
TINY = ModelShape(1, 1, 64)
CARD = Device("0", "GPU-1234", "A card", 8_000_000_000)


def stage(batch_size: int, engine_x: float, compute_type: str = "float16") -> StageRow:
    return StageRow(compute_type, batch_size, 2000.0, 900.0, 800.0, 3000.0, engine_x, 40.0, 4 << 30)


def measured(*stages: StageRow, others: tuple[StageRow, ...] = ()) -> CardBench:
    rows = (Row(1, 10.0, 3000.0, 4 << 30, utilization_percent=(0.0, 50.0)), Row(2, 9.9, 3000.0))
    workers = Scaling("2026-11-27", "A card", "turbo", "float16", 8, 16, 3, 3000.0, rows)
    return CardBench(
        "2026-11-27T12:00:00+00:00",
        "A card",
        80 << 30,
        16,
        "A processor",
        {"Python": "3.12"},
        "turbo-shape",
        False,
        "float16",
        5,
        (FrontEnd(1, 119.0), FrontEnd(4, 364.0)),
        stages,
        others,
        tuple(5 << 30 for _ in stages),
        workers,
        0,
        (),
    )


def test_the_smallest_batch_and_the_fewest_workers_that_are_fast_enough() -> None:
    found = measured(stage(1, 50.0), stage(8, 290.0), stage(16, 300.0), stage(32, 301.0))
    assert (found.batch_size, found.num_workers) == (8, 1)
    failed = StageRow("float16", 32, failure="out of memory")
    assert measured(stage(8, 100.0), stage(16, 200.0), failed).batch_size == 16


def test_other_arithmetic_is_named_only_where_it_is_faster() -> None:
    own = stage(8, 300.0)
    assert measured(own, others=(stage(8, 310.0, "bfloat16"),)).fastest_arithmetic == "float16"
    faster = stage(8, 400.0, "int8_float16")
    assert measured(own, others=(faster,)).fastest_arithmetic == "int8_float16"


def test_the_page_says_what_was_measured_and_what_follows() -> None:
    said = markdown(measured(stage(8, 300.0), StageRow("float16", 16, failure="no memory")))
    assert "| 1 | 300x | 12.0 s | 1.00 | 100 % | 4.3 GB | 50 % |" in said
    assert "| float16 | 8 | 2000x | 900x | 800x | 3000x | 300x | 40 % | 4.3 GB | 5.4 GB |" in said
    assert "| float16 | 16 | no memory |" in said
    assert "WHISPER_BATCH_SIZE=8" in said
    assert "GPU_SCALE_ENABLED=false" in said
    assert "words are not" in said


@slow
def test_noise_needs_the_tokens_of_a_model_that_knows_many_languages(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny\.en knows English only"):
        noise.make("large-v2", TINY, Model("tiny.en", tmp_path, ""), tmp_path / "made")


def test_a_step_learns_from_each_try_until_it_fits_or_the_slot_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card's memory and its process are put in; what is kept and asked for is the product's."""
    bench = Bench(Model("turbo", tmp_path, ""), CARD, OPTIONS, 1)
    holds = 2

    def in_a_process(step: object, bench: Bench, takes: object, folder: Path) -> list[str]:
        slot = WorkerSlot(CARD, 0)
        try:
            with learning(slot, [slot], folder, bench.batch_size):
                if bench.batch_size > holds:
                    raise OutOfMemoryError("CUDA failed with error out of memory")
        except OutOfMemoryError as error:
            return [str(error)]
        return []

    monkeypatch.setattr(card_memory, "in_a_process", in_a_process)
    monkeypatch.setattr(card_memory, "_filled", lambda card, left_bytes: contextlib.nullcontext())
    found = card_memory.tries(bench, [], 8, 1, tmp_path)
    assert [one.batch_size for one in found] == [8, 4, 2]
    assert found[-1].outcome == "done"
    holds = 0
    (tmp_path / "other").mkdir()
    closed = card_memory.tries(bench, [], 2, 1, tmp_path / "other")
    assert [one.batch_size for one in closed] == [2, 1, 0]
    assert "No worker slot is open any more" in closed[-1].outcome


@slow
def test_noise_has_the_shape_and_always_says_the_same(models_root: Path, tmp_path: Path) -> None:
    donor = models.find("base", models_root)
    made = noise.make("large-v2", TINY, donor, tmp_path / "made")
    shape = read_shape(made.folder / "model.bin")
    assert shape is not None
    assert (shape.num_encoder_layers, shape.num_decoder_layers, shape.width) == (1, 1, 64)
    assert made.name == "large-v2-shape"
    # Nothing of it is a model that somebody could transcribe with by mistake.
    assert models.installed(tmp_path) == []


@slow
def test_a_whole_measurement_on_the_cpu(
    project: Callable[..., Project],
    models_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SHAPES, "large-v2", TINY)
    monkeypatch.setattr(card, "BATCH_SIZES", (1, 2))
    monkeypatch.setattr(card, "TURN_S", 1.0)
    archive = make_archive(tmp_path / "archive", {Path(name).name: name for name in SPEECH[:2]})
    made = project(archive)
    assert models.installed(made.settings.workspace.models)
    for name, value in {**made.environ, "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    arguments = ["bench", "card", str(archive), "--model", "large-v2", "--workers", "1,2", "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (kept,) = made.settings.workspace.benchmarks.glob("card-*.json")
    facts = json.loads(kept.read_text())
    assert (facts["model"], facts["is_real"]) == ("large-v2-shape", False)
    assert [row["batch_size"] for row in facts["stages"]] == [1, 2]
    for row in [*facts["stages"], *facts["other_arithmetic"]]:
        assert not row["failure"]
        assert min(row[f"{name}_x"] for name in ("features", "encode", "decode", "align")) > 0
        assert row["engine_x"] > 0
    assert [row["num_workers"] for row in facts["workers"]["rows"]] == [1, 2]
    assert facts["verdict"]["batch_size"] in (1, 2)
    assert "Left out on a CPU" in kept.with_suffix(".md").read_text()
    assert kept.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "Noise in its shape is measured instead." in result.stderr
