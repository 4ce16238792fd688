"""What the report of a large archive costs: the first time, again, and after one partition changed.

    python -m benchmarks.report --recordings 100000 --partitions 10000
    python -m benchmarks.report --recordings 2000 --partitions 80 --keep /tmp/archive

The archive is made of files of a few bytes, all probed and transcribed as far as anybody can tell;
a recording has 100 words by default. Some are copies, some silent, doubtful or broken; three in a
hundred have references. ``--keep`` leaves archive, output and report in a folder, to be looked at.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import machine
from benchmarks.uploads import in_process_of_its_own
from opentr_pipeline.archive.media_files import MediaFile, scan
from opentr_pipeline.archive.recordings import ProbeMemory
from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.devices.usage import peak_memory_bytes
from opentr_pipeline.pages.lists import FOLDER as PAGES
from opentr_pipeline.pages.lists import REPORT_PAGE
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.report import page
from opentr_pipeline.report.facts import report_facts
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.transcripts.schemas import SCHEMAS
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.table_files import write_table

FOLDERS = (
    "Oral history of the river towns, collected between the wars",
    "广播电台录音 1958–1964",
    "أرشيف الإذاعة الوطنية",
    "הקלטות מהקיבוץ",
    "ラジオ放送",
    "Сельские песни",
    "बोलियाँ",
    "เรื่องเล่าพื้นบ้าน",
    "Entrevistas",
    "Français & créole <1971>",
    "$tudio_$ession_$",
    "a" * 80,
    *(f"tapes {number:02}" for number in range(28)),
)
LANGUAGES, LANGUAGE_SHARES = ("en", "zh", "ar", "es", "fr", "ru"), (0.4, 0.2, 0.15, 0.1, 0.1, 0.05)
STATUSES = ("ok", "suspect", "no_speech", "truncated", "corrupt", "unsupported", "failed")
STATUS_SHARES = (0.86, 0.05, 0.04, 0.02, 0.01, 0.01, 0.01)
REASONS = {
    "corrupt": "FFmpeg's libraries cannot open the file: Invalid data found when processing input.",
    "unsupported": "The file has no audio stream.",
    "failed": "The step died 3 times while it worked on this recording.",
    "truncated": "1200 packets could not be decoded.",
}
VOCABULARY = np.array([a + b + c for a in "bdklmnrst" for b in "aeiou" for c in "dlmnrst"])
WORD_S = 0.4
WORDS_OF_SEGMENT = 20
BEGAN_AT = datetime(2026, 9, 1, 8, tzinfo=UTC)
OPTIONS = TranscriptionOptions("base", "0" * 64, "int8", "auto", "transcribe", 5)


@dataclass(frozen=True)
class Cost:
    """What one report took.

    Attributes:
        cpu_s: of all threads; the same on a machine that has other things to do.
        rss_bytes: the process's peak resident memory.
    """

    wall_s: float
    cpu_s: float
    rss_bytes: int


@dataclass(frozen=True)
class Figures:
    """What the reports took."""

    first: Cost
    again: Cost
    one_changed: Cost
    report_bytes: int


def main() -> None:
    """Make the archive, then the report three times, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=100, help="of a recording, on average")
    parser.add_argument("--keep", type=Path, help="a new folder for archive and output")
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args()
    facts = machine.facts()
    with tempfile.TemporaryDirectory() as passing:
        folder = asked.keep or Path(passing)
        settings = settings_of(folder)
        started = time.monotonic()
        make(settings, asked.recordings, asked.partitions, asked.words)
        print(f"made in {time.monotonic() - started:.0f} s", flush=True)
        figures = measure(settings, asked.words)
    print(json.dumps({"machine": facts, **vars(asked), **asdict(figures)}, indent=1, default=str))
    if asked.json:
        asked.json.write_text(json.dumps({"machine": facts, **asdict(figures)}, indent=1))


def settings_of(folder: Path) -> Settings:
    """An archive with output and state below one folder."""
    names = {"ARCHIVE_DIR": "archive", "OUTPUT_DIR": "output", "OPENTR_HOME": "state"}
    variables = {name: str(folder / place) for name, place in names.items()}
    return load_settings({**variables, "PARTITION_DEPTH": "2"}, None)


def measure(settings: Settings, num_words: int) -> Figures:
    """The report, the report again, and once more after a partition was transcribed anew."""
    first = in_process_of_its_own(make_report, settings)
    again = in_process_of_its_own(make_report, settings)
    key, group = next(
        iter(
            Setup(settings)
            .partitioning.groups(scan(settings.workspace.archive).media_files)
            .items()
        )
    )
    write_partition(settings, key, group, num_words, 1)
    changed = in_process_of_its_own(make_report, settings)
    size_bytes = (settings.workspace.output / PAGES / REPORT_PAGE).stat().st_size
    return Figures(first, again, changed, size_bytes)


def make_report(settings: Settings) -> Cost:
    """Do what the command does."""
    started, cpu_before_s = time.monotonic(), time.process_time()
    facts = report_facts(settings)
    page.write(facts, settings)
    wall_s, cpu_s = time.monotonic() - started, time.process_time() - cpu_before_s
    return Cost(wall_s, cpu_s, peak_memory_bytes())


