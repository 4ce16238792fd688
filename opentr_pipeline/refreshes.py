"""What is made from transcripts and older than they are -> few runs; pure.

Dagster numbers its events. A partition is due where transcripts have a later event than what is
made from them, and no run was asked for on that account: what fails is not repeated for ever.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Literal, NamedTuple

from opentr_pipeline.run_ranges import RunRange, grouped

# Else what is made from all partitions at once would be made anew after each upload.
WHOLE_INTERVAL_S = 3600.0
# In one look. Dagster writes two events for each partition and asset of a run, with SQLite some 50
# a second, and half of them before any sensor may go on.
MAX_KEYS = 100

# Of a refresh: what is published now, what was before anybody looked, an asset without partitions.
Kind = Literal["new", "stock", "whole"]


class Place(NamedTuple):
    """How far runs were asked for.

    Attributes:
        after: this event of transcripts and those before need none any more.
        until: the last event that counts; None: whatever comes.
        at_s: time of the last run, in seconds since 1970; 0 where there was none.
    """

    after: int = 0
    until: int | None = None
    at_s: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing can come any more."""
        return self.until is not None and self.after >= self.until


Places = dict[str, dict[Kind, Place]]


@dataclass(frozen=True)
class Follower:
    """An asset that is made from transcripts.

    Attributes:
        name: of the asset.
        places: how far it is, in each kind of refresh.
        made: its partitions with the last event of each; those before its places may be missing.
    """

    name: str
    places: Mapping[Kind, Place]
    made: Mapping[str, int]

    def due_keys(self, kind: Kind, published: Mapping[str, int]) -> list[str]:
        """The partitions to be made anew, those published first in front."""
        place = self.places[kind]
        until = inf if place.until is None else place.until
        due = [
            (event, key)
            for key, event in published.items()
            if max(place.after, self.made.get(key, 0)) < event <= until
        ]
        return [key for _, key in sorted(due)]


@dataclass(frozen=True)
class Refresh:
    """A run to be started.

    Attributes:
        kind: says what it is for.
        names: of the assets.
        run_range: the partitions; None: the assets have none.
    """

    kind: Kind
    names: tuple[str, ...]
    run_range: RunRange | None


@dataclass(frozen=True)
class Look:
    """What one look comes to.

    Attributes:
        refreshes: runs to start.
        places: of all assets, these runs counted in.
        sentence: says it to people.
    """

    refreshes: Sequence[Refresh]
    places: Places
    sentence: str


def first_places(is_whole: bool, latest: int) -> dict[Kind, Place]:
    """The places of an asset that nobody has looked at yet.

    Args:
        is_whole: it has no partitions, and is made from all of them at once.
        latest: the last event of transcripts so far.
    """
    return {"whole": Place()} if is_whole else {"new": Place(latest), "stock": Place(0, latest)}


def look(
    followers: Sequence[Follower],
    published: Mapping[str, int],
    order: Sequence[str],
    busy: Collection[str],
    now_s: float,
) -> Look:
    """Say which runs to start.

    Args:
        followers: how each of them stands.
        published: partitions of transcripts with the last event of each; those before all places
            may be missing.
        order: of all partition keys, as Dagster lists them.
        busy: kinds of which a run waits or works; what comes meanwhile shares the next one.
        now_s: seconds since 1970.
    """
    due: dict[tuple[Kind, tuple[str, ...]], list[str]] = {}
    places: Places = {one.name: dict(one.places) for one in followers}
    waiting = []
    for one, kind in ((each, kind) for each in followers for kind in each.places):
        place, keys = one.places[kind], one.due_keys(kind, published)
        if why := keys and _why_not_now(kind, place, busy, now_s):
            waiting.append(f"{one.name} {why}")
            continue
        taken = keys if kind == "whole" else keys[:MAX_KEYS]
        if taken:
            due.setdefault((kind, () if kind == "whole" else tuple(taken)), []).append(one.name)
        places[one.name][kind] = _moved(place, [published[key] for key in taken], published, now_s)
    refreshes = [
        Refresh(kind, tuple(names), run_range)
        for (kind, taken_keys), names in due.items()
        for run_range in (_ranges(taken_keys, order) if taken_keys else [None])
    ]
    return Look(refreshes, places, _sentence(refreshes, waiting))


def _moved(place: Place, taken: Sequence[int], published: Mapping[str, int], now_s: float) -> Place:
    """A place, once some events are taken; where none is due, it moves on all the same."""
    if taken:
        return place._replace(after=taken[-1], at_s=now_s)
    latest = max(published.values(), default=0)
    return place._replace(after=max(place.after, latest if place.until is None else place.until))


def _why_not_now(kind: Kind, place: Place, busy: Collection[str], now_s: float) -> str:
    """Why an asset that is due is not made anew now; empty where it is."""
    if kind in busy:
        return "follows when the run before has ended"
    wait_s = place.at_s + WHOLE_INTERVAL_S - now_s if kind == "whole" else 0.0
    return f"follows in {ceil(wait_s / 60)} min (once an hour)" if wait_s > 0 else ""


def _ranges(keys: Collection[str], order: Sequence[str]) -> list[RunRange]:
    return grouped(order, dict.fromkeys(keys, 0.0), inf)


def _sentence(refreshes: Sequence[Refresh], waiting: Sequence[str]) -> str:
    names = dict.fromkeys(name for one in refreshes for name in one.names)
    if refreshes:
        runs = f"{len(refreshes)} run" + ("s" if len(refreshes) > 1 else "")
        said = f"To be made anew in {runs}: {', '.join(names)}"
    elif waiting:
        said = "Nothing to be started now"
    else:
        said = "Nothing new: what is made from transcripts is as new as they are"
    return f"{'; '.join([said, *waiting])}."


def to_cursor(places: Places) -> str:
    """All places that are not over, as a text."""
    kept = {
        name: {kind: place for kind, place in kinds.items() if not place.is_over}
        for name, kinds in places.items()
    }
    return json.dumps(kept)


def from_cursor(text: str | None) -> Places:
    """The same again; nothing where there was none, or somebody has reset it."""
    return {
        name: {kind: Place(*numbers) for kind, numbers in kinds.items()}
        for name, kinds in json.loads(text or "{}").items()
    }
