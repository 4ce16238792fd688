"""PostgreSQL's door, for state that several hosts share; its driver comes with the extra postgres.

Each process has a connection of its own, made when it is needed. Nothing here may say the address:
it holds a password.
"""

import functools
import os
import re
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from opentr_pipeline.errors import SettingsError, StoreError

Facts = Mapping[str, object] | Sequence[object]
# Two processes that make a table at once would break each other's.
_MAKING = 0x6F70656E7472
_TOKEN = """
CREATE TABLE IF NOT EXISTS opentr_token (is_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_one),
    token TEXT NOT NULL);
"""


class Database:
    """A database; methods may be called from any thread.

    Attributes:
        keeps_files: whether it holds what hosts that see one folder keep there.
    """

    def __init__(self, url: str, *, keeps_files: bool = False) -> None:
        """Name it; nothing is connected yet.

        Raises:
            SettingsError: the driver is not installed.
        """
        if not find_spec("psycopg2"):
            raise SettingsError("DAGSTER_POSTGRES_URL needs the extra postgres; install it.")
        self.url, self.keeps_files = url, keeps_files
        self._lock = threading.RLock()
        self._connection: Any = None
        self._made: set[str] = set()

    def token(self) -> str:
        """What no other database has, by whatever address this one is reached.

        Raises:
            StoreError: it is away, or refuses.
        """
        with self.transaction(_TOKEN) as cursor:
            query = "INSERT INTO opentr_token (token) VALUES (%s) ON CONFLICT DO NOTHING"
            cursor.execute(query, (uuid.uuid4().hex,))
            cursor.execute("SELECT token FROM opentr_token")
            return str(cursor.fetchone()[0])

    @contextmanager
    def transaction(self, schema: str) -> Iterator[Any]:
        """A cursor; what is done with it is kept whole, or not at all.

        Args:
            schema: statements that make the tables where they are not there.

        Raises:
            StoreError: the database is away, or refuses.
        """
        import psycopg2

        with self._lock:
            try:
                connection = self._connected()
                with connection, connection.cursor() as cursor:
                    if schema not in self._made:
                        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
                        cursor.execute(schema)
                    yield cursor
                self._made.add(schema)
            except psycopg2.Error as error:
                raise StoreError(
                    f"The shared state in PostgreSQL cannot be used: {_reason(error)}; see "
                    "DAGSTER_POSTGRES_URL."
                ) from None

    def ask(self, schema: str, query: str, facts: Facts = ()) -> list[tuple[Any, ...]]:
        """The rows that one query gives, in a transaction of its own; see ``transaction``."""
        with self.transaction(schema) as cursor:
            return rows_of(cursor, query, facts)

    def _connected(self) -> Any:
        """The connection, made anew where the server has closed it since."""
        import psycopg2

        if self._connection is not None:
            try:
                with self._connection, self._connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except psycopg2.Error:
                self._connection.close()
                self._connection = None
        if self._connection is None:
            self._connection = psycopg2.connect(self.url, connect_timeout=10, keepalives_idle=30)
        return self._connection


def rows_of(cursor: Any, query: str, facts: Facts = ()) -> list[tuple[Any, ...]]:
    """The rows that a query gives; none where it only changes something."""
    cursor.execute(query, facts)
    return list(cursor.fetchall()) if cursor.description else []


def _reason(error: Exception) -> str:
    """What the driver says, without what it quotes of an address that it does not understand."""
    reason = str(error).strip().partition("\n")[0]
    is_quoted = re.search("://|@|^invalid ", reason)
    return "its address is not understood" if is_quoted else reason


@functools.cache
def database(url: str, *, keeps_files: bool = False) -> Database:
    """The database at an address, one connection for all of a process; see ``Database``."""
    return Database(url, keeps_files=keeps_files)


@functools.cache
def this_host() -> str:
    """Names this host since it was started; a container is a host."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()} {boot}"


def this_process() -> str:
    """Names this process among all that ever were on this host."""
    return _process(os.getpid())


def is_gone(process: str) -> bool:
    """Whether a process of this host has ended, by what ``this_process`` gave there."""
    space, number, _ = process.split(":")
    if space != _space():  # numbers of another container mean others here
        return False
    try:
        return _process(int(number)) != process
    except OSError:
        return True


def _process(number: int) -> str:
    # The 22nd field: when it began. The second is its name in brackets, spaces and all.
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    if fields[0] in "ZX":  # dead, and not yet reaped
        raise ProcessLookupError(number)
    return f"{_space()}:{number}:{fields[19]}"


def _space() -> str:
    return os.readlink("/proc/self/ns/pid").strip("pid:[]")
