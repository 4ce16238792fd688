"""What probes learnt, in PostgreSQL, for processes of several hosts.

Where hosts number the file system that they share in their own ways, each reads a file once.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence

from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.recordings import ProbeMemory, identity
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.postgres import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS opentr_media_2 (device BIGINT, inode BIGINT, size_bytes BIGINT,
    modified_ns BIGINT, changed_ns BIGINT, media_fingerprint TEXT, probe TEXT,
    PRIMARY KEY (device, inode));
"""
_ASKED = "unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
_NAMES = "device, inode, size_bytes, modified_ns, changed_ns"


class SharedProbes(ProbeMemory):
    """The same as the file has it."""

    def __init__(self, database: Database) -> None:
        """Name it; it is made when something is asked."""
        self._database = database

    def recall(self, media_files: Sequence[MediaFile]) -> dict[MediaFile, tuple[str, Probe]]:
        """See ``ProbeMemory``."""
        if not media_files:
            return {}
        asked = {identity(one): one for one in media_files}
        columns = [list(column) for column in zip(*asked, strict=True)]
        query = f"SELECT {_NAMES}, media_fingerprint, probe FROM opentr_media_2 "
        query += f"JOIN {_ASKED} AS asked ({_NAMES}) USING ({_NAMES})"
        rows = self._database.ask(_SCHEMA, query, columns)
        return {asked[row[:5]]: (row[5], Probe(**json.loads(row[6]))) for row in rows}

    def remember_all(self, learnt: Iterable[tuple[MediaFile, str, Probe]]) -> None:
        """See ``ProbeMemory``."""
        query = "INSERT INTO opentr_media_2 VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT "
        query += "(device, inode) DO UPDATE SET "
        names = (*_NAMES.split(", ")[2:], "media_fingerprint", "probe")
        query += ", ".join(f"{name} = excluded.{name}" for name in names)
        with self._database.transaction(_SCHEMA) as cursor:
            for media_file, fingerprint, probe in learnt:
                kept = json.dumps(dataclasses.asdict(probe))
                cursor.execute(query, (*identity(media_file), fingerprint, kept))
