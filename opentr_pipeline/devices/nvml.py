"""NVIDIA's management library, which tells what cards there are and how they are (its door)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from opentr_pipeline.settings.installation import installing

Value = TypeVar("Value")


class NoCardsError(Exception):
    """The library cannot be asked; says why."""


@contextmanager
def opened() -> Iterator[Any]:
    """The library's module, to ask in the ``with`` block.

    Raises:
        NoCardsError: it is not installed, or no driver answers.
    """
    try:
        import pynvml  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise NoCardsError(f"the extra gpu is not installed ({installing('gpu')})") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NoCardsError(f"there is no NVIDIA driver that answers ({error})") from None
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def known(nvml: Any, ask: Callable[..., Value], *arguments: Any) -> Value | None:
    """An answer, or None: virtual, partitioned and lost cards do not tell everything."""
    # What an older driver lacks has an error of its own in bindings of late (12.535 has none).
    older = getattr(nvml, "NVMLLibraryMismatchError", nvml.NVMLError)
    try:
        return ask(*arguments)
    except (nvml.NVMLError, older):
        return None


def text(answer: str | bytes) -> str:
    """Older bindings answer in bytes."""
    return answer.decode() if isinstance(answer, bytes) else answer
