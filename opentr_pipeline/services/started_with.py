"""The settings that services were started with, kept for the commands after that."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opentr_pipeline.commands import command
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.whole_files import replacing

Values = Mapping[str, Any]


def keep(path: Path, values: Values) -> None:
    """Keep the values of settings in a file, for this user alone."""
    with replacing(path) as fresh:
        fresh.touch(0o600)  # a password is among them
        fresh.write_text(json.dumps(values))


def kept(path: Path) -> dict[str, Any]:
    """The values that ``keep`` was given last; none where there are none."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):  # an older release made no such file
        return {}


def second_start(running: Values, wanted: Values, address: str) -> ServiceError:
    """The refusal to start what runs: says how it does, and what to do for another way.

    Args:
        running: what the services were started with.
        wanted: what they are to be started with now.
        address: of their page.
    """
    said = "It runs already, not scaled"
    if running.get("gpu_scale_enabled"):
        said = (
            f"It runs already, scaled (GPU_SCALE_WORKERS={running['gpu_scale_workers']}, "
            f"GPU_SCALE_DEVICE_ID={running['gpu_scale_device_id']})"
        )
    remedy = f"{command('stop')} ends it"
    if wanted.get("gpu_scale_enabled") and not running.get("gpu_scale_enabled"):
        remedy += f", then {command('start dev --gpu-scale')} starts it scaled"
    return ServiceError(f"{said}: {address}; {remedy}.")
