"""The ledger counts without counting: what a look costs does not grow with what is known."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from opentr_pipeline.archive.ledger import File, Folder, Ledger, State

STATES: tuple[State, ...] = ("settling", "known", "known", "asked", "due")


def file(folder: int, number: int, state: State) -> File:
    return File(folder, b"%d.wav" % number, 1, 2, 3, 4, state, 0.0, 0, "run", False, 5)


def counted(path: Path) -> dict[str, int]:
    """What the ledger is to say, found the slow way."""
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT state, count(*) FROM files_1 GROUP BY state"))


def test_files_are_counted_as_they_come_and_go(tmp_path: Path) -> None:
    said, ledger = random.Random(3), Ledger(tmp_path / "uploads.sqlite")
    for number in range(60):
        folder = said.randrange(3)
        with ledger.opened():
            ledger.put_folders([Folder(folder, b"%d" % folder, 0, 0, 0.0, None)])
            ledger.put_files(
                file(folder, said.randrange(20), said.choice(STATES)) for _ in range(5)
            )
            if number % 3 == 0:
                ledger.drop_files([(folder, b"%d.wav" % said.randrange(20)) for _ in range(3)])
            if number % 10 == 9:
                ledger.drop_folder(folder)
            if number % 7 == 0:
                ledger.end_request("run")
        if number == 30:  # a ledger of a release that did not count as they came
            with closing(sqlite3.connect(ledger.path)) as database, database:
                database.executescript(
                    "DROP TRIGGER added_1; DROP TRIGGER removed_1;"
                    "DELETE FROM notes_1 WHERE name = 'num_files'"
                )
        with ledger.opened():
            counts = ledger.counts()
        assert {state: num for state, num in counts.items() if num} == counted(ledger.path)


def test_a_look_at_runs_reads_no_known_file(tmp_path: Path) -> None:
    ledger, asked = Ledger(tmp_path / "uploads.sqlite"), list[str]()
    with ledger.opened():
        ledger.put_files(file(0, number, "known") for number in range(100))
        ledger.put_files([file(0, 200, "asked")])
        ledger._database.set_trace_callback(asked.append)
        assert ledger.requests() == {"run"}
        ledger.end_request("run")
        ledger.counts()
        ledger._database.set_trace_callback(None)
        queries = [query for query in asked if "files_1" in query and query[:2] != "--"]
        for query in queries:
            plan = ledger._database.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            assert all("at_work_1" in row[3] for row in plan if "files_1" in row[3]), (query, plan)
        assert len(queries) == 3
