"""Which arithmetic is meant, and which a device cannot do."""

import pytest

from opentr_pipeline.devices.cards import CPU, Device
from opentr_pipeline.devices.compute_types import PREFERRED, compute_type
from opentr_pipeline.errors import SettingsError


def card(major: int, minor: int) -> Device:
    return Device("0", f"GPU-{major}.{minor}", "A card", 24 * 10**9, (major, minor))


UNKNOWN = Device("0", "GPU-x", "A card")
BEST = [
    (card(12, 0), "float16"),
    (card(9, 0), "float16"),
    (card(8, 9), "int8_float16"),
    (card(7, 5), "int8_float16"),
    (card(7, 0), "float16"),
    (card(6, 2), "float32"),
    (card(6, 1), "int8_float32"),
    (card(5, 2), "float32"),
    (UNKNOWN, "float32"),
    (CPU, "int8"),
]


@pytest.mark.parametrize(("device", "best"), BEST)
def test_what_is_best_for_one_device(device: Device, best: str) -> None:
    assert compute_type("auto", {device}) == best


@pytest.mark.parametrize("one", [device for device, _ in BEST])
@pytest.mark.parametrize("other", [device for device, _ in BEST])
def test_what_is_best_for_two_runs_on_both(one: Device, other: Device) -> None:
    best = compute_type("auto", {one, other})
    assert compute_type(best, {one}) == compute_type(best, {other}) == best
    assert best in PREFERRED


@pytest.mark.parametrize(
    ("wanted", "device"),
    [
        ("float16", CPU),
        ("int8_float16", CPU),
        ("int8_float16", card(6, 1)),
        ("float16", card(6, 1)),
        ("bfloat16", card(7, 5)),
        ("int8", card(6, 2)),
        ("int8_float32", card(6, 0)),
    ],
)
def test_what_does_not_run_is_refused_with_what_does(wanted: str, device: Device) -> None:
    with pytest.raises(SettingsError) as caught:
        compute_type(wanted, {card(8, 9), device})
    said = str(caught.value)
    assert said.startswith(f"WHISPER_COMPUTE_TYPE={wanted} does not run on {device.description};")
    assert said.endswith(f"set auto, which means {compute_type('auto', {device})} here.")


@pytest.mark.parametrize(
    ("wanted", "device"),
    [("int8", card(6, 1)), ("bfloat16", card(8, 0)), ("float32", card(5, 0)), ("float16", UNKNOWN)],
)
def test_what_runs_is_taken(wanted: str, device: Device) -> None:
    assert compute_type(wanted, {device}) == wanted
