"""Files and links that are replaced in one step: who looks sees the old one or the new one."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, fresh: Path | None = None) -> Iterator[Path]:
    """Give a path to make something at, and put that in the place of another at the end.

    Nothing is left of it where making it fails.

    Args:
        path: what is replaced, or made.
        fresh: where it is made first, on the same file system: needed where names beside ``path``
            matter to others, and good where a lock keeps other writers out, since it is made anew
            where a writer died. Else a name that is nobody's, beside ``path``.
    """
    # Containers have process numbers of their own, so these would not tell writers apart.
    fresh = fresh or path.with_name(f"{path.name}.new-{uuid.uuid4().hex}")
    fresh.unlink(missing_ok=True)
    try:
        yield fresh
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_whole(
    path: Path, content: bytes, fresh: Path | None = None, *, is_durable: bool = False
) -> None:
    """Write a file that is never seen in part.

    Args:
        path: the file.
        content: all of it.
        fresh: see ``replacing``.
        is_durable: wait until it is on the disk, so that it is whole after a power cut as well.
    """
    with replacing(path, fresh) as new, new.open("wb") as stream:
        stream.write(content)
        if is_durable:
            stream.flush()
            os.fsync(stream.fileno())
