"""The production stack of one archive: containers that compose starts (Docker's door on the host).

What it keeps is in ``OPENTR_HOME/prod`` and in a volume of its database.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opentr_pipeline.archive.storage import storage_of
from opentr_pipeline.commands import command
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.services import docker, started_with
from opentr_pipeline.services.dev import code_location_error
from opentr_pipeline.services.listening import HOST, answers, is_taken
from opentr_pipeline.services.page_link import link, new_token, read_token, token_folder
from opentr_pipeline.services.processes import wait_until
from opentr_pipeline.services.stack_image import build_context
from opentr_pipeline.services.stack_settings import HostCards, environment, make_folders
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.given import changed_settings, values_anywhere
from opentr_pipeline.settings.installation import stock

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
# Of the containers of runs, which are none of compose's.
RUNS_LABEL = "opentr.runs-of"
SERVICES = ("postgres", "code", "webserver", "daemon")
OPENTR = ("python", "-m", "opentr_pipeline.cli.app")
READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 20


def not_running() -> ServiceError:
    """The refusal to look into a stack that is not there."""
    return ServiceError(f"The production stack does not run; {command('start prod')} does it.")


@dataclass(frozen=True)
class Stack:
    """The production stack of the archive that the settings name, running or not."""

    settings: Settings

    @property
    def project(self) -> str:
        """Its name to Docker."""
        return f"opentr-{self.settings.workspace.slug.lower()}"

    @property
    def state(self) -> Path:
        """What its containers keep beside the database."""
        return self.settings.workspace.stack_state

    @classmethod
    def as_started(cls, settings: Settings) -> "Stack":
        """The stack of an archive with what it was started with, for who looks into it.

        Args:
            settings: of whoever asks, who need not know the password, or which cards are meant.
        """
        values = started_with.kept(_values_file(settings))
        return cls(changed_settings(settings, values) if values else settings)

    @property
    def address(self) -> str:
        """Where the page is, or will be."""
        return f"http://{HOST}:{self.settings.dagster_port}"

    @property
    def token(self) -> str:
        """What opens the page; empty where it asks for none."""
        return read_token(token_folder(self.settings, self.state))

    @property
    def link(self) -> str:
        """The address with the token."""
        return link(self.address, self.token)

    @cached_property
    def _compose(self) -> list[str]:
        """Compose with our files; the variables that these name are in ``_environment``."""
        files = ["docker-compose.yml"]
        if self._cards.used:
            files.append("docker-compose.gpu-scale.yml")
        if self.settings.cluster_address:
            files.append("docker-compose.cluster.yml")
        options = [part for name in files for part in ("-f", str(stock("docker") / name))]
        return [*docker.compose_command(), "-p", self.project, *options]

    @cached_property
    def _cards(self) -> HostCards:
        return HostCards.of(self.settings)

    @cached_property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **environment(self.settings, self._cards, self.state)}

    def is_running(self) -> bool:
        """Whether any of its containers is there, or of its runs."""
        return any(docker.labelled("ps", "-a", labels=(one,)) for one in (self._ours, self._runs))

    @property
    def _ours(self) -> str:
        return f"{PROJECT_LABEL}={self.project}"

    @property
    def _runs(self) -> str:
        return f"{RUNS_LABEL}={self.project}"

    def start(self, say: Callable[[str], object]) -> None:
        """Build the image, bring all up and wait until the page answers.

        Args:
            say: is told what takes long.

        Raises:
            ServiceError: it runs already, the port is taken, or something did not come up.
            SettingsError: no password, no such card, or a value that cannot work inside.
        """
        self.check_possible()
        if self.is_running():
            raise ServiceError(
                f"It runs already, or is left over: {self.link} ({command('stop')} ends it)."
            )
        new_token(token_folder(self.settings, self.state))
        self._build(say)
        started_with.keep(_values_file(self.settings), values_anywhere(self.settings))
        try:
            self.start_database()
            self._check_password()
            say("Preparing the archive's state ...")
            self.inside("serve", "prepare")
            self.compose("up", "-d")
        except ServiceError:
            self.stop()
            raise
        if not wait_until(self._is_ready, READY_TIMEOUT_S):
            raise ServiceError(
                f"{self.address} did not answer in {READY_TIMEOUT_S:.0f} s; "
                f"{command('logs prod')} may say why, {command('stop')} ends what runs."
            )

    def _build(self, say: Callable[[str], object]) -> None:
        make_folders(self.settings.workspace, self.state)
        say("Building the image (minutes the first time) ...")
        with build_context() as folder:
            variables = {**self._environment, "BUILD_CONTEXT": str(folder)}
            docker.run([*self._compose, "build", "code"], env=variables)

    def try_out(self, say: Callable[[str], object]) -> None:
        """Build the image and refuse what ``start`` would refuse in it; what runs goes on.

        Raises:
            ServiceError: that.
        """
        self._build(say)
        self.inside("serve", "check")

    def check_possible(self) -> None:
        """Refuse what ``start`` would refuse about the machine and the settings.

        Raises:
            ArchiveError: there is no such directory.
            ServiceError: no Docker, no compose, no engine that answers, or the port is taken.
            SettingsError: no password, no such card, or a value that cannot work inside.
        """
        docker.compose_command()
        storage_of(self.settings.workspace.archive).check()
        environment(self.settings, self._cards, self.state)
        if not self.is_running() and is_taken(self.settings.dagster_port):
            raise ServiceError(
                f"Port {self.settings.dagster_port} is taken by another program; set DAGSTER_PORT "
                "to a free one."
            )

    def start_database(self) -> None:
        """Bring up the database alone and wait for it."""
        self.compose("up", "-d", "postgres")
        container = self._database()
        if not wait_until(lambda: docker.is_healthy(container), READY_TIMEOUT_S):
            raise ServiceError(f"The database does not start; {command('logs prod')} may say why.")

    def _check_password(self) -> None:
        # By its name in the network: on loopback it takes anybody in.
        psql = ("psql", "-h", "postgres", "-U", "opentr", "-qc", "SELECT")
        variables = {**self._environment, "PGPASSWORD": self.settings.postgres_password}
        try:
            docker.run(
                ["docker", "exec", "-e", "PGPASSWORD", self._database(), *psql], env=variables
            )
        except ServiceError as error:
            raise ServiceError(
                f"The database does not take POSTGRES_PASSWORD ({error}); set the one that it was "
                f"first started with, or {command('reset prod')}."
            ) from None

    def in_database(self, *command: str, **streams: Any) -> None:
        """Run a program in the database's container.

        Args:
            command: the program and its arguments.
            streams: ``stdin`` and ``stdout`` of it.

        Raises:
            ServiceError: the last thing that it said.
        """
        docker.run(["docker", "exec", "-i", self._database(), *command], **streams)

    def _database(self) -> str:
        return self.compose("ps", "-q", "postgres").strip()

    def _is_ready(self) -> bool:
        try:
            return answers(f"{self.address}/server_info") and not code_location_error(
                self.address, self.token
            )
        except ServiceError:
            return False

    def stop(self) -> None:
        """End it and its runs, and keep what it knows."""
        self._remove("network")

    def delete_state(self) -> None:
        """Stop, and forget all that Dagster knows."""
        self._remove("network", "volume")
        _delete(self.state)

    def _remove(self, *kinds: str) -> None:
        """By labels, and not by compose, which wants settings that can work."""
        # The daemon first, so that it starts no further run; the database last.
        daemon, *others = ((self._ours, f"{SERVICE_LABEL}={name}") for name in reversed(SERVICES))
        for labels in (daemon, (self._runs,), *others):
            if found := docker.labelled("ps", "-a", labels=labels):
                docker.call("stop", "-t", str(STOP_TIMEOUT_S), *found)
                docker.call("rm", "-f", *found)
        for kind in kinds:
            if found := docker.labelled(kind, "ls", labels=(self._ours,)):
                docker.call(kind, "rm", *found)

    def put_state(self, fresh: Path) -> None:
        """Take a folder in the place of what the containers keep beside the database."""
        _delete(self.state)
        fresh.rename(self.state)

    def inside(self, *arguments: str) -> None:
        """Run a command of ``opentr`` in a new container like the code location's; it may print.

        Raises:
            ServiceError: the sentence with which it refused.
        """
        self.compose("run", "--rm", "-T", "--no-deps", "code", *OPENTR, *arguments, stdout=None)

    def attached(self, *arguments: str) -> int:
        """Run compose at the terminal of whoever asks; its exit code."""
        if not self.is_running():
            raise not_running()
        return subprocess.run(
            [*self._compose, *arguments], env=self._environment, check=False
        ).returncode

    def compose(self, *arguments: str, **streams: Any) -> str:
        """Run compose to its end; what it printed.

        Raises:
            ServiceError: the last thing that it said.
        """
        return docker.run([*self._compose, *arguments], env=self._environment, **streams)


def _values_file(settings: Settings) -> Path:
    """Beside the state, which the containers see and a backup holds."""
    state = settings.workspace.stack_state
    return state.with_name(f"{state.name}.settings.json")


def _delete(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise ServiceError(f"{error.filename} cannot be deleted: {error.strerror}.") from None
