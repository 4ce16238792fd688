"""What a run was limited by: a sentence that names the setting and its value, or none."""

import dataclasses
from typing import Any

import pytest

from opentr_pipeline.steps.bottleneck import MIN_WORK_S, AsSet, verdict
from opentr_pipeline.steps.figures import StepFigures
from opentr_pipeline_tests.making import settings_of

GB = 10**9
ON_CARD = StepFigures(
    worker_slot="GPU-aaaa.slot-0",
    device="A card",
    audio_s=3600,
    wall_s=100,
    load_s=2,
    batch_size=6,
    windows_per_batch_mean=5.5,
    waited_for_front_end_percent=1,
    peak_memory_bytes=GB,
    cpu_utilization_percent_mean=40,
    main_memory_used_bytes_max=4 * GB,
    main_memory_total_bytes=16 * GB,
    gpu_utilization_percent_mean=93,
    gpu_memory_used_bytes_max=12 * GB,
    gpu_memory_total_bytes=24 * GB,
    gpu_temperature_c_max=70,
)
NO_CARD: dict[str, Any] = {name: None for name in vars(ON_CARD) if name.startswith("gpu_")}
ON_CPU = dataclasses.replace(
    ON_CARD,
    worker_slot="cpu.slot-0",
    device="CPU",
    cpu_utilization_percent_mean=96,
    **NO_CARD,
)
FOUR = AsSet.of(settings_of(GPU_SCALE_ENABLED="true", GPU_SCALE_WORKERS="4"))
ONE = AsSet.of(settings_of())


def said(step: StepFigures = ON_CARD, settings: Any = FOUR, **changes: Any) -> str:
    return verdict([dataclasses.replace(step, **changes)], settings)


def test_a_run_in_which_all_is_well_is_one_sentence() -> None:
    assert said() == (
        "GPU (A card) 93 % busy, memory at 50 %, 1 % of the time waiting for sound: no setting "
        "would gain much."
    )
    assert said(ON_CPU, ONE) == (
        "CPU 96 % busy, memory at 25 %, 1 % of the time waiting for sound: no setting would gain "
        "much."
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"gpu_utilization_percent_mean": 62, "waited_for_front_end_percent": 30},
            "GPU (A card) idle 38 %: the front end is the limit, the model waited 30 % of the time "
            "for sound, and cores are idle: raise GPU_SCALE_WORKERS (4 now) or use a faster disk.",
        ),
        (
            {
                "gpu_utilization_percent_mean": 62,
                "waited_for_front_end_percent": 30,
                "cpu_utilization_percent_mean": 97,
            },
            "GPU (A card) idle 38 %: the front end is the limit, the model waited 30 % of the time "
            "for sound, and the cores are 97 % busy: give it more cores.",
        ),
        (
            {"gpu_utilization_percent_mean": 62},
            "GPU (A card) idle 38 %: the front end keeps up, raise GPU_SCALE_WORKERS (4 now) or "
            "WHISPER_BATCH_SIZE (6 now).",
        ),
        (
            {"gpu_utilization_percent_mean": 62, "windows_per_batch_mean": 2},
            "GPU (A card) idle 38 %: the front end keeps up, raise GPU_SCALE_WORKERS (4 now).",
        ),
        (
            {"gpu_utilization_percent_mean": 62, "load_s": 15},
            "GPU (A card) idle 38 %: loading the model takes 15 % of the steps, raise "
            "SHARD_AUDIO_S (3600 now).",
        ),
        (
            {"gpu_memory_used_bytes_max": 23 * GB},
            "Memory of A card at 96 %: lower GPU_SCALE_WORKERS (4 now) or WHISPER_BATCH_SIZE "
            "(6 now).",
        ),
        (
            {"main_memory_used_bytes_max": 16 * GB},
            "Main memory at 100 %: lower GPU_SCALE_WORKERS (4 now) or WHISPER_BATCH_SIZE (6 now).",
        ),
    ],
)
def test_what_limits_a_card_is_named_with_its_setting(
    changes: dict[str, Any], sentence: str
) -> None:
    assert said(**changes) == sentence


def test_what_limits_the_cpu_is_named_with_its_setting() -> None:
    assert said(ON_CPU, ONE, cpu_utilization_percent_mean=55) == (
        "CPU idle 45 %: the front end keeps up, raise GPU_SCALE_WORKERS (one worker now, "
        "GPU_SCALE_ENABLED=false) or WHISPER_BATCH_SIZE (6 now)."
    )
    slow_disk = {"cpu_utilization_percent_mean": 30, "waited_for_front_end_percent": 60}
    assert "CPU idle 70 %: the front end is the limit" in said(ON_CPU, ONE, **slow_disk)


def test_a_full_card_is_not_told_to_take_more() -> None:
    full = said(gpu_memory_used_bytes_max=23 * GB, gpu_utilization_percent_mean=62)
    assert "lower" in full
    assert "raise" not in full


def test_small_shards_are_no_reason_to_ask_for_larger_ones() -> None:
    """The archive holds no more; the setting would change nothing."""
    assert "SHARD_AUDIO_S" not in said(gpu_utilization_percent_mean=62, load_s=15, audio_s=1000)


def test_a_short_run_says_nothing() -> None:
    assert verdict([], FOUR) == ""
    assert said(wall_s=MIN_WORK_S - 1) == ""
    short = dataclasses.replace(ON_CARD, wall_s=MIN_WORK_S / 2)
    assert verdict([short, short], FOUR) != ""


def test_a_machine_that_tells_nothing_is_judged_by_the_waits_alone() -> None:
    dark = {"cpu_utilization_percent_mean": None, "main_memory_used_bytes_max": None}
    assert said(ON_CPU, ONE, **dark) == ""
    assert "CPU: the front end is the limit" in said(
        ON_CPU, ONE, **dark, waited_for_front_end_percent=40
    )


def test_a_card_that_tells_nothing_is_not_taken_for_the_cpu() -> None:
    silent = {**NO_CARD, "cpu_utilization_percent_mean": 5}
    assert said(**silent) == ""
    assert said(**silent, waited_for_front_end_percent=40) == (
        "A card: the front end is the limit, the model waited 40 % of the time for sound, and "
        "cores are idle: raise GPU_SCALE_WORKERS (4 now) or use a faster disk."
    )


def test_steps_count_by_how_long_they_took_and_devices_are_judged_apart() -> None:
    brief = dataclasses.replace(ON_CARD, wall_s=1, gpu_utilization_percent_mean=0)
    assert "92 % busy" in verdict([ON_CARD, brief], FOUR)

    idle = dataclasses.replace(
        ON_CARD, worker_slot="GPU-bbbb.slot-0", device="Another", gpu_utilization_percent_mean=40
    )
    # Of two cards the one with trouble is spoken of; never more than three sentences.
    assert verdict([ON_CARD, idle], FOUR).startswith("GPU (Another) idle 60 %: ")
    assert "A card" not in verdict([ON_CARD, idle], FOUR)
    many = [
        dataclasses.replace(idle, worker_slot=f"GPU-{n}.slot-0", device=f"card {n}")
        for n in range(9)
    ]
    assert verdict(many, FOUR).count("idle") == 3
