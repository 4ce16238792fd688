"""The lock of the services that run on this machine, held by somebody who is none of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline_tests.conftest import wait_for

STRANGER = """
import fcntl, sys, time
with open(sys.argv[1], "w") as stream:
    fcntl.flock(stream, fcntl.LOCK_EX)
    time.sleep(600)
"""


def test_start_and_stop_say_alike_that_a_stranger_holds_the_lock(tmp_path: Path) -> None:
    services = DevServices(tmp_path, 0)
    command = [sys.executable, "-c", STRANGER, os.fspath(tmp_path / "dev.lock")]
    with subprocess.Popen(command) as stranger:
        wait_for(services.is_running, 10)
        said = []
        for act in (services.start, services.stop):
            with pytest.raises(ServiceError) as refused:
                act()
            said.append(str(refused.value))
        stranger.kill()
    assert said[0] == said[1]
    assert said[0].startswith(f"Nothing of ours runs, but process {stranger.pid} (")
