"""Transcribes media archives into Parquet: a Dagster pipeline around Whisper."""

from typing import Any

__version__ = "0.1.0"

# What other people's Dagster uses. Loaded when it is asked for, because Dagster takes a second to
# import; see docs/decisions/0048-two-names-at-the-door.md.
_AT_THE_DOOR = {
    "Archive": "opentr_pipeline.defs.component",
    "build_defs": "opentr_pipeline.defs.build",
}


def __getattr__(name: str) -> Any:
    if name not in _AT_THE_DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_AT_THE_DOOR[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_AT_THE_DOOR]
