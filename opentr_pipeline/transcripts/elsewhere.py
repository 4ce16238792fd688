"""Where the tables of an archive are kept besides this machine's folder: nowhere, or a bucket.

``store`` asks these questions at each publish; ``bucket_tables`` answers them for buckets. The
folder then is a copy that follows what is published there, and whoever reads, reads the copy.
"""

import contextlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from opentr_pipeline.errors import StoreError
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.settings.workspace import Workspace

# Who follows for each recording asks a bucket no more often: a request takes some 30 ms.
FOLLOW_S = 10.0


class Elsewhere(Protocol):
    """What a store asks; each of the questions about a partition by who holds its lock."""

    def place(self, path: Path) -> Place:
        """Where people find a file of the folder."""

    def claim(self, archive: str) -> None:
        """Keep that these are the tables of one archive, where several hosts can keep anything.

        Raises:
            SettingsError: they are another one's, or the server ignores conditions.
            StoreError: the bucket cannot be written.
        """

    def keep_first(self, name: str, text: str) -> str | None:
        """Keep a text of ours where all hosts find it, unless there is one of that name.

        Returns:
            What is kept there now; None where the folder is all there is.

        Raises:
            StoreError: the bucket cannot be written.
        """

    def follow(self, partition_key: str) -> None:
        """Have the folder hold what is published of a partition.

        Raises:
            StoreError: the bucket cannot be read.
        """

    def follow_each(self, partition_keys: Iterable[str]) -> None:
        """The same of some partitions, each under its lock.

        Raises:
            StoreError: the bucket cannot be read.
        """

    def follow_all(self, partition_keys: Iterable[str] | None = None) -> None:
        """The same of all partitions or of some, and of who is known in the archive.

        Raises:
            StoreError: the bucket cannot be read.
        """

    def commit(self, partition_key: str, files: Mapping[str, Path | None]) -> bool:
        """Publish files in the place of those that the folder follows; None: not any more.

        Args:
            partition_key: that they are of.
            files: by table; a table that is not named stays as it is.

        Returns:
            Whether that is done; else somebody has published since, and is to be followed first.

        Raises:
            StoreError: the bucket cannot be written.
        """

    def settle(self, partition_key: str) -> None:
        """Have other readers find what is published, and remove what was before.

        Raises:
            StoreError: the bucket cannot be written.
        """

    def follow_file(self, name: str) -> None:
        """Have a file of the folder be as it is there; asked by who holds the file's lock.

        A file of lines that is changed here keeps the lines that it has.

        Raises:
            StoreError: the bucket cannot be read.
        """

    def follow_files(self, folder: str) -> None:
        """The same of all files of a folder; asked by who holds the lock of all of them.

        Raises:
            StoreError: the bucket cannot be read.
        """

    def is_changed_here(self, name: str) -> bool:
        """Whether something here, such as git, has changed a file since it was followed."""

    def commit_file(self, name: str, content: bytes) -> bool:
        """Replace a file there that was followed, and then here; see ``commit``.

        Raises:
            StoreError: the bucket cannot be written.
        """

    def send(self, folder: str) -> None:
        """Have a folder of derived files be there as it is here.

        Raises:
            StoreError: the bucket cannot be written.
        """


class Nowhere:
    """The folder is all there is."""

    def place(self, path: Path) -> Place:
        """See ``Elsewhere``."""
        return path

    def claim(self, archive: str) -> None:
        """See ``Elsewhere``."""

    def keep_first(self, name: str, text: str) -> str | None:
        """See ``Elsewhere``."""
        return None

    def follow(self, partition_key: str) -> None:
        """See ``Elsewhere``."""

    def follow_each(self, partition_keys: Iterable[str]) -> None:
        """See ``Elsewhere``."""

    def follow_all(self, partition_keys: Iterable[str] | None = None) -> None:
        """See ``Elsewhere``."""

    def commit(self, partition_key: str, files: Mapping[str, Path | None]) -> bool:
        """See ``Elsewhere``."""
        return True

    def settle(self, partition_key: str) -> None:
        """See ``Elsewhere``."""

    def follow_file(self, name: str) -> None:
        """See ``Elsewhere``."""

    def follow_files(self, folder: str) -> None:
        """See ``Elsewhere``."""

    def is_changed_here(self, name: str) -> bool:
        """See ``Elsewhere``."""
        return False

    def commit_file(self, name: str, content: bytes) -> bool:
        """See ``Elsewhere``."""
        return True

    def send(self, folder: str) -> None:
        """See ``Elsewhere``."""


class Following:
    """Partitions that somebody works on for long, and others may publish meanwhile."""

    def __init__(self, elsewhere: Elsewhere, partition_keys: Iterable[str]) -> None:
        """Follow them.

        Raises:
            StoreError: the bucket cannot be read.
        """
        self._elsewhere, self._followed_at = elsewhere, dict.fromkeys(partition_keys, 0.0)
        self._follow(list(self._followed_at))

    def _follow(self, partition_keys: list[str]) -> None:
        if partition_keys:
            self._followed_at.update(dict.fromkeys(partition_keys, time.monotonic()))
            self._elsewhere.follow_each(partition_keys)

    def follow_again(self, partition_keys: Iterable[str]) -> None:
        """Follow those of them that were not followed just now; who publishes does so anyway.

        A bucket that cannot be read counts as one in which nobody has published.
        """
        at = time.monotonic()
        due = [key for key in partition_keys if at - self._followed_at[key] >= FOLLOW_S]
        with contextlib.suppress(StoreError):
            self._follow(due)

    def expect(self, partition_keys: Iterable[str]) -> None:
        """Somebody is known to work on these: follow them when they are asked for next."""
        self._followed_at.update(dict.fromkeys(partition_keys, float("-inf")))


def elsewhere_of(workspace: Workspace) -> Elsewhere:
    """Where the tables are kept besides this machine's folder."""
    if workspace.output_bucket is None:
        return Nowhere()
    from opentr_pipeline.transcripts.bucket_tables import BucketTables

    return BucketTables(workspace.output_bucket, workspace.output)
