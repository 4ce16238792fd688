"""Passages: some segments that follow each other, and where in them a query is met; pure.

A segment is found where all terms of a query are in it and its neighbours, the one before and the
one after; the only term of a query is in the segment itself. So each segment needs to be together
with its neighbours in one passage, and passages overlap.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from opentr_pipeline.search.terms import Term, places_of, readable_form, spans_of, tokens_of
from opentr_pipeline.wording import readable

# Segments of a passage: with more there are fewer rows, and more of them for nothing.
PASSAGE_SEGMENTS = 8
OVERLAP = 2


class Spoken(NamedTuple):
    """What a search knows of a segment.

    Attributes:
        confidence: the mean (geometric) probability of its tokens, 0 to 1.
        speaker: the label of who says it; empty where nobody has asked.
        times: of its tokens, hundredths of a second from its start; none where they are unknown.
    """

    start_s: float
    end_s: float
    language: str
    confidence: float
    text: str
    speaker: str = ""
    times: tuple[int, ...] = ()


class Passage(NamedTuple):
    """Segments of a recording.

    Attributes:
        first: the place of the first of them in the recording.
        own: the first of those that are looked for in this passage, by their place in it.
        end: the one after the last of those.
    """

    first: int
    own: int
    end: int
    segments: tuple[Spoken, ...]

    @property
    def tokens(self) -> list[str]:
        """Of all segments."""
        return [token for segment in self.segments for token in tokens_of(segment.text)]

    @property
    def best_confidence(self) -> float:
        """Of any segment."""
        return max((segment.confidence for segment in self.segments), default=0.0)

    def facets(self, path: str) -> set[str]:
        """What a search of the recording at this path is narrowed by."""
        folders = [path[:place] for place, letter in enumerate(path) if letter == "/"]
        languages = {segment.language for segment in self.segments}
        speakers = {segment.speaker for segment in self.segments if segment.speaker}
        return (
            {facet("folder", one) for one in folders}
            | {facet("language", one) for one in languages}
            | {facet("speaker", one) for one in speakers}
        )

    def packed(self) -> bytes:
        """For the index."""
        return zlib.compress(json.dumps(self).encode(), 1)

    @classmethod
    def unpacked(cls, packed: bytes) -> "Passage":
        """The inverse of ``packed``."""
        first, own, end, segments = json.loads(zlib.decompress(packed))
        return cls(first, own, end, tuple(map(_unpacked, segments)))


@dataclass(frozen=True)
class Wanted:
    """What a search is narrowed to; what is None or empty narrows nothing.

    Attributes:
        language: of the segment.
        folder: of the archive, with all below it.
        after: the day, UTC, that the media file was modified on or after.
        before: the day that it was modified before.
        min_confidence: 0 to 1, of the segment.
        speaker: the label of who says it, in whatever recording.
        voices: of a person: content and label of each.
    """

    language: str = ""
    folder: str = ""
    after: date | None = None
    before: date | None = None
    min_confidence: float = 0.0
    speaker: str = ""
    voices: frozenset[tuple[str, str]] | None = None

    @property
    def speakers(self) -> list[str]:
        """What the passages are marked with one of, where it matters who speaks."""
        labels = {label for _, label in self.voices or ()} | ({self.speaker} - {""})
        return sorted(facet("speaker", label) for label in labels)

    @property
    def facets(self) -> list[str]:
        """What the passages are marked with that may answer."""
        facets = [facet("language", self.language)] if self.language else []
        folder = readable(self.folder.strip("/"))
        return [*facets, facet("folder", folder)] if folder not in ("", ".") else facets

    def takes(self, segment: Spoken, media_fingerprint: str) -> bool:
        """Whether a segment of a passage that may answer does."""
        is_language = self.language in ("", segment.language)
        is_speaker = self.speaker in ("", segment.speaker) and (
            self.voices is None or (media_fingerprint, segment.speaker) in self.voices
        )
        return is_language and is_speaker and segment.confidence >= self.min_confidence


class PassageSource(NamedTuple):
    """The recording that a passage is of."""

    path: str
    recording_id: str
    partition_key: str
    media_fingerprint: str


class Meeting(NamedTuple):
    """A segment that is found.

    Attributes:
        place: in its passage.
        score: 0 to 1; more where terms come more often, and in the segment itself.
    """

    place: int
    score: float


@dataclass(frozen=True)
class Context:
    """What is shown of a segment that is found.

    Attributes:
        text: of the segments that hold the terms.
        marks: first and end of each term in the text.
        found_s: when the first term in the segment itself is said.
    """

    start_s: float
    end_s: float
    found_s: float
    text: str
    marks: list[tuple[int, int]]


def facet(kind: str, value: str) -> str:
    """A token for a folder, language or speaker, which the index has beside those of the text."""
    return hashlib.blake2b(f"{kind} {value}".encode(errors="replace"), digest_size=6).hexdigest()


def passages_of(segments: Sequence[Spoken]) -> Iterator[Passage]:
    """A recording's segments as passages that overlap."""
    step = PASSAGE_SEGMENTS - OVERLAP
    for first in range(0, max(1, len(segments) - OVERLAP), step):
        shown = tuple(segments[first : first + PASSAGE_SEGMENTS])
        is_last = first + PASSAGE_SEGMENTS >= len(segments)
        yield Passage(first, min(first, 1), len(shown) - (not is_last), shown)


