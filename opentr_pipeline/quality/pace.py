"""What people who run an archive ask: how fast, until when.

Speed is seconds of audio in a second of the clock, all worker slots together, idle time left out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from opentr_pipeline.planning.backlog import RecordingWork, by_content
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.store import TranscriptStore

# Between two outcomes further apart nothing ran, unless the second one took so long.
MAX_PAUSE = timedelta(minutes=1)
LATELY = timedelta(hours=6)
NOW = timedelta(minutes=15)
MIN_MEASURED_S = 60.0
# Unpublished outcomes to read for a speed: enough for a steady one, in well under a second.
MAX_UNPUBLISHED = 200
FIRST = datetime.fromtimestamp(0, UTC)
NUM_HOURS = 24
NUM_DAYS = 14


@dataclass(frozen=True)
class Finished:
    """The outcome of one content, however many recordings it stands for."""

    at: datetime
    audio_s: float
    wall_s: float


@dataclass(frozen=True)
class Pace:
    """How much was transcribed in some time.

    Attributes:
        busy_s: of the clock, idle time left out.
        speed_x: None where nothing was measured.
    """

    num_recordings: int
    audio_s: float
    busy_s: float
    speed_x: float | None


@dataclass(frozen=True)
class Period:
    """The pace of an hour or a day of local time, which begins then (ISO 8601)."""

    begins: str
    pace: Pace


@dataclass(frozen=True)
class Eta:
    """What is left to do, and until when.

    Attributes:
        num_pending: recordings that the next runs take by themselves.
        pending_audio_s: theirs, less what is kept of it already.
        num_given_up: failed too often; ``retry-failed`` takes them.
        num_unprobed: media files of unknown length that nothing has looked into.
        lately: what the speed is measured on.
        left_s: of the clock, from now; None where no speed was measured.
        done_at: ISO 8601, if it works without a pause; None likewise.
    """

    num_pending: int
    pending_audio_s: float
    num_given_up: int
    num_unprobed: int
    num_worker_slots: int
    lately: Pace
    left_s: float | None
    done_at: str | None


def finished(store: TranscriptStore, since: datetime = FIRST, /, **like: str) -> list[Finished]:
    """All that is published, each content once, in order of time.

    Args:
        store: the tables.
        since: what was finished earlier may be left out.
        like: values of columns of ``transcripts``; other rows are left out.
    """
    columns = ["media_fingerprint", "transcribed_at", "duration_s", "wall_s"]
    return each_once(
        (
            row["media_fingerprint"],
            Finished(row["transcribed_at"], row["duration_s"] or 0.0, row["wall_s"] or 0.0),
        )
        for row in store.read("transcripts", [*columns, *like], since.timestamp()).to_pylist()
        if all(row[name] == value for name, value in like.items())
    )


def each_once(outcomes: Iterable[tuple[str, Finished]]) -> list[Finished]:
    """Outcomes with their media fingerprints, in order of time; copies of one count once."""
    once = {(media_fingerprint, one.at): one for media_fingerprint, one in outcomes}
    return sorted(once.values(), key=lambda one: one.at)


def just_finished(store: TranscriptStore, since: datetime) -> list[Finished]:
    """The same since then, with what is not published yet, and long recordings as far as heard."""
    checkpoints = Checkpoints(store.inner, store.database)
    kept = checkpoints.newest(MAX_UNPUBLISHED)
    unpublished = [
        Finished(datetime.fromisoformat(one.transcribed_at), one.duration_s, one.wall_s)
        for one in kept
    ]
    unpublished += (Finished(*one) for one in checkpoints.under_way(since))
    if len(kept) == MAX_UNPUBLISHED:  # there are more; they and what was before are a gap
        return sorted(unpublished, key=lambda one: one.at)
    both = [one for one in (*finished(store, since), *unpublished) if one.at >= since]
    return sorted(both, key=lambda one: one.at)


def pace(outcomes: Sequence[Finished], busy_s: Sequence[float] | None = None) -> Pace:
    """The pace of some outcomes.

    Args:
        outcomes: in order of time.
        busy_s: of each, where it was worked out over more of them.
    """
    sum_s = sum(one.audio_s for one in outcomes)
    sum_busy_s = sum(busy(outcomes) if busy_s is None else busy_s)
    speed_x = sum_s / sum_busy_s if sum_busy_s and sum_s else None
    return Pace(len(outcomes), sum_s, sum_busy_s, speed_x)


def busy(outcomes: Sequence[Finished]) -> list[float]:
    """Seconds that led to each outcome: since the one before, or its own after a pause.

    Args:
        outcomes: in order of time.
    """
    seconds = []
    before: datetime | None = None
    for one in outcomes:
        since_s = (one.at - before).total_seconds() if before else one.wall_s
        is_after_pause = since_s > max(one.wall_s, MAX_PAUSE.total_seconds())
        seconds.append(one.wall_s if is_after_pause else since_s)
        before = one.at
    return seconds


def throughput(outcomes: Sequence[Finished], now: datetime) -> tuple[list[Period], list[Period]]:
    """The pace of the last hours and of the last days, the newest last.

    Args:
        outcomes: in order of time.
        now: with the time zone whose hours and days are meant.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    hours = [hour - timedelta(hours=number) for number in range(NUM_HOURS)]
    days = [day - timedelta(days=number) for number in range(NUM_DAYS)]
    return _periods(outcomes, hours[::-1]), _periods(outcomes, days[::-1])


