"""The index of contents in PostgreSQL, for processes of several hosts."""

from collections.abc import Iterable, Sequence
from typing import Any

from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts.content_index import Holding

_SCHEMA = """
CREATE TABLE IF NOT EXISTS opentr_partitions (id BIGSERIAL PRIMARY KEY, key TEXT UNIQUE,
    generation TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS opentr_contents (media BIGINT, partition BIGINT,
    PRIMARY KEY (media, partition));
CREATE INDEX IF NOT EXISTS opentr_contents_of ON opentr_contents (partition);
"""


class SharedContents:
    """The table; see ``ContentTable``."""

    def __init__(self, database: Database) -> None:
        """Name it; it is made when something is asked."""
        self._database = database

    def generations(self) -> dict[str, str]:
        """See ``ContentTable``."""
        query = "SELECT key, generation FROM opentr_partitions WHERE generation != ''"
        return dict(self._database.ask(_SCHEMA, query))

    def keep(self, holdings: Sequence[Holding]) -> None:
        """See ``ContentTable``."""
        with self._database.transaction(_SCHEMA) as cursor:
            # In one order, so that nobody waits for who waits for him.
            for one in sorted(holdings, key=lambda one: one.partition_key):
                _keep(cursor, one)

    def partitions_of(self, media: Iterable[int]) -> set[str]:
        """See ``ContentTable``."""
        query = "SELECT DISTINCT key FROM opentr_contents JOIN opentr_partitions ON id = partition "
        query += "WHERE media = ANY(%s)"
        return {key for (key,) in self._database.ask(_SCHEMA, query, [list(media)])}


def _keep(cursor: Any, one: Holding) -> None:
    query = "INSERT INTO opentr_partitions (key) VALUES (%s) ON CONFLICT DO NOTHING"
    cursor.execute(query, (one.partition_key,))
    query = "SELECT id, generation FROM opentr_partitions WHERE key = %s FOR UPDATE"
    cursor.execute(query, (one.partition_key,))
    number, kept = cursor.fetchone()
    if kept != one.before:
        return
    media = sorted(one.media)
    query = "DELETE FROM opentr_contents WHERE partition = %s AND media != ALL(%s)"
    cursor.execute(query, (number, media))
    query = "INSERT INTO opentr_contents SELECT unnest(%s::bigint[]), %s ON CONFLICT DO NOTHING"
    cursor.execute(query, (media, number))
    query = "UPDATE opentr_partitions SET generation = %s WHERE id = %s"
    cursor.execute(query, (one.generation, number))
