"""What the limit's benchmark counts: operations by shape, and whose seconds are whose."""

import time

import pytest

from benchmarks.arithmetic import Peaks, Work, crossing, decoding, encoding
from benchmarks.limit import Stages
from opentr_pipeline.recognition.whisper.shapes import SHAPES


def test_operations_of_the_encoder_are_those_of_its_layers() -> None:
    base = encoding(SHAPES["base"], 30.0)
    # Six layers of 12 matrices of 512 x 512, 1500 frames, a product and a sum each.
    assert base.whole == 6 * 12 * 512**2 * 1500 * 2
    attention = 6 * 2 * (2 * 1500**2 * 512)
    convolutions = 3000 * 3 * 80 * 512 * 2 + 1500 * 3 * 512 * 512 * 2
    assert base.real == attention + convolutions
    # Attention grows with the square of the context, all else with the context.
    half = encoding(SHAPES["base"], 15.0)
    assert half.whole == base.whole / 2
    assert half.real == attention / 4 + convolutions / 2


def test_a_batch_reads_the_decoders_weights_once_for_all_its_windows() -> None:
    shape = SHAPES["base"]
    one = decoding(shape, 10.0, [20], 5)
    three = decoding(shape, 10.0, [20, 20, 20], 5)
    heard = 20 * 2 * 6 * 500 * 512 * 4
    assert three.whole == pytest.approx(3 * one.whole)
    assert three.read - one.read == pytest.approx(2 * heard)
    assert crossing(shape, 10.0).whole == 2 * 6 * 2 * 512**2 * 500


def test_reading_hides_behind_arithmetic_or_the_reverse() -> None:
    peaks = Peaks(whole=100.0, real=10.0, read=5.0)
    assert peaks.seconds(Work(whole=100.0, real=10.0, read=5.0)) == 2.0
    assert peaks.seconds(Work(whole=100.0, real=10.0, read=50.0)) == 10.0


def test_a_second_belongs_to_the_innermost_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 4.0, 10.0])
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    stages = Stages()
    inner = stages.timed("inner", lambda: None)
    stages.timed("outer", inner)()
    assert dict(stages.seconds) == {"inner": 3.0, "outer": 7.0}
