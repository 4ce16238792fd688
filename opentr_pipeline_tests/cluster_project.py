"""An archive whose steps work on the hosts of a real Ray cluster, with PostgreSQL for its state."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests import making
from opentr_pipeline_tests.bucket_server import CREDENTIALS
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.virtual_hosts import NETWORK, VirtualHost, VirtualNetwork

WAITING = str(Path(__file__).parent / "waiting")
OPENTR = (sys.executable, "-m", "opentr_pipeline.cli.app")
NUM_SLOTS = 2


class Heard(NamedTuple):
    """A recording that a step heard: on which host, when, and what its processes had computed."""

    host: str
    process: int
    began: float
    ended: float
    cpu_s: float


class ClusterProject(Project):
    """Three machines: the first has the head, the database and the commands of the archive."""

    def __init__(self, folder: Path, network: VirtualNetwork, wait_s: float) -> None:
        self.network = network
        self.head, *self.workers = network.hosts
        super().__init__(
            folder,
            folder / "archive",
            DAGSTER_POSTGRES_URL=f"postgresql://opentr@{self.head.address}:5432/postgres",
            GPU_SCALE_ENABLED="true",
            GPU_SCALE_DEVICE_ID="cpu",
            GPU_SCALE_WORKERS=str(NUM_SLOTS),
            SHARD_AUDIO_S="12",
            CLUSTER_ADDRESS=f"http://{self.head.address}:8265",
            OPENTR_TEST_HEARD=str(folder / "heard"),
            OPENTR_TEST_WAIT_S=str(wait_s),
            WHISPER_MODEL="base",
            PYTHONPATH=WAITING,
            # A /tmp of its own: the slots of each host are its own.
            WORKER_SLOTS_DIR="/tmp/slots",
            HOME="/tmp",
        )

    def on(self, host: VirtualHost, *arguments: str, code: int = 0, **variables: str) -> str:
        """Run a command of ours on a host to its end; what it printed."""
        process = self.begin(host, *arguments, **variables)
        said, _ = process.communicate(timeout=500)
        assert process.returncode == code, f"exit {process.returncode}\n{said}"
        return said

    def begin(
        self, host: VirtualHost, *arguments: str, **variables: str
    ) -> "subprocess.Popen[str]":
        env = {**self.environ, **variables}
        return host.start(*OPENTR, *arguments, env=env, cwd=PROJECT_ROOT)

    def start_database(self) -> None:
        """PostgreSQL of Debian's package, on the first machine."""
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        place = self.folder / "postgres"
        place.mkdir()
        shutil.chown(place, "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        data = str(place / "data")
        said = ["-A", "trust", "-U", "opentr", "--no-sync"]
        self._do(*as_user, str(programs / "initdb"), "-D", data, *said)
        with (place / "data" / "pg_hba.conf").open("a") as access:
            access.write(f"host all all {NETWORK}.0/24 trust\n")
        options = f"-c listen_addresses={self.head.address} -k {place} -c fsync=off"
        options += " -c max_connections=300"
        started = ["-D", data, "-w", "-l", str(place / "log"), "-o", options, "start"]
        self._do(*as_user, str(programs / "pg_ctl"), *started)

    def _do(self, *arguments: str) -> None:
        process = self.head.start(*arguments, env=self.environ, cwd=PROJECT_ROOT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said

    def join(self, host: VirtualHost) -> None:
        self.on(host, "cluster", "join", f"{self.head.address}:6379", **self.own(host))

    def own(self, host: VirtualHost) -> dict[str, str]:
        """Variables of a host: each notes on its own disk what it has joined."""
        return {"OPENTR_HOME": str(self.folder / f"of-{host.name}")}

    def record(self, num: int, folder: str, seconds: float = 6.0) -> None:
        """Recordings; two of six seconds make a shard."""
        for number in range(num):
            pitch_hz = 200.0 + number + 50 * len(list(self.archive.glob("*")))
            making.wav(self.archive / folder / f"{number:03d}.wav", seconds, pitch_hz)

    def heard(self) -> list[Heard]:
        """What the steps have heard, in the order in which they noted it."""
        path = Path(self.environ["OPENTR_TEST_HEARD"])
        lines = path.read_text().splitlines() if path.exists() else []
        return [Heard(*json.loads(line)) for line in lines]

    def steps_on(self, host: VirtualHost) -> list[int]:
        """The processes of transcription steps on a host."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                is_step = b"execute_step" in (process / "cmdline").read_bytes()
                there = os.readlink(process / "ns/pid") == os.readlink(f"/proc/{host.pid}/ns/pid")
                is_python = "python" in os.readlink(process / "exe")
                if is_step and there and is_python:
                    found.append(int(process.name))
        return found

    def processes_of_head(self) -> list[int]:
        """Ray's on the first machine; what keeps it alive is left out."""
        mark = f"OPENTR_CLUSTER_NODE=head {self.settings.workspace.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_head = mark in (process / "environ").read_bytes().split(b"\0")
                if is_head and b"services.keeping" not in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found


class BucketProject(ClusterProject):
    """Machines that share a bucket and a database, and no folder: state is in a /tmp of their own.

    What the steps of a test note for it, and what is installed, they see together all the same.
    """

    def __init__(self, folder: Path, network: VirtualNetwork, wait_s: float) -> None:
        super().__init__(folder, network, wait_s)
        self.endpoint = f"http://{self.head.address}:5000"
        self.environ.update(CREDENTIALS, S3_ENDPOINT_URL=self.endpoint)

    def start_bucket(self) -> None:
        """Moto's server, on the first machine."""
        place = ["-H", self.head.address, "-p", "5000"]
        self.head.start(sys.executable, "-m", "moto.server", *place, env=os.environ, cwd=Path("/"))

    def copy(self, source: object, target: object) -> None:
        """A folder into a bucket, or a bucket into a folder."""
        # A machine's own files are another tree, in which no folder is the current one.
        python = ("env", f"PYTHONPATH={PROJECT_ROOT}", sys.executable)
        copies = (*python, "-m", "opentr_pipeline_tests.bucket_copy")
        self._do(*copies, str(source), str(target), self.endpoint)

    def ask_database(self, query: str) -> list[tuple[Any, ...]]:
        """By a socket, which is in a folder; the network of the hosts is not ours."""
        import psycopg2

        connection = psycopg2.connect(
            host=self.folder / "postgres", dbname="postgres", user="opentr"
        )
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())
        finally:
            connection.close()


@contextmanager
def bucket_project(names: Sequence[str], wait_s: float) -> Iterator[BucketProject]:
    """The machines, a bucket and a database; who joins what is for the test to say."""
    with tempfile.TemporaryDirectory(prefix="opentr-cluster-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with VirtualNetwork(names) as network:
            project = BucketProject(Path(folder), network, wait_s)
            project.start_bucket()
            project.start_database()
            yield project


@contextmanager
def cluster_project(
    names: Sequence[str] = ("head", "host1", "host2"), wait_s: float = 3.0
) -> Iterator[ClusterProject]:
    """A cluster that is up, its hosts joined; all of it ends with the block."""
    # Not below /tmp, of which every host has one of its own.
    with tempfile.TemporaryDirectory(prefix="opentr-cluster-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with VirtualNetwork(names) as network:
            project = ClusterProject(Path(folder), network, wait_s)
            project.start_database()
            project.on(project.head, "cluster", "head", project.head.address)
            for host in project.workers:
                project.join(host)
            yield project
