"""What it costs to search what is said: our index, and engines by themselves, on the same text.

    python -m benchmarks.search --hours 1000 --json search.json
    python -m benchmarks.search --hours 10000 --candidates ours

The text is synthetic: words drawn by Zipf's law from a vocabulary of 100,000, nine in ten
recordings of an hour spaced (9,000 words), one in ten Chinese characters. The engines index the
tokens alone and give the best 20 by BM25; ``ours`` reads Parquet, narrows, and gives contexts.
Tantivy is left out where it is not installed (``pip install tantivy``).
"""

import argparse
import dataclasses
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import machine
from opentr_pipeline.search.index import SearchIndex
from opentr_pipeline.search.passages import Wanted
from opentr_pipeline.search.query import search
from opentr_pipeline.search.terms import index_query, indexed, terms_of, tokens_of
from opentr_pipeline.transcripts.schemas import SCHEMAS
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import write_table

VOCABULARY = 100_000
CHARACTERS = 3_000
ZIPF_EXPONENT = 1.05
SEGMENTS_OF_HOUR = 300
WORDS_OF_SEGMENT = 30
HOURS_OF_PARTITION = 50
NUM_QUERIES = 25
NUM_COMMANDS = 7
LIMIT = 20
SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]


@dataclass(frozen=True)
class Figures:
    """What one candidate took.

    Attributes:
        build_s: for all partitions.
        update_s: for one partition more.
        query_ms: median and 95 % of each kind of query, each asked once.
        command_ms: the same of the first of them, each a process: ``opentr search``.
    """

    name: str
    hours: int
    build_s: float
    update_s: float
    size_bytes: int
    query_ms: dict[str, tuple[float, float]]
    command_ms: dict[str, tuple[float, float]] = field(default_factory=dict)