def days_of_work(outcomes: Sequence[Finished]) -> list[Period]:
    """The pace of each day of local time on which something was finished, the newest last."""
    days = sorted({one.at.astimezone().date() for one in outcomes})
    return _periods(outcomes, [datetime.combine(day, time()).astimezone() for day in days])


def _periods(outcomes: Sequence[Finished], begins: Sequence[datetime]) -> list[Period]:
    groups: list[list[tuple[Finished, float]]] = [[] for _ in begins]
    for one, busy_s in zip(outcomes, busy(outcomes), strict=True):
        number = bisect_right(begins, one.at) - 1
        if number >= 0:
            groups[number].append((one, busy_s))
    return [
        Period(begin.isoformat(), pace([one for one, _ in group], [busy_s for _, busy_s in group]))
        for begin, group in zip(begins, groups, strict=True)
    ]


def eta(
    all_work: Sequence[RecordingWork], num_unprobed: int, store: TranscriptStore, num_slots: int
) -> Eta:
    """What is left to do and until when, by the speed of late."""
    now = datetime.now(UTC)
    lately = _lately(just_finished(store, now - LATELY), now)
    pending, pending_audio_s = still_pending(all_work, Checkpoints(store.inner, store.database))
    left_s = pending_audio_s / lately.speed_x if lately.speed_x else None
    if not pending:
        left_s = 0.0
    done_at = None
    if left_s is not None:
        done_at = (now + timedelta(seconds=left_s)).astimezone().isoformat(timespec="seconds")
    given_up = sum(one.state == "failed" and not one.is_pending for one in all_work)
    return Eta(
        len(pending), pending_audio_s, given_up, num_unprobed, num_slots, lately, left_s, done_at
    )


def _lately(outcomes: Sequence[Finished], now: datetime) -> Pace:
    """The pace of the last minutes, if that is a measure, else that of the last hours.

    Hours ago there may have been fewer worker slots, or another model.
    """
    busy_s = busy(outcomes)
    first = bisect_left(outcomes, now - NOW, key=lambda one: one.at)
    recent = pace(outcomes[first:], busy_s[first:])
    return recent if recent.busy_s >= MIN_MEASURED_S else pace(outcomes, busy_s)


def still_pending(
    all_work: Iterable[RecordingWork], checkpoints: Checkpoints
) -> tuple[list[RecordingWork], float]:
    """The pending recordings that have no outcome yet, and the seconds of audio left to hear.

    Bytes that several recordings share are heard once.
    """
    groups = by_content(one for one in all_work if one.is_pending)
    for content in groups.keys() & checkpoints.listed("json"):
        del groups[content]
    left_s = sum(group[0].audio_s for group in groups.values())
    under_way = groups.keys() & checkpoints.listed("heard")
    left_s -= sum(map(checkpoints.reached_s, under_way))
    return [one for group in groups.values() for one in group], max(0.0, left_s)
