"""Puts a recognizer that waits in the place of a model: steps that are not about the CPU.

Python imports this where the folder is on ``PYTHONPATH``; it touches the processes of steps alone.
What each heard, and when, is a line in the file ``OPENTR_TEST_HEARD``.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

WAIT_S = float(os.environ.get("OPENTR_TEST_WAIT_S", "2"))


def cpu_s() -> float:
    """Of this process, and of those of Ray's that it is a child of."""
    ticks, process = 0, os.getppid()
    while process > 1:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        if b"ray::" not in command and b"execute_step" not in command:
            break
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks, process = ticks + int(fields[11]) + int(fields[12]), int(fields[1])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def note(began: float) -> None:
    line = json.dumps([socket.gethostname(), os.getpid(), began, time.time(), cpu_s()])
    with open(os.environ["OPENTR_TEST_HEARD"], "a") as stream:
        stream.write(f"{line}\n")


class Waiting:
    """Hears a word in each recording, after a while."""

    num_workers = 1
    num_listeners = 1

    def windows(self, sound: Any) -> Iterator[Any]:
        import numpy as np

        from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window

        list(sound.windows())  # so that it is read to its end
        yield Window(((0, SAMPLE_RATE_HZ),), np.zeros(SAMPLE_RATE_HZ, np.float32), None)

    def settle_language(self, parts: Sequence[Any], before: str = "", known: Any = ()) -> str:
        for part in parts:
            part.language = "en"
        return "en"

    def hear(self, parts: Sequence[Any]) -> list[Any]:
        from opentr_pipeline.transcripts.transcript import Segment, Word
        from opentr_pipeline.transcripts.window_results import Heard

        word = Word(" good", 0.0, 0.5, 0.9)
        said = Segment(0.0, 0.5, "good", -0.1, 0.0, 1.0, (word,))
        for _ in parts:
            began = time.time()
            time.sleep(WAIT_S)
            note(began)
        return [Heard(p.window.place[0], None, 1.0, "en", 1.0, WAIT_S, (said,)) for p in parts]

    def unload(self) -> None:
        pass


# A step of Ray's, or the server that a run's own steps are forked from.
if any("execute_step" in said or "forkserver" in said for said in sys.orig_argv):
    from opentr_pipeline.recognition import loading

    loading.load = lambda *given: Waiting()  # type: ignore[assignment]
