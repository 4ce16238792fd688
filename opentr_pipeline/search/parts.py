"""Parts of recordings, as visitors' browsers fetch them: some minutes of what is said; pure.

A part is looked through by the browser itself, once the index has said that the words are in it.
Neighbouring parts share a segment on either side, so that every segment is together with the one
before and the one after in one part, as in ``passages``.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from opentr_pipeline.search.passages import Spoken
from opentr_pipeline.search.postings import written
from opentr_pipeline.search.terms import characters_of, indexed, readable_form, tokens_of

# Some 15 minutes. Longer parts take longer to fetch, shorter ones make a larger index.
PART_TOKENS = 2_000


class Shown(NamedTuple):
    """What is shown of a recording, and what a search is narrowed by.

    Attributes:
        page: its page, from the root of the pages on.
        day: when it was made, as far as it is known: ``2024-06-17``, ``2024-06``, ``2024``.
        names: of its speakers, by label; of those that are worth telling.
        own_day: the day that its file itself holds, which is shown; a file's own day is not.
    """

    title: str
    path: str
    page: str
    day: str
    status: str
    language: str
    names: dict[str, str]
    own_day: str = ""

    @property
    def facets(self) -> Iterator[tuple[str, str]]:
        """What it can be found by, beside words; languages are those of segments."""
        yield "status", self.status
        if self.day:
            yield "month", self.day[:7]
        yield from (("folder", self.path[:at]) for at, one in enumerate(self.path) if one == "/")


@dataclass(frozen=True)
class Part:
    """Some segments of a recording that follow each other.

    Attributes:
        own: the first that is looked for in this part, by its place in it.
        end: the one after the last.
    """

    own: int
    end: int
    segments: tuple[Spoken, ...]

    def tokens(self) -> list[str]:
        """The tokens of its segments, one after the other."""
        return [token for segment in self.segments for token in tokens_of(segment.text)]

    def facets(self, shown: Shown) -> set[tuple[str, str]]:
        """What it can be found by, beside words."""
        languages = {("language", one.language) for one in self.segments if one.language}
        labels = {segment.speaker for segment in self.segments}
        named = {name for label, name in shown.names.items() if label in labels and name != label}
        return {*shown.facets, *languages, *(("speaker", name) for name in named)}

    def written(self, shown: Shown) -> list[Any]:
        """What a browser needs of it, as JSON.

        A segment is its start in hundredths of a second, its text, the time of each of its tokens
        after the one before, the place of its speaker's name, and its language where that is not
        the recording's.
        """
        labels = sorted(shown.names)
        segments = []
        for one in self.segments:
            who = labels.index(one.speaker) if one.speaker in shown.names else -1
            row = [round(one.start_s * 100), readable_form(one.text), _steps(one.times), who]
            segments.append(row if one.language == shown.language else [*row, one.language])
        names = [shown.names[label] for label in labels]
        facts = shown._asdict() | {"names": names}
        return [list(facts.values()), self.own, self.end, segments]


def counts_of(tokens: Sequence[str]) -> Counter[str]:
    """How often each term of the index is among some tokens."""
    return Counter(indexed(tokens)) + Counter(characters_of(tokens))


def _steps(times: Sequence[int]) -> str:
    last, texts = 0, []
    for at in times:
        texts.append(written(max(0, at - last)))
        last = max(last, at)
    return "".join(texts)


def parts_of(segments: Sequence[Spoken]) -> Iterator[Part]:
    """A recording's segments as parts that overlap."""
    first = 0
    while first < len(segments):
        num_tokens, end = 0, first
        while end < len(segments) and (num_tokens < PART_TOKENS or end == first):
            num_tokens += len(tokens_of(segments[end].text))
            end += 1
        before = max(0, first - 1)
        yield Part(first - before, end - before, tuple(segments[before : end + 1]))
        first = end


def as_script(name: str, facts: Any) -> bytes:
    """Facts as a script: a browser loads those from a disk too, and nothing else."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return f"opentrGot({json.dumps(name)},{text})\n".encode()
