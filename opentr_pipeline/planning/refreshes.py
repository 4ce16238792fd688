"""What is made from transcripts and older than they are -> few runs; pure.

Dagster numbers its events. A partition is due where transcripts have a later event than what is
made from them, and no run was asked for on that account: what fails is not repeated for ever.
"""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

from opentr_pipeline.planning.run_ranges import RunRange, grouped

# Else what is made from all partitions at once would be made anew after each upload.
WHOLE_INTERVAL_S = 3600.0
# For what a run publishes while it works: it says so again at its end, and needs the cores itself.
PATIENCE_S = 300.0
# In a run, besides what lies between them, and in the runs of a look. Dagster writes two events for
# each partition and asset, with SQLite some 50 a second, and half of them before a sensor goes on.
MAX_KEYS = 100

# Of a refresh: what is published now, what was before anybody looked, an asset without partitions.
Kind = Literal["new", "stock", "whole"]


class Asked(NamedTuple):
    """What was asked for so far.

    Attributes:
        until: this event of transcripts and those before need no run any more.
        at_s: time of the last look that asked for one, in seconds since 1970; 0: none did.
        due_at_s: since when there is more to ask for; 0: there is nothing.
    """

    until: int = 0
    at_s: float = 0.0
    due_at_s: float = 0.0


class Refresh(NamedTuple):
    """A run to be started.

    Attributes:
        kind: says what it is for.
        names: of the assets.
        keys: the partitions that it is for, in Dagster's order; what lies between them is made as
            well. Empty: it has none.
    """

    kind: Kind
    names: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def tags(self) -> dict[str, str]:
        """How Dagster is told of the partitions."""
        return RunRange(self.keys).tags if self.keys else {}


@dataclass(frozen=True)
class Memory:
    """What one look leaves to the next one.

    Attributes:
        asked: what was asked for, for each asset that anybody has looked at.
        waiting: runs to be started when those before them have ended.
    """

    asked: Mapping[str, Asked]
    waiting: Sequence[Refresh]

    def to_cursor(self) -> str:
        """It, as a text, which Dagster keeps with each tick: 34 kB where 10,000 partitions wait."""
        packed = zlib.compress(json.dumps([self.asked, self.waiting]).encode())
        return base64.b64encode(packed).decode()

    @classmethod
    def from_cursor(cls, text: str | None) -> "Memory":
        """The same again; empty where there was none, or somebody has reset it."""
        if not text:
            return cls({}, [])
        asked, waiting = json.loads(zlib.decompress(base64.b64decode(text)))
        return cls(
            {name: Asked(*numbers) for name, numbers in asked.items()},
            [Refresh(kind, tuple(names), tuple(keys)) for kind, names, keys in waiting],
        )


@dataclass(frozen=True)
class Follower:
    """An asset that is made from transcripts.

    Attributes:
        name: of the asset.
        is_whole: it has no partitions, and is made from all of them at once.
        asked: None where nobody has looked at it yet.
        made: its partitions, each with an event before which no run had read it for what there is;
            empty where ``asked`` says enough. The event that it was made says nothing: it comes
            at the end of a run, and transcripts may be published after the run has read them.
    """

    name: str
    is_whole: bool
    asked: Asked | None
    made: Mapping[str, int]

    @property
    def so_far(self) -> Asked:
        """What was asked for, or nothing."""
        return self.asked or Asked()

    @property
    def kind(self) -> Kind:
        """Of what is to be asked for now."""
        if self.is_whole:
            return "whole"
        return "stock" if self.asked is None else "new"

    def due_keys(self, published: Mapping[str, int]) -> frozenset[str]:
        """The partitions with a later event of transcripts."""
        until, made = self.so_far.until, self.made
        return frozenset(
            key for key, event in published.items() if event > max(until, made.get(key, 0))
        )

    def why_not_now(self, ahead: Collection[str], seen: "Seen") -> str:
        """Why it is not made anew now, where it is due; empty where it is.

        Args:
            ahead: kinds of what waits or works; where it is whole, of what is due as well.
            seen: what there is to be seen now.
        """
        if self.kind == "stock":  # is found once, and then waits
            return ""
        if self.kind in ahead:
            return f"{self.name} follows when the runs before have ended"
        due_s = seen.at_s - (self.so_far.due_at_s or seen.at_s)
        if self.kind == "new":
            is_early = seen.is_transcribing and due_s < PATIENCE_S
            return (
                f"{self.name} follows when the runs that transcribe have ended, or in minutes"
                * is_early
            )
        wait_s = self.so_far.at_s + WHOLE_INTERVAL_S - seen.at_s
        if wait_s > 0:
            return f"{self.name} follows in {ceil(wait_s / 60)} min (once an hour)"
        # It leads to what the others make; but where they never come to an end, it is made too.
        is_early = bool(ahead) and due_s < WHOLE_INTERVAL_S
        return f"{self.name} follows when the others have been made" * is_early


