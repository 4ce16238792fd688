"""The tables of an archive, wherever they are kept."""

from collections.abc import Iterable

from opentr_pipeline.postgres import Database
from opentr_pipeline.postgres import database as database_at
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.elsewhere import elsewhere_of
from opentr_pipeline.transcripts.store import TranscriptStore


def store_of(
    workspace: Workspace,
    database: Database | None = None,
    partition_keys: Iterable[str] | None = None,
) -> TranscriptStore:
    """The tables; where they are in a bucket, this machine's copy of what is published now.

    Args:
        workspace: of the archive.
        database: that several hosts share; none: what ``files_database`` says.
        partition_keys: whose tables are followed, of those in a bucket; none named: all.

    Raises:
        StoreError: the bucket cannot be read.
    """
    elsewhere = elsewhere_of(workspace)
    elsewhere.follow_all(partition_keys)
    return TranscriptStore(workspace.output, database or files_database(workspace), elsewhere)


def files_database(workspace: Workspace) -> Database | None:
    """Where hosts that see no folder together keep files; None where each has its own, or all one.

    Args:
        workspace: of the archive.
    """
    if workspace.output_bucket is None or not workspace.database:
        return None
    return database_at(workspace.database, keeps_files=True)
