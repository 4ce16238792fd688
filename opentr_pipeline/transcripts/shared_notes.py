"""The notes about work in PostgreSQL, for processes of several hosts.

A claim holds until a time that its process puts off again and again, and no longer where that
process is seen to be gone by another of the same host. An attempt without an outcome counts as a
death of its process only where the host is known to have lived on: what a host takes with it is no
recording's fault. So a lost host costs its recordings nothing but the time until its claims end.
"""

import functools
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from opentr_pipeline.errors import StoreError
from opentr_pipeline.postgres import Database, is_gone, rows_of, this_host, this_process
from opentr_pipeline.transcripts.kept_files import KEPT_DAYS
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline.transcripts.work_notes import Claim

CLAIM_S = 60.0
RENEW_S = 15.0
_log = logging.getLogger(__name__)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS opentr_claims (kind TEXT, media TEXT, settings TEXT, host TEXT,
    process TEXT, claimed_until TIMESTAMPTZ, PRIMARY KEY (kind, media, settings));
CREATE TABLE IF NOT EXISTS opentr_attempts (id BIGSERIAL PRIMARY KEY, kind TEXT, media TEXT,
    settings TEXT, host TEXT, process TEXT, claimed_until TIMESTAMPTZ,
    has_died BOOLEAN DEFAULT false);
