"""How a candidate is asked and how it answers; standard library only, for it runs in every venv.

A request comes as JSON on the standard input, the answer is the last line of the standard output.
"""

import dataclasses
import importlib.metadata
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

PACKAGES = (
    "faster-whisper",
    "ctranslate2",
    "onnxruntime",
    "torch",
    "whisper-ctranslate2",
    "whisper-s2t",
    "whisperx",
    "pywhispercpp",
)
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
Engine = TypeVar("Engine")
# By file: the texts, and the languages that were found out.
Said = tuple[dict[str, str], dict[str, str]]


@dataclass(frozen=True)
class Request:
    """What is to be transcribed, and how.

    Attributes:
        model: directory of a model in CTranslate2 format.
        languages: of the files, in their order; for engines that cannot detect them, or all of
            them where ``is_told``.
        device: ``cpu`` or ``cuda``.
        batched: whether windows are decoded together, where there is a choice.
        word_timestamps: whether words get times, where there is a choice.
    """

    model: str
    files: list[str]
    languages: list[str]
    threads: int
    device: str = "cpu"
    compute_type: str = "int8"
    beam_size: int = 5
    batch_size: int = 8
    batched: bool = True
    word_timestamps: bool = True
    is_told: bool = False


@dataclass(frozen=True)
class Answer:
    """What a candidate said, and what it took.

    Attributes:
        load_s: until the model is loaded, imports included.
        wall_s: from then on until the last text.
        cpu_s: of the processor, of the process and of those that it started, meanwhile.
        texts: by file.
        found: the language of each file, where the candidate found it out and says so.
        max_rss_bytes: the process's peak, or that of its largest child.
        versions: of the packages that decide.
    """

    load_s: float
    wall_s: float
    cpu_s: float
    texts: dict[str, str]
    max_rss_bytes: int
    versions: dict[str, str]
    found: dict[str, str]


def answer(
    load: Callable[[Request], Engine],
    transcribe: Callable[[Engine, Request], Said],
) -> None:
    """Read the request, time both steps, print the answer."""
    request = Request(**json.load(sys.stdin))
    begun = time.monotonic()
    engine = load(request)
    loaded, before_s = time.monotonic(), used_s()
    texts, found = transcribe(engine, request)
    done = time.monotonic()
    print_answer(loaded - begun, done - loaded, used_s() - before_s, texts, found)


def used_s() -> float:
    """Seconds of the processor until now, of this process and of those that have ended."""
    used = [resource.getrusage(one) for one in WHO]
    return sum(one.ru_utime + one.ru_stime for one in used)


def print_answer(
    load_s: float, wall_s: float, cpu_s: float, texts: dict[str, str], found: dict[str, str]
) -> None:
    """Print the answer, with the peak memory until now and the versions."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    peak = max(resource.getrusage(one).ru_maxrss for one in WHO) * unit
    installed = {
        one.metadata["Name"].lower(): one.version for one in importlib.metadata.distributions()
    }
    versions = {name: installed[name] for name in PACKAGES if name in installed}
    result = Answer(load_s, wall_s, cpu_s, texts, peak, versions, found)
    print("\n" + json.dumps(dataclasses.asdict(result)), flush=True)
