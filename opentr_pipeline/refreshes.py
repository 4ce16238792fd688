"""What is made from transcripts and older than they are -> few runs; pure.

Dagster numbers its events. A partition is due where transcripts have a later event than what is
made from them, and no run was asked for on that account: what fails is not repeated for ever.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

from opentr_pipeline.run_ranges import RunRange, grouped

# Else what is made from all partitions at once would be made anew after each upload.
WHOLE_INTERVAL_S = 3600.0

Kind = Literal["new", "stock", "whole"]


class Asked(NamedTuple):
    """What was asked for so far.

    Attributes:
        until: the last event of transcripts that needs no run any more.
        at_s: time of the last run, in seconds since 1970; 0 where there was none.
    """

    until: int = 0
    at_s: float = 0.0


@dataclass(frozen=True)
class Follower:
    """An asset that is made from transcripts.

    Attributes:
        name: of the asset.
        is_whole: it has no partitions, and is made from all of them at once.
        asked: None where nobody has looked at it yet.
        made: its partitions with the last event of each; those before ``asked`` may be missing.
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
        """Of its runs."""
        if self.is_whole:
            return "whole"
        return "stock" if self.asked is None else "new"

    def due_keys(self, published: Mapping[str, int]) -> frozenset[str]:
        """The partitions with a later event of transcripts."""
        until, made = self.so_far.until, self.made
        return frozenset(
            key for key, event in published.items() if event > max(until, made.get(key, 0))
        )

    def wait_s(self, now_s: float) -> float:
        """How long to wait for the sake of an interval; 0 or less: no longer."""
        return self.so_far.at_s + WHOLE_INTERVAL_S - now_s if self.is_whole else 0.0


@dataclass(frozen=True)
class Refresh:
    """A run to be started.

    Attributes:
        names: of the assets.
        run_range: the partitions; None: the assets have none.
        kind: news; stock, from before anybody looked at these assets; or a whole.
    """

    names: tuple[str, ...]
    run_range: RunRange | None
    kind: Kind


@dataclass(frozen=True)
class Look:
    """What one look comes to.

    Attributes:
        refreshes: runs to start.
        asked: for each asset, these runs counted in.
        sentence: says it to people.
    """

    refreshes: Sequence[Refresh]
    asked: Mapping[str, Asked]
    sentence: str


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
        published: partitions of transcripts with the last event of each; those before all that
            was asked for may be missing.
        order: of all partition keys, as Dagster lists them.
        busy: kinds of which a run waits or works; what comes meanwhile shares the next one.
        now_s: seconds since 1970.
    """
    due: dict[tuple[Kind, frozenset[str]], list[str]] = {}
    asked = {one.name: one.so_far for one in followers}
    waiting = []
    latest = max(published.values(), default=0)
    for one in followers:
        keys = one.due_keys(published)
        if why := keys and _why_not_now(one, busy, now_s):
            waiting.append(f"{one.name} {why}")
            continue
        if keys:
            due.setdefault((one.kind, frozenset() if one.is_whole else keys), []).append(one.name)
        at_s = now_s if keys else one.so_far.at_s
        asked[one.name] = Asked(max(latest, one.so_far.until), at_s)
    refreshes = [
        Refresh(tuple(names), run_range, kind)
        for (kind, keys), names in due.items()
        for run_range in (_ranges(keys, order) if keys else [None])
    ]
    return Look(refreshes, asked, _sentence(refreshes, waiting))


def _why_not_now(one: Follower, busy: Collection[str], now_s: float) -> str:
    """Why an asset that is due is not made anew now; empty where it is."""
    if one.kind in busy:
        return "follows when the run before has ended"
    wait_s = one.wait_s(now_s)
    return f"follows in {wait_s / 60:.0f} min (once an hour)" if wait_s > 0 else ""


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


def to_cursor(asked: Mapping[str, Asked]) -> str:
    """What was asked for, as a text."""
    return json.dumps(asked)


def from_cursor(text: str | None) -> dict[str, Asked]:
    """The same again; nothing where there was none, or somebody has reset it."""
    return {name: Asked(*numbers) for name, numbers in json.loads(text or "{}").items()}