def meetings_in(passage: Passage, terms: Sequence[Term]) -> Iterator[Meeting]:
    """The segments of a passage in which, or beside which, all terms are."""
    spoken = [tokens_of(segment.text) for segment in passage.segments]
    owners = [place for place, tokens in enumerate(spoken) for _ in tokens]
    flat = [token for tokens in spoken for token in tokens]
    found = []  # of each term, first and last segment of each time it comes
    for term in terms:
        last = len(term.tokens) - 1
        found.append([(owners[at], owners[at + last]) for at in places_of(term, flat)])
    if not all(found):
        return
    for place in range(passage.own, passage.end):
        near = [[one for one in spans if place - 1 <= one[0] <= one[1] <= place + 1]
                for spans in found]  # fmt: skip
        touching = any(one[0] <= place <= one[1] for spans in near for one in spans)
        if all(near) and (touching or len(terms) > 1):
            weights = [sum(1.0 if one == (place, place) else 0.5 for one in s) for s in near]
            score = sum(weight / (weight + 1) for weight in weights) / len(weights)
            yield Meeting(place, round(score, 3))


def context_of(passage: Passage, place: int, terms: Sequence[Term]) -> Context:
    """What to show of a segment that was found."""
    lowest = max(place - 1, 0)
    shown = passage.segments[lowest : place + 2]
    tokens = [token for segment in shown for token in tokens_of(segment.text)]
    texts = [readable_form(segment.text) for segment in shown]
    spans = []  # of each token: its segment, first character, the one after it
    for number, text in enumerate(texts):
        spans += [(number, first, end) for first, end in spans_of(text)]
    found = sorted(
        (at, at + len(term.tokens) - 1) for term in terms for at in places_of(term, tokens)
    )
    met = [(spans[first], spans[last]) for first, last in found]
    low = min([place - lowest, *(first[0] for first, _ in met)])
    high = max([place - lowest, *(last[0] for _, last in met)])
    starts = [sum(len(text) + 1 for text in texts[low:number]) for number in range(len(texts))]
    times_s = [at_s for segment in shown for at_s in _times_s(segment)]
    own = [first for first, _ in found if spans[first][0] == place - lowest]
    return Context(
        shown[low].start_s,
        shown[high].end_s,
        times_s[own[0]] if own else shown[place - lowest].start_s,
        " ".join(texts[low : high + 1]),
        [(starts[first[0]] + first[1], starts[last[0]] + last[2]) for first, last in met],
    )


def _unpacked(segment: Sequence[Any]) -> Spoken:
    spoken = Spoken(*segment)
    return spoken._replace(times=tuple(spoken.times))


def _times_s(segment: Spoken) -> list[float]:
    """When each token of a segment begins; with the segment where that is unknown."""
    num_tokens = len(tokens_of(segment.text))
    times = segment.times if len(segment.times) == num_tokens else [0] * num_tokens
    return [round(segment.start_s + hundredths / 100, 2) for hundredths in times]