CREATE INDEX IF NOT EXISTS opentr_attempts_of ON opentr_attempts (kind, media, settings);
CREATE TABLE IF NOT EXISTS opentr_hosts (host TEXT PRIMARY KEY, seen_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS opentr_heard (id BIGSERIAL PRIMARY KEY, kind TEXT, media TEXT,
    settings TEXT, lines TEXT, kept_at TIMESTAMPTZ DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS opentr_heard_of ON opentr_heard (kind, media, settings);
"""
_OF = "kind = %(kind)s AND media = %(media)s AND settings = %(settings)s"
_MINE = "host = %(host)s AND process = %(process)s"
_UNTIL = "clock_timestamp() + make_interval(secs => %(claim_s)s)"
_SEE_HOST = """INSERT INTO opentr_hosts VALUES (%(host)s, clock_timestamp())
    ON CONFLICT (host) DO UPDATE SET seen_at = clock_timestamp()"""
_CLAIM = f"""INSERT INTO opentr_claims AS theirs
    VALUES (%(kind)s, %(media)s, %(settings)s, %(host)s, %(process)s, {_UNTIL})
    ON CONFLICT (kind, media, settings) DO UPDATE SET host = excluded.host,
        process = excluded.process, claimed_until = excluded.claimed_until
    WHERE theirs.claimed_until < clock_timestamp()
        OR theirs.host = %(host)s AND theirs.process = %(gone)s
    RETURNING 1"""
# Its process may live, or its host has lived longer than that process had said it would at least.
_COUNT = f"""SELECT count(*) FROM opentr_attempts LEFT JOIN opentr_hosts USING (host) WHERE {_OF}
    AND (has_died OR claimed_until >= clock_timestamp() OR seen_at > claimed_until)"""


class SharedNotes:
    """The notes about one kind of work; see ``WorkNotes``."""

    def __init__(self, database: Database, kind: str) -> None:
        """Name them; nothing is made until something is asked.

        Args:
            database: of one archive.
            kind: of work: no two have the same.
        """
        self._database, self._kind = database, kind

    def _facts(self, content: Content = ("", "")) -> dict[str, object]:
        return {"kind": self._kind, "media": content[0], "settings": content[1], **_ours()}

    def _do(self, query: str, content: Content = ("", ""), **more: object) -> list[tuple[Any, ...]]:
        return self._database.ask(_SCHEMA, query, {**self._facts(content), **more})

    def claim(self, content: Content) -> Claim | None:
        """See ``WorkNotes``."""
        facts = self._facts(content)
        with self._database.transaction(_SCHEMA) as cursor:
            cursor.execute(_SEE_HOST, facts)
            query = f"SELECT host, process FROM opentr_claims WHERE {_OF}"
            held = rows_of(cursor, query, facts)
            gone = [process for host, process in held if host == this_host() and is_gone(process)]
            is_ours = rows_of(cursor, _CLAIM, {**facts, "gone": gone[0] if gone else ""})
        if not is_ours:
            return None
        _renewing(self._database.url)
        return _Row(self, content)

    def release(self, content: Content) -> None:
        """Let others have what this process has claimed."""
        self._do(f"DELETE FROM opentr_claims WHERE {_OF} AND {_MINE}", content)

    def holder(self, content: Content) -> str:
        """See ``WorkNotes``."""
        held = self._do(f"SELECT host, process FROM opentr_claims WHERE {_OF}", content)
        for host, process in held:
            return f"process {process.split(':')[1]} of {host.split()[0]}"
        return "nobody any more"

    def begin_attempt(self, content: Content) -> int:
        """See ``WorkNotes``."""
        self._do(
            "INSERT INTO opentr_attempts (kind, media, settings, host, process, claimed_until) "
            f"VALUES (%(kind)s, %(media)s, %(settings)s, %(host)s, %(process)s, {_UNTIL})",
            content,
        )
        return self.num_attempts(content)

    def withdraw_attempt(self, content: Content) -> None:
        """See ``WorkNotes``."""
        self._do(
            f"DELETE FROM opentr_attempts WHERE id = (SELECT id FROM opentr_attempts WHERE {_OF} "
            f"ORDER BY ({_MINE}) DESC, id DESC LIMIT 1)",
            content,
        )

    def num_attempts(self, content: Content) -> int:
        """See ``WorkNotes``."""
        facts = self._facts(content)
        with self._database.transaction(_SCHEMA) as cursor:
            query = f"SELECT id, process FROM opentr_attempts WHERE {_OF} AND host = %(host)s"
            here = rows_of(cursor, query, facts)
            died = [number for number, process in here if is_gone(process)]
            if died:
                query = "UPDATE opentr_attempts SET has_died = true WHERE id = ANY(%(died)s)"
                cursor.execute(query, {"died": died})
            ((num,),) = rows_of(cursor, _COUNT, facts)
        return int(num)

    def forgive(self, content: Content) -> None:
        """See ``WorkNotes``."""
        self._do(
            f"DELETE FROM opentr_attempts WHERE {_OF} AND id < "
            f"(SELECT max(id) FROM opentr_attempts WHERE {_OF})",
            content,
        )

    def forget_attempts(self, content: Content) -> None:
        """See ``WorkNotes``."""
        self._do(f"DELETE FROM opentr_attempts WHERE {_OF}", content)

    def forget_heard(self, content: Content) -> None:
        """See ``WorkNotes``."""
        self._do(f"DELETE FROM opentr_heard WHERE {_OF}", content)

    def clear(self, content: Content) -> None:
        """See ``WorkNotes``."""
        if claim := self.claim(content):
            self._do(f"DELETE FROM opentr_attempts WHERE {_OF}", content)
            claim.release()

    def add_heard(self, content: Content, lines: Sequence[str]) -> None:
        """See ``WorkNotes``."""
        query = "INSERT INTO opentr_heard (kind, media, settings, lines) VALUES "
        query += "(%(kind)s, %(media)s, %(settings)s, %(lines)s)"
        self._do(query, content, lines="\n".join(lines))

    def heard(self, content: Content) -> list[str]:
        """See ``WorkNotes``."""
        parts = self._do(f"SELECT lines FROM opentr_heard WHERE {_OF} ORDER BY id", content)
        return [line for (lines,) in parts for line in lines.split("\n")]

    def last_heard(self, content: Content) -> list[str]:
        """See ``WorkNotes``."""
        query = f"SELECT lines FROM opentr_heard WHERE {_OF} ORDER BY id DESC LIMIT 1"
        return [line for (lines,) in self._do(query, content) for line in lines.split("\n")]

    def all_heard(self) -> set[Content]:
        """See ``WorkNotes``."""
        query = "SELECT DISTINCT media, settings FROM opentr_heard WHERE kind = %(kind)s"
        return {(media, settings) for media, settings in self._do(query)}

    def heard_since(self, since: datetime) -> Iterator[tuple[Content, datetime]]:
        """See ``WorkNotes``."""
        query = "SELECT media, settings, max(kept_at) FROM opentr_heard WHERE kind = %(kind)s "
        query += "GROUP BY media, settings HAVING max(kept_at) >= %(since)s"
        for media, settings, at in self._do(query, since=since):
            yield (media, settings), at

    def sweep(self) -> None:
        """See ``WorkNotes``."""
        is_old = f"< now() - interval '{KEPT_DAYS} days'"
        self._do(f"DELETE FROM opentr_heard WHERE kept_at {is_old}")
        for table in ("opentr_attempts", "opentr_claims"):
            self._do(f"DELETE FROM {table} WHERE claimed_until {is_old}")


class _Row:
    """A claim that holds as long as this process renews it."""

    def __init__(self, notes: SharedNotes, content: Content) -> None:
        self._notes, self._content = notes, content

    def release(self) -> None:
        """See ``Claim``."""
        self._notes.release(self._content)


def _ours() -> dict[str, object]:
    return {"host": this_host(), "process": this_process(), "claim_s": CLAIM_S}


@functools.cache
def _renewing(url: str) -> threading.Thread:
    """The thread that puts off the end of all claims of this process, on its own connection."""
    thread = threading.Thread(target=_renew, args=(Database(url),), daemon=True)
    thread.start()
    return thread


def _renew(database: Database) -> None:
    over = threading.Event()
    while not over.wait(RENEW_S):
        try:
            renew(database)
        except StoreError as error:  # the next time; claims outlive a few of these
            _log.warning("Claims are not renewed: %s", error)


def renew(database: Database) -> None:
    """Say that this host and this process live."""
    with database.transaction(_SCHEMA) as cursor:
        cursor.execute(_SEE_HOST, _ours())
        for table in ("opentr_claims", "opentr_attempts"):
            cursor.execute(f"UPDATE {table} SET claimed_until = {_UNTIL} WHERE {_MINE}", _ours())
