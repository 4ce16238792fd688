"""What a host of a cluster says of itself and of the folders that it should share.

python -m opentr_pipeline.services.host_look, as a job on each host; see ``planning.hosts``.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from opentr_pipeline import __version__
from opentr_pipeline.archive.objects import holds
from opentr_pipeline.devices.cards import Device, list_cards
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.addresses import bucket_address

# Before what it prints, among whatever else a job prints.
MARK = "opentr-host:"


def looked_for(kept: dict[str, str]) -> list[str]:
    """The names of the folders in which what should be there is not.

    Args:
        kept: by names, on lines of its own the path of a file or an object, what it begins with
            (nothing: it only has to be there), and the bucket's server.
    """
    missing = []
    for name, said in kept.items():
        path, text, server = f"{said}\n\n".split("\n")[:3]
        try:
            bucket = bucket_address(path, server)
            is_there = holds(bucket, text) if bucket else _is_at(Path(path), text)
        except (OSError, SettingsError):
            is_there = False
        if not is_there:
            missing.append(name)
    return missing


def _is_at(path: Path, text: str) -> bool:
    if not text:
        return path.exists()
    with path.open("rb") as stream:
        return stream.read(len(text.encode())) == text.encode()


def facts(kept: dict[str, str]) -> dict[str, Any]:
    """All that it prints."""
    try:
        cards = list_cards()
    except SettingsError:  # a variable of CUDA's there; the step that meets it says so
        cards = []
    return {
        "version": __version__,
        "cards": [dataclasses.asdict(card) for card in cards],
        "missing": looked_for(kept),
    }


def read(said: str) -> dict[str, Any]:
    """What a host printed.

    Raises:
        ValueError: something else.
    """
    lines = [line for line in said.splitlines() if line.startswith(MARK)]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix(MARK)) if lines else {}
    if not found:
        raise ValueError(said)
    found["cards"] = tuple(
        Device(**{**card, "capability": tuple(card["capability"]) if card["capability"] else None})
        for card in found["cards"]
    )
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{MARK}{json.dumps(facts(json.loads(sys.argv[1])))}\n")
