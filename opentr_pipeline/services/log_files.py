"""The logs of an archive: which there are, what the worker slots write, their last lines."""

import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import BinaryIO

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.terminal import LineFormatter

LINE_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
LOG_BYTES = 5_000_000
SLOT_LOG_BACKUPS = 2
# Far more than the lines that anybody asks for.
TAIL_BYTES = 100_000
_log = logging.getLogger("opentr_pipeline")


def existing(home: Path) -> dict[str, Path]:
    """The logs that there are by name: ``dev``, ``runs``, and the worker slots by theirs.

    Args:
        home: Dagster's state folder of the archive.
    """
    paths = [home / "dev.log", home / "runs.log", *sorted(slot_logs(home).glob("*.log"))]
    return {path.stem: path for path in paths if path.exists()}


def slot_logs(home: Path) -> Path:
    """The folder of the logs of worker slots: beside Dagster's, which its servers empty."""
    return home.parent / "logs"


def turn_over(path: Path) -> None:
    """Put a log that has grown long out of the way; one before it is kept."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))


def named(home: Path, name: str, workers: Mapping[str, str]) -> Path:
    """The log of a name.

    Args:
        home: Dagster's state folder of the archive.
        name: of a log that exists, or of a worker.
        workers: the worker slots by the names of their workers, ``worker-0`` and on.

    Raises:
        ServiceError: there is none, with the names that there are.
    """
    there = existing(home)
    log = workers.get(name, name)
    if log in there:
        return there[log]
    names = ", ".join(there) or "none yet"
    if log in workers.values():
        raise ServiceError(
            f"The worker slot {log} has not written a log yet: no step has held it. The logs of "
            f"this archive are: {names}."
        )
    slots = ", ".join(f"{worker} ({slot})" for worker, slot in workers.items())
    known = f"{names}; the worker slots are: {slots}" if workers else names
    raise ServiceError(f"There is no log {name}; the logs of this archive are: {known}.")


@contextmanager
def slot_log(home: Path, slot_name: str) -> Iterator[None]:
    """Write what the package logs meanwhile to the slot's log, and to standard error.

    A slot has one holder at a time, so its log has one writer.
    """
    path = slot_logs(home) / f"{slot_name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Where a step's standard error goes the page shows it, as the step's own log.
    handlers: list[logging.Handler] = [
        RotatingFileHandler(path, "a", LOG_BYTES, SLOT_LOG_BACKUPS, encoding="utf-8"),
        logging.StreamHandler(sys.stderr),
    ]
    _log.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(LineFormatter(LINE_FORMAT))
        _log.addHandler(handler)
    try:
        yield
    except BaseException as error:
        _log.error("Worker slot %s given up: %s: %s", slot_name, type(error).__name__, error)
        raise
    finally:
        for handler in handlers:
            _log.removeHandler(handler)
            handler.close()


def last_lines(path: Path, num_lines: int) -> list[str]:
    """The last lines of a log, without their ends; as many as the last 100 kB hold."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        start = stream.seek(max(0, size - TAIL_BYTES))
        lines = stream.read(size - start).decode(errors="replace").splitlines()
    if start:
        lines = lines[1:]  # it begins somewhere inside
    return list(deque(lines, num_lines))


class Followed:
    """A log and how far it was read, also where it is cut short or replaced meanwhile."""

    def __init__(self, path: Path) -> None:
        """Begin at its end."""
        self._path = path
        self._stream: BinaryIO = path.open("rb")
        self._stream.seek(0, 2)
        self._rest = b""

    def new_lines(self) -> list[str]:
        """The whole lines that were added since."""
        data = self._rest + self._stream.read()
        if replaced := self._is_replaced():
            data += self._stream.read()  # what came between the two
            self._stream.close()
            self._stream = self._path.open("rb")
        elif self._stream.tell() > os.fstat(self._stream.fileno()).st_size:
            self._stream.seek(0)
        *lines, self._rest = data.split(b"\n")
        if replaced and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        return [line.decode(errors="replace") for line in lines]

    def _is_replaced(self) -> bool:
        try:
            return not os.path.samestat(os.fstat(self._stream.fileno()), self._path.stat())
        except FileNotFoundError:
            return False  # between two names
