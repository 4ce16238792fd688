"""The arithmetic of a model: what a device can run, and what it runs best.

One compute type holds for all worker slots, because it is in the fingerprint of every transcript.
"""

from collections.abc import Collection

from opentr_pipeline.devices.cards import Device
from opentr_pipeline.errors import SettingsError

# From the fastest on. A later one runs wherever an earlier one is best.
PREFERRED = ("int8_float16", "float16", "int8_float32", "int8", "float32")


def compute_type(wanted: str, devices: Collection[Device]) -> str:
    """The compute type that a setting means on these devices.

    Args:
        wanted: ``WHISPER_COMPUTE_TYPE``.
        devices: all of them must run it.

    Raises:
        SettingsError: a device cannot run it, with what it can.
    """
    best = max(map(_best, devices), key=PREFERRED.index)
    if wanted == "auto":
        return best
    for device in devices:
        if not _runs(wanted, device):
            raise SettingsError(
                f"WHISPER_COMPUTE_TYPE={wanted} does not run on {device.description}; set auto, "
                f"which means {best} here."
            )
    return wanted


def fast_types(device: Device) -> list[str]:
    """What may be fastest on a device, worth a measurement."""
    names = ("int8", "float32") if device.is_cpu else ("int8_float16", "float16", "bfloat16")
    return [name for name in names if _runs(name, device)]


def _best(device: Device) -> str:
    """What is fastest.

    From 7.5 on all cards multiply bytes in tensor cores; 7.0 has them for halves alone. From 9.0 on
    halves are faster than what it costs to make bytes of them.
    Source: CTranslate2, docs/quantization.md and its ``gpu_has_int8_tensor_cores``; an H100, in
    docs/measurements.md.
    """
    if device.is_cpu:
        return "int8"
    if device.capability is None:  # nobody says what it can; that, every card can
        return "float32"
    if (9, 0) > device.capability >= (7, 5):
        return "int8_float16"
    if device.capability >= (7, 0):
        return "float16"
    return "int8_float32" if device.capability == (6, 1) else "float32"


def _runs(wanted: str, device: Device) -> bool:
    """Whether CTranslate2 accepts it. Source: its docs/quantization.md, Supported types."""
    if device.is_cpu:
        return not wanted.endswith("float16") or wanted == "bfloat16"  # which some CPUs have
    capability = device.capability
    if wanted == "float32" or capability is None:
        return True
    if wanted in ("int8", "int8_float32"):
        return capability >= (7, 0) or capability == (6, 1)
    return capability >= ((8, 0) if wanted == "bfloat16" else (7, 0))
