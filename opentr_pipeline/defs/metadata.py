"""What a materialisation tells on the page; numbers keep their key and type, so that they plot."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from dagster import MetadataValue, TableRecord

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.planning.plan import Plan
from opentr_pipeline.quality.partition_facts import mean_confidence
from opentr_pipeline.quality.problems import ErrorClass
from opentr_pipeline.quality.totals import DoubtfulRecording
from opentr_pipeline.report.charts import charts
from opentr_pipeline.report.facts import ReportFacts
from opentr_pipeline.report.page import MAX_NAMED
from opentr_pipeline.steps.figures import StepFigures
from opentr_pipeline.steps.hearing import HearingOutcome
from opentr_pipeline.steps.outcome import ShardOutcome
from opentr_pipeline.transcripts.layout import TRANSCRIPT_TABLES
from opentr_pipeline.transcripts.store import TranscriptStore

Metadata = dict[str, Any]
_SPEECH = "recording_id speaker speech_s name".split()


def of_recordings(
    key: str, found: Sequence[Recording], store: TranscriptStore, wall_s: float
) -> Metadata:
    """For a partition of ``recordings``.

    Args:
        key: the partition.
        found: its media files.
        store: where the rows are.
        wall_s: time that probing all partitions of the run took.
    """
    return {
        "num_recordings": len(found),
        **_by_status(recording.probe.status for recording in found),
        **_audio(recording.probe.duration_s for recording in found),
        "size_bytes": sum(recording.media_file.size_bytes for recording in found),
        "wall_s": round(wall_s, 3),
        "path": MetadataValue.path(str(store.path("recordings", key))),
        "dagster/partition_row_count": len(found),
    }


def of_shard(
    outcome: ShardOutcome, figures: StepFigures, leased_at: float, released_at: float
) -> Metadata:
    """For a transcription step.

    Args:
        outcome: what became of the shard.
        figures: what the step measured of itself.
        leased_at: it held its worker slot from then, seconds since 1970.
        released_at: until then.
    """
    return {
        **figures.as_metadata(),
        "leased_at": MetadataValue.float(leased_at),
        "released_at": MetadataValue.float(released_at),
        **_by_status(outcome.num_by_status.elements()),
        "num_found_done": outcome.num_found_done,
        "speed_x": round(outcome.speed_x, 2),
    }


def of_transcripts(plan: Plan, store: TranscriptStore, verdict: str) -> dict[str, Metadata]:
    """For each partition of ``transcripts`` in a run.

    Args:
        plan: of the run.
        store: the tables.
        verdict: what limited the run; may be empty.
    """
    facts = {}
    for key in plan.partitions:
        tables = {table: store.read_partition(table, key) for table in TRANSCRIPT_TABLES}
        facts[key] = {
            **_of_rows(tables["transcripts"].to_pylist()),
            **_confidence(mean_confidence(tables["words"], tables["transcripts"])),
            **({"verdict": verdict} if verdict else {}),
            **{f"num_{table}": rows.num_rows for table, rows in tables.items()},
            "settings_fingerprint": ", ".join(plan.fingerprints[key]),
            "paths": MetadataValue.json([str(store.path(table, key)) for table in tables]),
            "dagster/partition_row_count": tables["transcripts"].num_rows,
        }
    return facts


def of_hearing(outcome: HearingOutcome) -> Metadata:
    """For a step that tells speakers apart."""
    return {
        "num_heard": outcome.num_heard,
        "num_found_done": outcome.num_found_done,
        "audio_s": round(outcome.audio_s, 3),
        "wall_s": round(outcome.wall_s, 3),
        "speed_x": round(outcome.speed_x, 2),
    }


def of_speakers(keys: Iterable[str], store: TranscriptStore) -> dict[str, Metadata]:
    """For each of some partitions of ``speakers``."""
    facts = {}
    for key in keys:
        tables = store.read_together(key)
        told = [row for row in tables["transcripts"].to_pylist() if row["speakers_fingerprint"]]
        paths = {row["recording_id"]: row["path"] for row in told}
        voices = tables["speakers"].select(_SPEECH).to_pylist()
        voices.sort(key=lambda row: -row["speech_s"])
        records = [
            TableRecord(
                {
                    "recording": paths[row["recording_id"]],
                    "speaker": row["name"] or row["speaker"],
                    "speech_s": round(row["speech_s"], 1),
                }
            )
            for row in voices[:MAX_NAMED]
        ]
        facts[key] = {
            "num_recordings": len(told),
            "num_not_told_apart": sum(bool(row["speakers_reason"]) for row in told),
            "num_turns": tables["turns"].num_rows,
            "num_speakers": tables["speakers"].num_rows,
            "speech_s": round(sum(row["speech_s"] for row in voices), 3),
            **({"speech_by_speaker": MetadataValue.table(records)} if records else {}),
            "dagster/partition_row_count": tables["speakers"].num_rows,
        }
    return facts


def of_report(facts: ReportFacts) -> Metadata:
    """For ``archive_report``."""
    tables = {
        "to_check_first": [_of_doubtful(one) for one in facts.doubtful],
        "failures": [_of_failures(one) for one in facts.failures[:MAX_NAMED]],
    }
    return {
        **facts.numbers,
        **{name: MetadataValue.table(rows) for name, rows in tables.items() if rows},
        **{name: MetadataValue.md(chart.markdown()) for name, chart in charts(facts).items()},
    }


def _of_doubtful(one: DoubtfulRecording) -> TableRecord:
    return TableRecord(
        {
            "recording": one.path,
            "partition": one.partition_key,
            "doubtful_s": round(one.doubtful_s, 1),
            "duration_s": round(one.duration_s, 1),
            "first_doubtful_s": round(one.first_doubtful_s, 1),
            "mean_confidence": round(one.mean_confidence or 0.0, 3),
            "flags": ", ".join(one.flags),
        }
    )


def _of_failures(one: ErrorClass) -> TableRecord:
    return TableRecord(
        {
            "status": one.status,
            "num_recordings": one.num_recordings,
            "what": one.kind,
            "what_to_do": one.remedy,
            "first": one.files[0].path,
        }
    )


def _of_rows(rows: Sequence[dict[str, Any]]) -> Metadata:
    audio = _audio(row["duration_s"] for row in rows)
    wall_s = sum(row["wall_s"] or 0.0 for row in rows)
    spoken = [row for row in rows if row["language"]]
    languages = Counter(row["language"] for row in spoken)
    models = {row["model"] for row in rows if row["model"]}
    return {
        **_by_status(row["status"] for row in rows),
        **audio,
        "wall_s": round(wall_s, 3),
        "speed_x": round(audio["audio_s"] / wall_s, 2) if wall_s else 0.0,
        "languages": MetadataValue.json(dict(languages.most_common())),
        **{
            f"audio_h_{language}": _audio(
                row["duration_s"] for row in spoken if row["language"] == language
            )["audio_h"]
            for language in languages
        },
        "model": ", ".join(sorted(models)) or "none",
    }


def _audio(durations_s: Iterable[float | None]) -> Metadata:
    audio_s = sum((duration_s or 0.0 for duration_s in durations_s), 0.0)
    return {"audio_s": round(audio_s, 3), "audio_h": round(audio_s / 3600, 5)}


def _confidence(mean: float | None) -> Metadata:
    """Left out where there are no words: a zero would plot as the worst."""
    return {} if mean is None else {"mean_confidence": round(mean, 4)}


def _by_status(statuses: Any) -> Metadata:
    """``num_ok`` and its like; ``num_failed`` always, because it is what one plots."""
    counts = {"failed": 0, **Counter(statuses)}
    return {f"num_{status}": count for status, count in counts.items()}
