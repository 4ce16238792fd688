"""The page and the daemon of one archive, as one group of processes in the background."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.locks import holder, is_locked, try_lock
from opentr_pipeline.services import started_with
from opentr_pipeline.services.listening import HOST, SERVICE, answers, listen
from opentr_pipeline.services.log_files import turn_over
from opentr_pipeline.services.page_link import link, new_token, read_token, token_folder
from opentr_pipeline.services.processes import Process, end, members, wait_until
from opentr_pipeline.settings.environment import Settings, is_in_stack
from opentr_pipeline.settings.given import values_anywhere
from opentr_pipeline.settings.installation import call_folder, stock
from opentr_pipeline.whole_files import write_whole

PAGE_IN_STACK = f"http://{SERVICE}:3000"
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
KILL_TIMEOUT_S = 3.0
LOCATIONS = """{ workspaceOrError { ... on Workspace {
  locationEntries { locationOrLoadError { ... on PythonError { message } } } } } }"""


class _Note(NamedTuple):
    """What a start left for the commands after it."""

    process: int
    port: int


@dataclass(frozen=True)
class DevServices:
    """The services of an archive; their lock is held by the supervisor, so it cannot lie.

    Attributes:
        token_folder: where the token of the page is; None where none is asked for.
        metrics_file: that is kept fresh beside them, for Prometheus; None for none.
        values: of the settings that a start works with, by the fields' names.
    """

    home: Path
    port: int
    token_folder: Path | None = None
    metrics_file: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)  # a password is among them
    name = "dev"

    @classmethod
    def of(cls, settings: Settings) -> "DevServices":
        """The services of the archive that the settings name."""
        name = settings.prometheus_file
        metrics_file = settings.resolved(name) if name else None
        home, port = settings.workspace.dagster_home, settings.dagster_port
        return cls(home, port, token_folder(settings), metrics_file, values_anywhere(settings))

    @property
    def log(self) -> Path:
        """What they print."""
        return self.home / "dev.log"

    @property
    def address(self) -> str:
        """Where the page is, or will be."""
        port = self._noted().port if self.is_running() else self.port
        return f"http://{HOST}:{port}"

    @property
    def link(self) -> str:
        """What opens the page."""
        return link(self.address, read_token(self.token_folder))

    def is_running(self) -> bool:
        """Whether they run."""
        return is_locked(self._lock)

    @property
    def _lock(self) -> Path:
        return self.home / "dev.lock"

    def _check_lock(self) -> None:
        """Refuse to start or to stop where somebody else holds the lock, for whatever reason."""
        if self.is_running() and not self.processes():
            raise ServiceError(
                f"Nothing of ours runs, but {holder(self._lock)} holds {self._lock}: another start "
                "that is under way, or a stranger; try again in a moment, then end it."
            )

    def answers(self) -> bool:
        """Whether the page answers."""
        return self.is_running() and answers(f"{self.address}/server_info")

    def code_location_error(self) -> str:
        """Why the page cannot load our definitions; empty where it can."""
        return code_location_error(self.address)  # it knows its own user, and needs no token

    def started_with(self) -> dict[str, Any]:
        """The values that they were started with; none where they do not run."""
        return started_with.kept(self._values_file) if self.is_running() else {}

    @property
    def _values_file(self) -> Path:
        return self.home / "dev.settings.json"

    @property
    def were_killed(self) -> bool:
        """Whether they run no more, and nobody stopped them."""
        return not self.is_running() and (self.home / "dev.pid").exists()

    def check_none_runs(self) -> None:
        """Refuse a second start.

        Raises:
            ServiceError: they run.
        """
        if self.is_running():
            raise started_with.second_start(self.started_with(), self.values, self.link)

    def _noted(self) -> "_Note":
        try:
            said = (self.home / "dev.pid").read_text().split()
        except FileNotFoundError:
            raise ServiceError("A start is under way; try again in a moment.") from None
        return _Note(int(said[0]), int(said[1]))

    def processes(self) -> list[Process]:
        """All of them and the runs that they started, also where the first was killed."""
        if not (self.home / "dev.pid").exists():
            return []
        return members(self._noted().process, self.home)

    def start(self) -> None:
        """Bring them up and wait until the page answers.

        Raises:
            ServiceError: they run already, the port is taken, the metrics cannot be written, or
                they ended at once.
        """
        self._check_lock()
        self.check_none_runs()
        self.stop()  # what is left where the first process was killed
        if self.metrics_file and not os.access(self.metrics_file.parent, os.W_OK):
            raise ServiceError(
                f"PROMETHEUS_FILE={self.metrics_file} cannot be written; make its folder, or leave "
                "the variable empty."
            )
        lock = try_lock(self._lock)
        if lock is None:
            raise ServiceError("Another start is under way; try again in a moment.")
        (self.home / "dev.pid").unlink(missing_ok=True)
        started_with.keep(self._values_file, self.values)
        try:
            process = self._spawn(lock)
        finally:
            os.close(lock)
        note = f"{process.pid} {self.port}"
        write_whole(self.home / "dev.pid", note.encode(), self.home / "dev.pid.new")
        self._wait_until_ready(process)

    def _spawn(self, lock: int) -> "subprocess.Popen[bytes]":
        # From here to the end somebody of ours listens: else another user of the host could in the
        # page's place, whenever that is started again, and be sent the token.
        listening = listen(self.port)
        if listening is None:
            raise ServiceError(
                f"Port {self.port} is taken by another program; set DAGSTER_PORT to a free one."
            )
        with listening:
            new_token(self.token_folder)
            return self._supervised(lock, listening)

    def _supervised(self, lock: int, listening: socket.socket) -> "subprocess.Popen[bytes]":
        supervisor = [sys.executable, "-m", "opentr_pipeline.services.supervisor", str(self.home)]
        metrics = [sys.executable, "-m", "opentr_pipeline.cli.app", "metrics", "--watch"]
        beside = [*metrics, "--output", str(self.metrics_file)] if self.metrics_file else []
        dagster_dev = [sys.executable, "-m", "opentr_pipeline.launching.guarded_dev"]
        dagster_dev += ["--listening", str(listening.fileno())]
        place = ["-w", str(stock("workspace.yaml")), "-h", HOST, "-p", str(self.port)]
        turn_over(self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*supervisor, *beside, "--", *dagster_dev, *place],
                cwd=call_folder(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock, listening.fileno()],
                start_new_session=True,
                # Background jobs of a shell ignore SIGINT, and children inherit that; dagster
                # ends on SIGINT alone.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServiceError(f"dagster dev ended at once; see {self.log}.")
            if answers(f"http://{HOST}:{self.port}/server_info"):
                return
            time.sleep(0.2)
        self.stop()
        raise ServiceError(f"The page did not answer in {READY_TIMEOUT_S:.0f} s; see {self.log}.")

    def stop(self) -> bool:
        """End them and every run that they started; False where nothing ran.

        Raises:
            ServiceError: they could not be ended.
        """
        self._check_lock()
        if not self.processes():
            (self.home / "dev.pid").unlink(missing_ok=True)
            return False
        leader = self._noted().process
        if any(process.pid == leader for process in self.processes()):
            os.kill(leader, signal.SIGINT)
            wait_until(lambda: not self.processes(), STOP_TIMEOUT_S)
        end(self.processes, (signal.SIGTERM, signal.SIGKILL), KILL_TIMEOUT_S)
        if left := self.processes():
            raise ServiceError(f"Process {left[0].pid} does not end; see {self.log}.")
        (self.home / "dev.pid").unlink(missing_ok=True)
        return True


@dataclass(frozen=True)
class StackServices:
    """The services of the production stack, seen from inside one of its containers.

    Attributes:
        address: of the page, as people reach it.
        token: that opens it.
    """

    address: str
    token: str = field(default="", repr=False)
    name = "prod"

    were_killed = False

    def is_running(self) -> bool:
        """Whether they run: the stack's containers go and come together."""
        return True

    def answers(self) -> bool:
        """Whether the page answers."""
        return answers(f"{PAGE_IN_STACK}/server_info")

    def code_location_error(self) -> str:
        """Why the page cannot load our definitions; empty where it can."""
        return code_location_error(PAGE_IN_STACK, self.token)

    def processes(self) -> list[Process]:
        """None that outlive them: a container ends with all that is in it."""
        return []


def services_of(settings: Settings) -> DevServices | StackServices:
    """The services that look after the archive, here or in the stack that this process is in."""
    if is_in_stack():
        token = read_token(token_folder(settings))
        return StackServices(f"http://{HOST}:{settings.dagster_port}", token)
    return DevServices.of(settings)


def code_location_error(address: str, token: str = "") -> str:
    """Why a page cannot load our definitions; empty where it can.

    Args:
        address: of the page.
        token: that opens it to us; empty where it knows its own user.

    Raises:
        ServiceError: the page does not say.
    """
    body = json.dumps({"query": LOCATIONS}).encode()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{address}/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            entries = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServiceError(f"{address} gives no answer ({error}).") from None
    errors = [(entry["locationOrLoadError"] or {}).get("message") for entry in entries]
    return next((error.strip().splitlines()[0] for error in errors if error), "")
