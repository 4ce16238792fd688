"""The state of a production stack in one file: a dump of its database, and its folder."""

import contextlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from opentr_pipeline.commands import command
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.plain_files import open_plain
from opentr_pipeline.services.stack import Stack, not_running
from opentr_pipeline.services.stack_settings import hand_over
from opentr_pipeline.whole_files import replacing

DUMP = "database.dump"
FOLDER = "state"
USER = ("-U", "opentr")
# The database is taken in the place of the old one when it is whole.
DATABASE, FRESH = "opentr", "opentr_fresh"


def backup(stack: Stack, file: Path) -> int:
    """Write the file, while the stack works; its size in bytes.

    The database is as at one moment; of the folder, what is newer than that does no harm.

    Raises:
        ServiceError: the stack does not run, or the file cannot be written.
    """
    if not stack.is_running():
        raise not_running()
    with (
        _named_at_the_end(file) as fresh,
        tarfile.open(mode="w:gz", fileobj=fresh, compresslevel=1) as tar,
    ):
        with TemporaryDirectory() as folder:
            dump = Path(folder, DUMP)
            with dump.open("wb") as stream:
                stack.in_database("pg_dump", *USER, "-Fc", DATABASE, stdout=stream)
            tar.add(dump, DUMP)
        _add(tar, stack.state)
    return file.stat().st_size


def _add(tar: tarfile.TarFile, folder: Path) -> None:
    """Take in what is there; what the stack removes meanwhile is nothing that it needs."""
    for place, _, names in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                tar.add(path, str(Path(FOLDER, path.relative_to(folder))), recursive=False)


@contextmanager
def _named_at_the_end(file: Path) -> Iterator[IO[bytes]]:
    """A new file that nobody else can read: it holds what Dagster knows, passwords among it."""
    try:
        with replacing(file) as fresh:
            descriptor = open_plain(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
    except OSError as error:
        raise ServiceError(f"{file} cannot be written: {error.strerror}.") from None


def check(file: Path) -> None:
    """Refuse what is no backup.

    Raises:
        ServiceError: that.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ServiceError("A backup is taken back by Python 3.11.4 or newer; install one.")
    try:
        with tarfile.open(file) as tar:
            members = tar.getmembers()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ServiceError(f"{file} cannot be read as a backup: {error}.") from None
    names = {member.name for member in members}
    is_ours = all(
        (member.isfile() or member.isdir())
        and Path(member.name).parts[:1] in ((DUMP,), (FOLDER,))
        # Whatever it says, nothing is written elsewhere.
        and ".." not in Path(member.name).parts
        for member in members
    )
    if not is_ours or not {DUMP, FOLDER} <= names:
        raise ServiceError(
            f"{file} is no backup of a production stack; name what {command('backup')} has written."
        )


def restore(stack: Stack, file: Path) -> None:
    """Stop the stack and take what the file holds in the place of its state.

    Args:
        stack: it is left stopped.
        file: that ``check`` has let through.

    Raises:
        ServiceError: the dump cannot be read; then the state is as it was.
    """
    stack.stop()
    stack.state.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=stack.state.parent) as folder, tarfile.open(file) as tar:
        tar.extractall(folder, filter="data")
        Path(folder, FOLDER).chmod(0o700)  # which the filter leaves to the umask
        stack.start_database()
        try:
            with Path(folder, DUMP).open("rb") as dump:
                _load(stack, dump)
        finally:
            stack.stop()
        if not os.getuid():
            hand_over(Path(folder, FOLDER))
        stack.put_state(Path(folder, FOLDER))


def _load(stack: Stack, dump: IO[bytes]) -> None:
    """Make the database anew from a dump, beside the old one until it is whole."""
    maintenance = ("psql", *USER, "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres")
    stack.in_database("dropdb", *USER, "--if-exists", FRESH)
    stack.in_database("createdb", *USER, FRESH)
    stack.in_database("pg_restore", *USER, "--exit-on-error", "-d", FRESH, stdin=dump)
    stack.in_database("dropdb", *USER, "--if-exists", "--force", DATABASE)
    stack.in_database(*maintenance, "-c", f"ALTER DATABASE {FRESH} RENAME TO {DATABASE}")
