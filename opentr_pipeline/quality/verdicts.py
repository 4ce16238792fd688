"""Whether what should hold for all transcripts does: verdicts over facts; pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from opentr_pipeline.quality.archive_facts import ArchiveFacts, PartitionFacts
from opentr_pipeline.quality.partition_facts import SPEED_STEP, SpeedFacts, Trouble

Row = dict[str, str | int | float | None]
MAX_ROWS = 20
# Of the seconds, not of the segments: a loop is long, and what counts is how much reads wrong.
MAX_DOUBTFUL_SHARE = 0.05
# A share of less than ten minutes speaks about a recording, not about a partition.
ENOUGH_S = 600.0
MIN_SPEED_RATIO = 0.5
# A slow week is told as long as one can still find out why.
RECENT_S = 7 * 86_400.0
# Clear speech has 2 to 20 %, by model and language; a third wrong is not what was said any more.
MAX_WORD_ERROR_RATE = 0.30


@dataclass(frozen=True)
class Verdict:
    """Whether a check holds, and what a person needs to see about it.

    Attributes:
        sentence: what was found.
        numbers: by name; a name keeps its type.
        rows: what is in trouble, worst first, at most ``MAX_ROWS``.
        severity: of a check that does not hold.
    """

    passed: bool
    sentence: str
    numbers: dict[str, int | float]
    rows: list[Row] = field(default_factory=list)
    severity: Literal["ERROR", "WARN"] = "WARN"


def every_recording_is_accounted_for(facts: ArchiveFacts) -> Verdict:
    """Whether published partitions have lost nothing; what waits for a run is known, and named."""
    lost = _named(facts, lambda one: one.published.lost)
    missing = _named(facts, lambda one: one.archive_rows.missing)
    changed: list[Row] = [
        {"partition": one.partition_key, "recording": path, "what": "the file is another since"}
        for one in facts.partitions
        for path, media_fingerprint in one.archive_rows.changed
        if media_fingerprint not in facts.failures
    ]
    num_lost = sum(one.published.lost.num for one in facts.partitions)
    num_missing = sum(one.archive_rows.missing.num for one in facts.partitions)
    num_recordings = sum(one.archive_rows.num_in_archive for one in facts.partitions)
    broken: list[Row] = [
        {"partition": key, "recording": "", "what": problem}
        for key, problem in facts.unreadable.items()
    ]
    num_waiting = num_missing + len(changed)
    if num_lost or broken:
        sentence = f"{num_lost} recordings have lost rows, {len(broken)} partitions are unreadable."
    else:
        sentence = f"{num_recordings - num_waiting} of {num_recordings} recordings have an outcome."
    if num_waiting:
        sentence += f" {num_waiting} wait for a run."
    if facts.num_unpublished:
        sentence += f" {facts.num_unpublished} partitions have no transcripts yet."
    return Verdict(
        not (num_lost or broken),
        sentence,
        {
            "num_recordings": num_recordings,
            "num_lost": num_lost,
            "num_missing": num_missing,
            "num_changed": len(changed),
            "num_partitions": len(facts.partitions),
            "num_partitions_unreadable": len(broken),
            "num_partitions_not_published": facts.num_unpublished,
        },
        [*broken, *lost, *missing, *changed][:MAX_ROWS],
        "ERROR",
    )


def _named(facts: ArchiveFacts, trouble: Callable[[PartitionFacts], Trouble]) -> list[Row]:
    return [
        {"partition": one.partition_key, "recording": name, "what": what}
        for one in facts.partitions
        for name, what in trouble(one).names
    ]


def segments_are_ordered_and_inside_the_media(facts: ArchiveFacts) -> Verdict:
    """Whether all times run forward and lie within the sound that was decoded."""
    num_misplaced = sum(one.published.misplaced.num for one in facts.partitions)
    num_segments = sum(one.published.num_segments for one in facts.partitions)
    return Verdict(
        not num_misplaced,
        f"{num_misplaced} recordings have times out of order or outside the media."
        if num_misplaced
        else f"All {num_segments} segments and their words are in order and inside the media.",
        {"num_segments": num_segments, "num_recordings_misplaced": num_misplaced},
        _named(facts, lambda one: one.published.misplaced)[:MAX_ROWS],
        "ERROR",
    )


def loops_and_low_confidence_are_rare(facts: ArchiveFacts) -> Verdict:
    """Whether little is flagged, in the archive and in each partition with enough speech."""
    published = {one.partition_key: one.published for one in facts.partitions}
    shares = {
        key: one.doubtful_s / one.segments_s
        for key, one in published.items()
        if one.segments_s >= ENOUGH_S
    }
    segments_s = sum((one.segments_s for one in published.values()), 0.0)
    doubtful_s = sum((one.doubtful_s for one in published.values()), 0.0)
    share = doubtful_s / segments_s if segments_s else 0.0
    bad = sorted(
        (key for key in shares if shares[key] > MAX_DOUBTFUL_SHARE), key=lambda key: -shares[key]
    )
    rows: list[Row] = [
        {
            "partition": key,
            "doubtful_share": round(shares[key], 4),
            "doubtful_s": round(published[key].doubtful_s, 1),
        }
        for key in bad[:MAX_ROWS]
    ]
    said = f"{share:.1%} of the speech is flagged as loop or low confidence"
    return Verdict(
        not bad and share <= MAX_DOUBTFUL_SHARE,
        f"{said}; in {len(bad)} partitions it is over {MAX_DOUBTFUL_SHARE:.0%}."
        if bad
        else f"{said}.",
        {
            "doubtful_share": share,
            "doubtful_s": doubtful_s,
            "segments_s": segments_s,
            "num_partitions_over": len(bad),
        },
        rows,
    )


def speed_is_not_below_half_of_usual(facts: ArchiveFacts) -> Verdict:
    """Whether what was transcribed lately went about as fast as everything else did."""
    by_engine: dict[tuple[str, str], list[tuple[PartitionFacts, SpeedFacts]]] = defaultdict(list)
    for one in facts.partitions:
        for speed in one.published.speeds:
            by_engine[speed.model, speed.compute_type].append((one, speed))
    newest = max((one.published.latest_at for one in facts.partitions), default=0.0)
    judged = [
        row for pairs in by_engine.values() for row in _compared_speeds(pairs, newest - RECENT_S)
    ]
    judged.sort(key=lambda pair: pair[0])
    slow = [row for ratio, row in judged if ratio < MIN_SPEED_RATIO]
    if slow:
        sentence = f"{len(slow)} partitions went at less than half of the usual speed."
    elif judged:
        sentence = f"{len(judged)} partitions were compared; none went below half of the usual."
    else:
        sentence = "There is too little audio to compare: ten minutes lately, and ten others."
    numbers: dict[str, int | float] = {
        "num_partitions_compared": len(judged),
        "num_partitions_slow": len(slow),
    }
    if judged:
        numbers["lowest_ratio"] = judged[0][0]
    return Verdict(not slow, sentence, numbers, slow[:MAX_ROWS])


def _compared_speeds(
    pairs: Sequence[tuple[PartitionFacts, SpeedFacts]], since: float
) -> Iterator[tuple[float, Row]]:
    """The latest work of each partition with enough of it, as a share of the usual speed."""
    usual: Counter[str] = Counter()
    for _, speed in pairs:
        usual.update(speed.older)
        usual.update(speed.latest)
    for one, speed in pairs:
        if speed.latest_audio_s < ENOUGH_S or one.published.latest_at < since:
            continue
        others = {kind: audio_s - speed.latest.get(kind, 0.0) for kind, audio_s in usual.items()}
        if sum(others.values()) < ENOUGH_S:
            continue
        speed_x, usual_x = speed.latest_audio_s / speed.latest_wall_s, _median_x(others)
        row: Row = {
            "partition": one.partition_key,
            "model": speed.model,
            "compute_type": speed.compute_type,
            "speed_x": round(speed_x, 2),
            "usual_x": round(usual_x, 2),
        }
        yield speed_x / usual_x, row


def _median_x(audio_s: dict[str, float]) -> float:
    """The speed that half of some audio went below, from seconds of audio by class of speed."""
    half_s = sum(audio_s.values()) / 2
    for kind in sorted(map(int, audio_s)):
        half_s -= audio_s[str(kind)]
        if half_s <= 0:
            break
    return float(SPEED_STEP**kind)


def word_error_rate_is_low(facts: ArchiveFacts) -> Verdict:
    """Whether transcripts say what the references beside the media say."""
    all_references = [
        (one.partition_key, reference) for one in facts.partitions for reference in one.references
    ]
    compared = [(key, one) for key, one in all_references if not one.problem]
    problems = [(key, one) for key, one in all_references if one.problem]
    num_words = sum(one.num_words for _, one in compared)
    num_errors = sum(one.num_errors for _, one in compared)
    rate = num_errors / num_words if num_words else 0.0
    compared.sort(key=lambda pair: -pair[1].num_errors / pair[1].num_words)
    rows: list[Row] = [
        {
            "partition": key,
            "recording": one.path,
            "word_error_rate": round(one.num_errors / one.num_words, 4) if one.num_words else None,
            "num_words": one.num_words,
            "problem": one.problem,
        }
        # Both kinds, where there are more than the table holds.
        for key, one in [*compared[: MAX_ROWS - len(problems[:5])], *problems][:MAX_ROWS]
    ]
    num_left_out = len(problems) + facts.num_lone_references
    sentence = (
        f"{rate:.1%} of {num_words} words in {len(compared)} recordings are wrong."
        if compared
        else "No reference could be compared; put NAME.reference.txt, .srt or .vtt beside NAME."
    )
    if num_left_out:
        sentence += f" {num_left_out} references were not compared."
    return Verdict(
        rate <= MAX_WORD_ERROR_RATE,
        sentence,
        {
            "word_error_rate": rate,
            "num_words": num_words,
            "num_errors": num_errors,
            "num_recordings": len(compared),
            "num_references_not_compared": num_left_out,
        },
        rows,
    )
