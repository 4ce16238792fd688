"""What probes learnt, in PostgreSQL, for processes of several hosts.

Where hosts number the file system that they share in their own ways, each reads a file once.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence

from opentr_pipeline.archive.media_files import MediaFile
from opentr_pipeline.archive.recordings import IDENTITY, ProbeMemory, identity
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.postgres import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS opentr_media_2 (device BIGINT, inode BIGINT, size_bytes BIGINT,
    modified_ns BIGINT, changed_ns BIGINT, media_fingerprint TEXT, probe TEXT,
    PRIMARY KEY (device, inode));
"""
_ASKED = "unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"


class SharedProbes(ProbeMemory):
    """The same as the file has it."""

    def __init__(self, database: Database) -> None:
        """Name it; it is made when something is asked."""
        self._database = database

    def _recalled(self, keys: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[str, str]]:
        if not keys:
            return {}
        columns = [list(column) for column in zip(*keys, strict=True)]
        query = f"SELECT {IDENTITY}, media_fingerprint, probe FROM opentr_media_2 "
        query += f"JOIN {_ASKED} AS asked ({IDENTITY}) USING ({IDENTITY})"
        return {row[:5]: row[5:] for row in self._database.ask(_SCHEMA, query, columns)}

    def remember_all(self, learnt: Iterable[tuple[MediaFile, str, Probe]]) -> None:
        """See ``ProbeMemory``."""
        query = "INSERT INTO opentr_media_2 VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT "
        query += "(device, inode) DO UPDATE SET "
        names = (*IDENTITY.split(", ")[2:], "media_fingerprint", "probe")
        query += ", ".join(f"{name} = excluded.{name}" for name in names)
        with self._database.transaction(_SCHEMA) as cursor:
            for media_file, fingerprint, probe in learnt:
                kept = json.dumps(dataclasses.asdict(probe))
                cursor.execute(query, (*identity(media_file), fingerprint, kept))