class Speech:
    """Texts from a fixed seed."""

    def __init__(self) -> None:
        """Draw the vocabulary."""
        self._random = np.random.default_rng(6)
        numbers = self._random.permutation(len(SYLLABLES) ** 3)[:VOCABULARY]
        parts = [(n // 8100, n // 90 % 90, n % 90) for n in numbers.tolist()]
        self.words = np.array(["".join(SYLLABLES[p] for p in three) for three in parts])
        self.characters = np.array([chr(0x4E00 + n) for n in range(CHARACTERS)])

    def hour(self, is_spaced: bool) -> list[str]:
        """The segments of a recording of an hour."""
        names = self.words if is_spaced else self.characters
        shares = np.cumsum(1 / np.arange(1, len(names) + 1) ** ZIPF_EXPONENT)
        drawn = self._random.random(SEGMENTS_OF_HOUR * WORDS_OF_SEGMENT) * shares[-1]
        said = names[np.searchsorted(shares, drawn)].reshape(SEGMENTS_OF_HOUR, WORDS_OF_SEGMENT)
        return [(" " if is_spaced else "").join(row) for row in said.tolist()]

    def queries(self, known: list[str], known_chinese: list[str]) -> dict[str, list[str]]:
        """Queries of each kind; phrases are from texts that are there."""

        def drawn(low: int, high: int) -> list[str]:
            return list(self.words[self._random.integers(low, high, NUM_QUERIES)])

        def phrases(num: int) -> list[str]:
            return [f'"{" ".join(text.split()[3 : 3 + num])}"' for text in known[:NUM_QUERIES]]

        pairs = [" ".join(pair) for pair in zip(drawn(0, 30), drawn(100, 3000), strict=True)]
        return {
            "word, common": drawn(0, 20),
            "word, usual": drawn(500, 5_000),
            "word, rare": drawn(50_000, VOCABULARY),
            "two words": [
                " ".join(p) for p in zip(drawn(100, 2000), drawn(100, 2000), strict=True)
            ],
            "common and usual": pairs,
            "phrase of 3": phrases(3),
            "phrase of 6": phrases(6),
            "phrase, common": [f'"{a} {b}"' for a, b in zip(drawn(0, 9), drawn(0, 9), strict=True)],
            "phrase, 5 common": [f'"{" ".join(drawn(0, 30)[:5])}"' for _ in range(NUM_QUERIES)],
            "prefix of 3": [f"{word[:3]}*" for word in drawn(500, 50_000)],
            "1 character": [text[0] for text in known_chinese[:NUM_QUERIES]],
            "2 characters": [text[1:3] for text in known_chinese[:NUM_QUERIES]],
            "4 characters": [text[4:8] for text in known_chinese[:NUM_QUERIES]],
        }


def write_partition(store: TranscriptStore, key: str, speech: Speech) -> None:
    """The tables of one partition, as the index reads them."""
    heads, rows = [], []
    for number in range(HOURS_OF_PARTITION):
        name, is_spaced = f"{key}-{number:04d}", number % 10 != 0
        language = "en" if is_spaced else "zh"
        shared = {"recording_id": name, "partition_key": key, "language": language}
        heads.append(
            {**shared, "path": f"{key}/{name}.wav", "status": "ok",
             "media_fingerprint": name, "settings_fingerprint": "s",
             "transcribed_at": datetime(2026, 1, 1, tzinfo=UTC)}
        )  # fmt: skip
        for place, text in enumerate(speech.hour(is_spaced)):
            times = {"start_s": place * 12.0, "end_s": place * 12.0 + 11.5}
            rows.append(
                {**shared, **times, "segment_index": place, "text": text, "avg_logprob": -0.2}
            )
    for table, made in (("segments", rows), ("words", []), ("transcripts", heads)):
        path = store.path(table, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, pa.Table.from_pylist(made, SCHEMAS[table]))


class Ours:
    """The product's index."""

    name = "ours"

    def __init__(self, store: TranscriptStore, folder: Path) -> None:
        """Over the tables."""
        self.index, self.wanted = SearchIndex(store), Wanted()

    def add(self, key: str) -> None:
        """Index a partition."""
        self.index.refresh([key], wait=True)

    def ask(self, query: str) -> int:
        """Answer a query to the end, is anything new included."""
        self.index.refresh(wait=False)
        return len(search(self.index, query, self.wanted, LIMIT).hits)

    def command(self, query: str) -> int:
        """The same as people ask it, from the start of the process to its end."""
        words = [query] if query.startswith('"') else query.split()
        command = [sys.executable, "-m", "opentr_pipeline.cli.app", "search", *words]
        environ = {**os.environ, "OUTPUT_DIR": str(self.index.store.root)}
        done = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE)
        return done.stdout.count(b"\n")

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return self.index.size_bytes


class Fts:
    """SQLite's engine by itself, a row for each segment."""

    tokenizer = "unicode61"

    def __init__(self, store: TranscriptStore, folder: Path) -> None:
        """An empty table."""
        self.store, self.path = store, folder / f"{self.name}.sqlite"
        self.database = sqlite3.connect(self.path, isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute(
            f"CREATE VIRTUAL TABLE said USING fts5(text, content='', tokenize='{self.tokenizer}')"
        )

    @property
    def name(self) -> str:
        """As the table shows it."""
        return f"fts5 {self.tokenizer}"

    def add(self, key: str) -> None:
        """Index a partition."""
        self.database.execute("BEGIN")
        for text in texts_of(self.store, key):
            self.database.execute("INSERT INTO said(text) VALUES (?)", (self.prepared(text),))
        self.database.execute("COMMIT")

    def prepared(self, text: str) -> str:
        """What is indexed of a text."""
        return " ".join(indexed(tokens_of(text)))

    def matched(self, query: str) -> str:
        """The query as the engine takes it."""
        return " AND ".join(map(index_query, terms_of(query)))

    def ask(self, query: str) -> int:
        """The best rows."""
        sql = f"SELECT rowid FROM said WHERE said MATCH ? ORDER BY rank LIMIT {LIMIT}"
        return len(self.database.execute(sql, (self.matched(query),)).fetchall())

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.path.stat().st_size


class Trigram(Fts):
    """The same with three letters to a token: fewer than three cannot be looked for."""

    tokenizer = "trigram"

    def prepared(self, text: str) -> str:
        """The text itself."""
        return text

    def matched(self, query: str) -> str:
        """Words as parts of words."""
        words = [query] if query.startswith('"') else query.split()
        return " AND ".join('"' + word.strip('"*') + '"' for word in words)


class Tantivy:
    """Tantivy by itself, a document for each segment, with positions, split at spaces."""

    name = "tantivy"

    def __init__(self, store: TranscriptStore, folder: Path) -> None:
        """An empty index."""
        import tantivy

        self.tantivy, self.store, self.folder = tantivy, store, folder / self.name
        self.folder.mkdir()
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("text", stored=False, tokenizer_name="whitespace")
        self.schema = schema.build()
        self.index = tantivy.Index(self.schema, path=str(self.folder))

    def add(self, key: str) -> None:
        """Index a partition."""
        writer = self.index.writer(heap_size=200_000_000, num_threads=1)
        for text in texts_of(self.store, key):
            writer.add_document(self.tantivy.Document(text=" ".join(indexed(tokens_of(text)))))
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()

    def ask(self, query: str) -> int:
        """The best documents."""
        parts = []
        for term in terms_of(query):
            quoted = index_query(term)
            words = quoted.strip('"*').split()
            if quoted.endswith("*"):
                part = self.tantivy.Query.regex_query(self.schema, "text", f"{words[0]}.*")
            elif len(words) == 1:
                part = self.tantivy.Query.term_query(self.schema, "text", words[0])
            else:
                part = self.tantivy.Query.phrase_query(self.schema, "text", words)
            parts.append((self.tantivy.Occur.Must, part))
        asked = self.tantivy.Query.boolean_query(parts)
        return len(self.index.searcher().search(asked, LIMIT, count=False).hits)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


CANDIDATES: dict[str, Callable[[TranscriptStore, Path], Any]] = {
    "ours": Ours,
    "unicode61": Fts,
    "trigram": Trigram,
    "tantivy": Tantivy,
}


def texts_of(store: TranscriptStore, key: str) -> Iterator[str]:
    """The segments of a partition."""
    yield from store.read_partition("segments", key)["text"].to_pylist()


def measure(
    name: str, store: TranscriptStore, keys: list[str], queries: dict[str, list[str]]
) -> Figures:
    """Build, add a partition, ask."""
    with tempfile.TemporaryDirectory(dir=store.root) as folder:
        made = CANDIDATES[name](store, Path(folder))
        took = []
        for key in keys:
            started = time.monotonic()
            made.add(key)
            took.append(time.monotonic() - started)
        query_ms = {kind: timed(made.ask, asked) for kind, asked in queries.items()}
        command_ms = {}
        if isinstance(made, Ours):
            for kind, asked in queries.items():
                command_ms[kind] = timed(made.command, asked[:NUM_COMMANDS])
            made.wanted = Wanted(folder=keys[-1], language="en")
            for kind in ("word, common", "word, usual"):
                query_ms[f"{kind}, narrowed"] = timed(made.ask, queries[kind])
        return Figures(
            made.name, len(keys) * HOURS_OF_PARTITION, round(sum(took), 1),
            round(took[-1], 2), made.size_bytes, query_ms, command_ms,
        )  # fmt: skip


def timed(ask: Callable[[str], int], queries: list[str]) -> tuple[float, float]:
    """Median and 95 % of the milliseconds that queries take."""
    times = []
    for query in queries:
        started = time.monotonic()
        ask(query)
        times.append(1000 * (time.monotonic() - started))
    median, slow = np.percentile(times, [50, 95]).round(1).tolist()
    return median, slow


def show(rows: list[Figures]) -> None:
    """A table."""
    for row in rows:
        print(
            f"\n{row.name}, {row.hours} h: built in {row.build_s} s, the last partition of "
            f"{HOURS_OF_PARTITION} h in {row.update_s} s, {row.size_bytes / 1e6:.0f} MB"
        )
        for kind, (median, slow) in row.query_ms.items():
            print(f"    {kind:22} p50 {median:9.1f} ms   p95 {slow:9.1f} ms")
        for kind, (median, slow) in row.command_ms.items():
            print(f"    opentr search, {kind:22} p50 {median:7.1f} ms   p95 {slow:7.1f} ms")


def main() -> None:
    """Measure the candidates one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=1000)
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    facts = machine.facts()
    print(facts)
    with tempfile.TemporaryDirectory() as folder:
        store, speech, rows = TranscriptStore(Path(folder)), Speech(), []
        keys = [f"part{n:04d}" for n in range(arguments.hours // HOURS_OF_PARTITION)]
        for key in keys:
            write_partition(store, key, speech)
        chinese = list(texts_of(store, keys[0]))[:SEGMENTS_OF_HOUR]
        spaced = list(texts_of(store, keys[-1]))[SEGMENTS_OF_HOUR:]
        queries = speech.queries(spaced, chinese)
        for name in arguments.candidates:
            rows.append(measure(name, store, keys, queries))
            show(rows[-1:])
        if arguments.json:
            made = {**facts, "candidates": [dataclasses.asdict(row) for row in rows]}
            arguments.json.write_text(json.dumps(made, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
