"""The tables of an archive, wherever they are kept."""

from opentr_pipeline.postgres import Database
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.elsewhere import elsewhere_of
from opentr_pipeline.transcripts.store import TranscriptStore


def store_of(workspace: Workspace, database: Database | None = None) -> TranscriptStore:
    """The tables; where they are in a bucket, this machine's copy of what is published now.

    Args:
        workspace: of the archive.
        database: that several hosts share.

    Raises:
        StoreError: the bucket cannot be read.
    """
    elsewhere = elsewhere_of(workspace)
    elsewhere.follow_all()
    return TranscriptStore(workspace.output, database, elsewhere)
