"""This machine as the head of a Ray cluster, or as one of its hosts; both are kept alive."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.services.listening import is_taken
from opentr_pipeline.services.log_files import last_lines, turn_over
from opentr_pipeline.services.processes import Process, end, wait_until
from opentr_pipeline.services.ray_cluster import RayCluster, check_installed
from opentr_pipeline.whole_files import write_whole

Kind = Literal["head", "host"]
HEAD_PORT, PAGE_PORT = 6379, 8265
READY_TIMEOUT_S = 90.0
KILL_TIMEOUT_S = 5.0
# A step that waits longer in Ray's queue than a week fails there; by default, than 15 minutes.
START_TIMEOUT_S = 7 * 86_400
# Everything that a node starts inherits it, so that all of it is found again.
MARK = "OPENTR_CLUSTER_NODE"
ENDING = (signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class Node:
    """What of a cluster runs on this machine.

    Attributes:
        home: the state of this installation.
        kind: a machine may be both, and is two nodes then.
    """

    home: Path
    kind: Kind

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.home / f"cluster-{self.kind}.log"

    @property
    def _note(self) -> Path:
        return self.home / f"cluster-{self.kind}.pid"

    @property
    def _mark(self) -> str:
        return f"{self.kind} {self.home}"

    def processes(self) -> list[Process]:
        """All of them, steps too, also where the first was killed."""
        mine, found = f"{MARK}={self._mark}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                if mine in (folder / "environ").read_bytes().split(b"\0"):
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found.append(Process(int(folder.name), 0, command.decode(errors="replace")))
        return found

    def start(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Start it in the background.

        Args:
            arguments: of ``ray start``.
            environment: variables beside those of this process.

        Raises:
            ServiceError: it runs already.
            SettingsError: the extra is not installed.
        """
        check_installed()
        if self.processes():
            raise ServiceError(
                f"This machine is the {self.kind} of a cluster already; cluster leave ends that."
            )
        self.home.mkdir(parents=True, exist_ok=True)
        programs, inherited = Path(sys.executable).parent, {**os.environ}
        ray = [str(programs / "ray"), "start", "--block", "--disable-usage-stats", *arguments]
        turn_over(self.log)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "opentr_pipeline.services.keeping", *ray],
                env={
                    **inherited,
                    **environment,
                    MARK: self._mark,
                    # Where Ray's processes find dagster and python, and so the steps do.
                    "PATH": f"{programs}{os.pathsep}{inherited.get('PATH', os.defpath)}",
                    "RAY_JOB_START_TIMEOUT_SECONDS": str(START_TIMEOUT_S),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        write_whole(self._note, str(process.pid).encode())

    def stop(self) -> bool:
        """End it with all that it started; False where nothing ran."""
        if not self.processes():
            self._note.unlink(missing_ok=True)
            return False
        with contextlib.suppress(OSError, ValueError):  # it was killed
            keeper = int(self._note.read_text())
            if any(process.pid == keeper for process in self.processes()):
                os.kill(keeper, signal.SIGTERM)
                wait_until(lambda: not self.processes(), KILL_TIMEOUT_S)
        end(self.processes, ENDING, KILL_TIMEOUT_S)
        self._note.unlink(missing_ok=True)
        return True

    def last_words(self) -> str:
        """The end of its log, for sentences."""
        lines = [line for line in last_lines(self.log, 50) if line.strip()]
        return lines[-1].strip() if lines else "nothing"


def own_address() -> str:
    """The address by which other machines most likely know this one.

    Raises:
        SettingsError: the extra is not installed.
    """
    check_installed()
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())  # type: ignore[no-untyped-call]


def start_head(home: Path, address: str) -> str:
    """Make this machine the head of a cluster, without slots of its own; the head's address.

    Args:
        home: the state of this installation.
        address: by which the hosts reach it.

    Raises:
        ServiceError: it runs already, or does not come up.
        SettingsError: the extra is not installed.
    """
    node, cluster = Node(home, "head"), RayCluster(f"http://{address}:{PAGE_PORT}")
    if not node.processes() and is_taken(HEAD_PORT):
        raise ServiceError(
            f"Port {HEAD_PORT} is taken by another program; end it: hosts join there."
        )
    # Any port that is free: what is left of a head that died keeps the usual one for seconds, and
    # the next head would take no jobs, for good.
    agent = "--dashboard-agent-listen-port=0"
    place = [f"--node-ip-address={address}", f"--port={HEAD_PORT}", agent]
    page = [f"--dashboard-host={address}", f"--dashboard-port={PAGE_PORT}"]
    # Steps go to hosts; a machine that is to be both joins itself as well.
    nothing = ["--num-cpus=0", "--num-gpus=0", f"--node-name={socket.gethostname()}"]
    node.start(["--head", *place, *page, *nothing], {})
    if not wait_until(cluster.answers, READY_TIMEOUT_S):
        said = node.last_words()
        node.stop()
        raise ServiceError(f"The head did not come up ({said}); see {node.log}.")
    return cluster.address


def join(home: Path, head: str, num_cpu_slots: int, environment: Mapping[str, str]) -> None:
    """Give this machine to a cluster.

    Args:
        home: the state of this installation.
        head: its address, such as ``head.example:6379``.
        num_cpu_slots: worker slots on the CPU; cards Ray finds by itself.
        environment: what steps on this machine have of this machine.

    Raises:
        ServiceError: it has joined one already, or the head takes nobody in.
        SettingsError: the extra is not installed.
    """
    node = Node(home, "host")
    arguments = [f"--address={head}", f"--num-cpus={num_cpu_slots}"]
    node.start([*arguments, f"--node-name={socket.gethostname()}"], environment)
    began = node.log.stat().st_size

    def is_up() -> bool:
        with node.log.open("rb") as log:
            log.seek(began)
            return b"Ray runtime started" in log.read()

    if not wait_until(is_up, READY_TIMEOUT_S):
        said = node.last_words()
        node.stop()
        raise ServiceError(f"{head} takes nobody in ({said}); see {node.log}.")
