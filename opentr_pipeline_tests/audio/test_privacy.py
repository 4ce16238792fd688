"""Nobody is told of this machine, by whatever library."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.runs import SPEECH, make_archive

# A connection to anywhere else, or a question to a name server.
ELSEWHERE = re.compile(
    r'sin_addr=inet_addr\("(?!127\.)|inet_pton\(AF_INET6, "(?!::1")|sin_port=htons\(53\)'
)
LISTEN = """
import sys, time
from pathlib import Path
from opentr_pipeline.audio.decoding import Sound
list(Sound(Path(sys.argv[1])).windows())
time.sleep(20)  # the library takes its time
"""


def traced(command: list[str], log: Path, **options: object) -> str:
    """What a command and its children connect to and send, as strace writes it."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not here (apt-get install strace)")
    trace = [strace, "-f", "-qq", "-s", "200", "-e", "trace=connect,sendto", "-o", str(log)]
    subprocess.run([*trace, *command], check=True, capture_output=True, **options)  # type: ignore[call-overload]
    return log.read_text()


def test_questions_to_name_servers_would_be_seen(tmp_path: Path) -> None:
    asks = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('{}', 53))"
    for address in ("10.0.0.1", "127.0.0.1"):
        said = traced([sys.executable, "-c", asks.format(address)], tmp_path / "log")
        assert ELSEWHERE.search(said), said


@pytest.mark.slow
def test_neither_finding_speech_nor_a_whole_run_tells_anybody(
    project: Callable[..., Project], tmp_path: Path
) -> None:
    """A process that lives on after it found speech, and meanwhile a run."""
    archive = make_archive(tmp_path / "archive", {"1.wav": SPEECH[0]})
    environ = {"HOME": str(tmp_path / "home"), "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", LISTEN, str(archive / "1.wav")]
    made = project(archive, HOME=str(tmp_path / "home of run"))
    opentr = str(Path(sys.executable).with_name("opentr"))
    with ThreadPoolExecutor() as beside:
        listened = beside.submit(traced, command, tmp_path / "log", env=environ)
        run = traced([opentr, "run"], tmp_path / "log of run", env=made.environ)
    assert "connect(" in run, "nothing was traced"
    for said in (listened.result(), run):
        assert not ELSEWHERE.search(said), said
    assert not list((tmp_path / "home").rglob("*")), "a library keeps something of this machine"
    assert not (tmp_path / "home of run/.cache/Microsoft").exists()
