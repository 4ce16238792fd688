"""Runs one candidate in a process of its own; peers in a venv of their own, made on demand."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import ggml_model
from benchmarks.candidates.protocol import Answer, Request
from opentr_pipeline.settings.installation import PROJECT_ROOT

INSTALL_TIMEOUT_S = 1200.0


class CandidateError(Exception):
    """A candidate cannot be installed or run; the text is its own last line."""


@dataclass(frozen=True)
class Candidate:
    """Something that is measured.

    Attributes:
        module: of ``benchmarks.candidates``.
        package: what pip installs into its venv; empty: it runs in ours.
        options: of the request, where they differ from the others'.
        can_be_told: the language of each file.
        prepare: what makes of a model's folder what it reads, within a cache folder.
        note: what a reader must know to compare it.
    """

    module: str
    package: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    can_be_told: bool = False
    prepare: Callable[[Path, Path], Path] | None = None


CANDIDATES = {
    "ours": Candidate("ours", can_be_told=True),
    "faster_whisper_batched": Candidate("faster_whisper", can_be_told=True),
    "faster_whisper_batched_no_words": Candidate(
        "faster_whisper",
        options={"word_timestamps": False},
        note="without word times",
        can_be_told=True,
    ),
    "faster_whisper": Candidate("faster_whisper", options={"batched": False}, can_be_told=True),
    "whisper-ctranslate2": Candidate("whisper_ctranslate2", "whisper-ctranslate2"),
    "whisper-s2t": Candidate(
        "whisper_s2t",
        "whisper-s2t",
        note="is told the languages; without word times",
        can_be_told=True,
    ),
    "whisperx": Candidate("whisperx", "whisperx", note="without word times"),
    "whisper.cpp": Candidate(
        "whisper_cpp",
        "pywhispercpp",
        note="the same weights in blocks (q8_0); sequential",
        can_be_told=True,
        prepare=ggml_model.kept,
    ),
}


def run(candidate: Candidate, request: Request, cache_dir: Path, timeout_s: float) -> Answer:
    """Transcribe in a fresh process.

    Args:
        candidate: what is measured.
        request: what to transcribe; the candidate's own options come on top.
        cache_dir: the peers' venvs are below it.
        timeout_s: for all files together; installing has its own.

    Raises:
        CandidateError: it could not be installed, failed, or took too long.
    """
    python = _python(candidate.package, cache_dir)
    asked = dataclasses.asdict(dataclasses.replace(request, **candidate.options))
    if candidate.prepare:
        asked["model"] = str(candidate.prepare(Path(request.model), cache_dir.absolute()))
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(request.threads)}
    out = _output(
        [python, "-m", f"benchmarks.candidates.{candidate.module}"],
        timeout_s,
        json.dumps(asked),
        {**os.environ, **quiet},
    )
    return Answer(**json.loads(out.splitlines()[-1]))


def _python(package: str, cache_dir: Path) -> str:
    """The interpreter of a package's venv; ours where there is no package."""
    if not package:
        return sys.executable
    venv = cache_dir.absolute() / "venvs" / package
    python, installed = venv / "bin" / "python", venv / "installed"
    if not installed.is_file():
        _output([sys.executable, "-m", "venv", "--clear", str(venv)], INSTALL_TIMEOUT_S)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", package]
        _output(pip, INSTALL_TIMEOUT_S)
        installed.touch()
    return str(python)


def _output(
    command: list[str], timeout_s: float, given: str = "", environ: dict[str, str] | None = None
) -> str:
    """The standard output of a command, or the last line of its errors as an error."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group, so that nothing it started outlives it
    )
    try:
        out, err = process.communicate(given, timeout_s)
    except subprocess.TimeoutExpired:
        raise CandidateError(f"took over {timeout_s:.0f} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        lines = [line for line in err.splitlines() if line.strip()]
        raise CandidateError(lines[-1] if lines else f"exit {process.returncode}, no message")
    return out