@dataclass(frozen=True)
class Look:
    """What one look comes to.

    Attributes:
        refreshes: runs to start.
        memory: for the next one.
        sentence: says it to people.
    """

    refreshes: Sequence[Refresh]
    memory: Memory
    sentence: str


@dataclass(frozen=True)
class Seen:
    """What there is to be seen at a time.

    Attributes:
        published: partitions of transcripts with the last event of each; those before all that
            was asked for may be missing.
        order: of all partition keys, as Dagster lists them.
        busy: kinds of which a run waits or works; what comes meanwhile shares the next one.
        at_s: the time, in seconds since 1970.
        is_transcribing: a run works that may publish more.
    """

    published: Mapping[str, int]
    order: Sequence[str]
    busy: Collection[str]
    at_s: float
    is_transcribing: bool = False


def due_refreshes(followers: Sequence[Follower], waiting: Sequence[Refresh], seen: Seen) -> Look:
    """Say which runs to start: few, and none of a kind of which there are any.

    Args:
        followers: how each of them stands.
        waiting: what the look before has left.
        seen: what there is to be seen now.
    """
    keys_of = {one.name: one.due_keys(seen.published) for one in followers}
    ahead = {*seen.busy, *(one.kind for one in waiting)}
    others = ahead.union(one.kind for one in followers if keys_of[one.name] and not one.is_whole)
    latest = max(seen.published.values(), default=0)
    due: dict[tuple[Kind, frozenset[str]], list[str]] = {}
    for run in waiting:  # grouped afresh: partitions may have been deleted meanwhile
        due.setdefault((run.kind, frozenset(run.keys)), []).extend(run.names)
    asked, reasons = {}, []
    for one in followers:
        keys, so_far = keys_of[one.name], one.so_far
        if why := keys and one.why_not_now(others if one.is_whole else ahead, seen):
            reasons.append(why)
            asked[one.name] = so_far._replace(due_at_s=so_far.due_at_s or seen.at_s)
            continue
        if keys:
            due.setdefault((one.kind, frozenset() if one.is_whole else keys), []).append(one.name)
        asked[one.name] = Asked(max(latest, so_far.until), seen.at_s if keys else so_far.at_s)
    starting, left = _few(_runs(due, seen.order), seen)
    return Look(starting, Memory(asked, left), _sentence(starting, len(left), reasons))


def _few(runs: Iterable[Refresh], seen: Seen) -> tuple[list[Refresh], list[Refresh]]:
    """The runs to start now, and those to start later."""
    starting: list[Refresh] = []
    left: list[Refresh] = []
    place = {key: number for number, key in enumerate(seen.order)}
    num_keys: Counter[Kind] = Counter()
    for run in runs:
        num = place[run.keys[-1]] - place[run.keys[0]] + 1 if run.keys else 0
        is_too_much = run.kind in num_keys and num_keys[run.kind] + num > MAX_KEYS
        if run.kind in seen.busy or is_too_much:
            left.append(run)
        else:
            starting.append(run)
            num_keys[run.kind] += num
    return starting, left


def _runs(
    due: Mapping[tuple[Kind, frozenset[str]], Sequence[str]], order: Sequence[str]
) -> Iterable[Refresh]:
    for (kind, keys), names in due.items():
        if not keys:
            yield Refresh(kind, tuple(names), ())
        for run_range in grouped(order, dict.fromkeys(keys, 1.0), MAX_KEYS):
            yield Refresh(kind, tuple(names), tuple(filter(keys.__contains__, run_range.keys)))


def _sentence(starting: Sequence[Refresh], num_left: int, reasons: Sequence[str]) -> str:
    names = ", ".join(dict.fromkeys(name for one in starting for name in one.names))
    if starting:
        said = f"Runs to be started: {len(starting)} ({names})"
    elif num_left or reasons:
        said = "Nothing to be started now"
    else:
        said = "Nothing new: what is made from transcripts is as new as they are"
    left = f"runs that wait for those before them: {num_left}" if num_left else ""
    return f"{'; '.join(filter(None, [said, left, *reasons]))}."