def make(settings: Settings, num_recordings: int, num_partitions: int, num_words: int) -> None:
    """An archive of folders of any name, its probes and its tables."""
    for number in range(num_recordings):
        place = number % num_partitions
        folder = settings.workspace.archive / FOLDERS[place % len(FOLDERS)] / f"{place:05}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"recording {number:07}.wav").write_bytes(b"RIFF")
    found = scan(settings.workspace.archive)
    probe = Probe(duration_s=num_words * WORD_S)
    ProbeMemory(settings.workspace.probe_memory).remember_all(
        (one, digest(one), probe) for one in found.media_files
    )
    for number, (key, group) in enumerate(
        Setup(settings).partitioning.groups(found.media_files).items()
    ):
        write_partition(settings, key, group, num_words, number)


def digest(media_file: MediaFile) -> str:
    """Stands for the digest of the bytes; one file in a hundred has that of some others."""
    number = int(media_file.recording_id[:8], 16)
    return f"{number % 50:064}" if number % 100 == 0 else media_file.recording_id * 2


def write_partition(
    settings: Settings, key: str, group: list[MediaFile], num_words: int, seed: int
) -> None:
    """The four tables of a partition, and some references beside its media."""
    random = np.random.default_rng(seed)
    store = TranscriptStore(settings.workspace.output)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    parts = [SCHEMAS["words"].empty_table()]
    for one in group:
        label = {"recording_id": one.recording_id, "partition_key": key, "path": one.path}
        status = str(random.choice(STATUSES, p=STATUS_SHARES))
        num = int(random.integers(1, 2 * num_words)) if status not in STATUSES[4:] else 0
        words = words_of(label, num, random)
        parts.append(words)
        rows["recordings"].append(
            {**label, "in_archive": True, "media_fingerprint": digest(one), "status": "ok",
             "size_bytes": int(random.integers(1e6, 1e8)), "duration_s": num_words * WORD_S}
        )  # fmt: skip
        text = "".join(words["text"].to_pylist())
        rows["transcripts"].append(transcript_of(label, status, text, num, random))
        for place in range(-(-num // WORDS_OF_SEGMENT)):
            flags = ["low_confidence"] if status == "suspect" and random.random() < 0.4 else []
            times = {"start_s": place * WORDS_OF_SEGMENT * WORD_S, "segment_index": place}
            end_s = min((place + 1) * WORDS_OF_SEGMENT, num) * WORD_S
            rows["segments"].append({**label, **times, "end_s": end_s, "flags": flags})
        if num and random.random() < 0.03:
            is_wrong = random.random(num) < random.beta(1, 10)
            said = np.where(is_wrong, "other", text.split())
            media = settings.workspace.archive / one.path
            media.with_suffix(".reference.txt").write_text(" ".join(said), encoding="utf-8")
    for table in SCHEMAS:
        made = pa.Table.from_pylist(rows[table], SCHEMAS[table])
        path = store.path(table, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, pa.concat_tables(parts) if table == "words" else made)


def transcript_of(
    label: dict[str, str], status: str, text: str, num_words: int, random: np.random.Generator
) -> dict[str, Any]:
    """A row of ``transcripts``; work went on for some weeks."""
    length_s = num_words * WORD_S
    at = BEGAN_AT + timedelta(days=int(random.integers(0, 40)), seconds=random.random() * 30_000)
    return {
        **label,
        "media_fingerprint": label["recording_id"] * 2,
        "settings_fingerprint": OPTIONS.settings_fingerprint,
        "status": status,
        "reason": REASONS.get(status, ""),
        "flags": ["low_confidence"] if status == "suspect" else [],
        "language": str(random.choice(LANGUAGES, p=LANGUAGE_SHARES)) if num_words else "",
        "model": "base" if num_words else "",
        "compute_type": "int8",
        "task": "transcribe",
        "duration_s": length_s,
        "speech_s": length_s * random.uniform(0.6, 1.0),
        "wall_s": length_s / random.uniform(15, 30),
        "transcribed_at": at,
        "num_attempts": 3 if status == "failed" else 1,
        "num_segments": -(-num_words // WORDS_OF_SEGMENT),
        "num_words": num_words,
        "text": text,
    }


def words_of(label: dict[str, str], num: int, random: np.random.Generator) -> pa.Table:
    """The words of a recording, most of them sure."""
    start_s = np.arange(num) * WORD_S
    quality = random.uniform(2, 12)
    columns = {
        "recording_id": [label["recording_id"]] * num,
        "partition_key": [label["partition_key"]] * num,
        "segment_index": np.arange(num) // WORDS_OF_SEGMENT,
        "word_index": np.arange(num) % WORDS_OF_SEGMENT,
        "channel": [None] * num,
        "text": [f" {word}" for word in random.choice(VOCABULARY, num)],
        "start_s": start_s,
        "end_s": start_s + WORD_S,
        "probability": random.beta(quality, 1, num),
    }
    schema = SCHEMAS["words"]
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


if __name__ == "__main__":
    main()
