"""The programs ``docker`` and compose, run to their end; what they refuse is one sentence."""

import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from opentr_pipeline.errors import ServiceError


def compose_command() -> list[str]:
    """``docker compose``, or the older ``docker-compose``.

    Raises:
        ServiceError: no Docker, no compose, or no engine that answers.
    """
    if not shutil.which("docker"):
        raise ServiceError("The stack needs Docker, which is not installed here; install it.")
    try:
        call("info", "--format", "{{.ServerVersion}}")
    except ServiceError as error:
        raise ServiceError(f"Docker's engine does not answer: {error}") from None
    if subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    ).returncode:
        if not shutil.which("docker-compose"):
            raise ServiceError(
                "Neither docker compose nor docker-compose is installed here; install one of them."
            )
        return ["docker-compose"]
    return ["docker", "compose"]


def is_healthy(container: str) -> bool:
    """What the check of a container last said."""
    said = call("inspect", "-f", "{{.State.Health.Status}}", container)
    return said.strip() == "healthy"


def labelled(*listing: str, labels: Sequence[str]) -> list[str]:
    """The ids of what Docker lists with all of these labels."""
    filters = [part for label in labels for part in ("--filter", f"label={label}")]
    return call(*listing, "-q", *filters).split()


def call(*arguments: str) -> str:
    """Run docker to its end; what it printed.

    Raises:
        ServiceError: the last thing that it said.
    """
    return run(["docker", *arguments])


def run(command: Sequence[str], **options: Any) -> str:
    """Run a program to its end; what it printed.

    Args:
        command: the program and its arguments.
        options: of ``subprocess.run``.

    Raises:
        ServiceError: the last thing that it said, or there is no such program.
    """
    options = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)
    except FileNotFoundError:
        raise ServiceError(f"There is no program {command[0]} here.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace") + (done.stdout or b"").decode(errors="replace")
        raise ServiceError(_reason(said) or f"{' '.join(command[:2])} gave up without a word.")
    return (done.stdout or b"").decode(errors="replace")


def _reason(said: str) -> str:
    """The sentence of ``opentr`` in a container, else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("opentr: ")]
    return (ours or lines or [""])[-1].removeprefix("opentr: ")
