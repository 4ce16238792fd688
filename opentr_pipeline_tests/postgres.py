"""A real PostgreSQL for tests, from Debian's package."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opentr_pipeline_tests.page_api import free_port


class Postgres:
    """A server of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, str(folder / "data")
        self.programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        # Its server refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None

    def do(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, "-D", self.data, *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self.user, cwd=self.folder)

    def start(self) -> str:
        """Its URL."""
        if self.user:
            shutil.chown(self.folder, self.user)
        port = free_port()
        self.do("initdb", "-A", "trust", "-U", "opentr", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        self.do("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")
        return f"postgresql://opentr@127.0.0.1:{port}/postgres"


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a server that runs meanwhile; without the package the test is skipped."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin")):
        pytest.skip("PostgreSQL (Debian's package postgresql)")
    with tempfile.TemporaryDirectory(prefix="opentr-postgres-") as folder:
        server = Postgres(Path(folder))
        url = server.start()
        try:
            yield url
        finally:
            server.do("pg_ctl", "-m", "immediate", "stop")
