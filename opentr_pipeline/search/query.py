"""Search: a query and what it is narrowed to, the places where it is met, the best first."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from opentr_pipeline.commands import command
from opentr_pipeline.errors import QueryError
from opentr_pipeline.pages.lists import FOLDER, page_of
from opentr_pipeline.search.index import SearchIndex
from opentr_pipeline.search.passages import (
    Context,
    Meeting,
    Passage,
    PassageSource,
    Wanted,
    context_of,
    meetings_in,
)
from opentr_pipeline.search.terms import terms_of
from opentr_pipeline.speakers.people import People, Person, VoiceKey
from opentr_pipeline.transcripts.turns import is_label, label

# Places that are met before the best of them are chosen: a common word is in millions, and each
# costs some 0.1 ms to look at.
MAX_PLACES = 300
# Who follows a link hears so much before the word.
LEAD_S = 1.0


@dataclass(frozen=True)
class Hit:
    """A place in a recording where a query is met.

    Attributes:
        path: of the recording in the archive.
        found_s: when the first word of the segment that is asked for is said.
        confidence: of the segment.
        score: of the place, 0 to 1.
        marks: first and end of each term in ``text``.
        speaker: the label of who says it; empty where nobody has asked.
        speaker_name: what they are called, where somebody has said so.
        page: the recording's page a second before that, where there is one:
            ``/.../a.mp3.html#t=12.3``.
    """

    path: str
    recording_id: str
    partition_key: str
    start_s: float
    end_s: float
    found_s: float
    language: str
    confidence: float
    score: float
    text: str
    marks: list[tuple[int, int]]
    speaker: str
    speaker_name: str
    page: str | None


@dataclass(frozen=True)
class Found:
    """The answer to a query.

    Attributes:
        hits: the best first.
        num_places: how many there are.
        is_all: false where the search ended at ``MAX_PLACES``.
    """

    hits: list[Hit]
    num_places: int
    is_all: bool


@dataclass(frozen=True)
class _Place:
    source: PassageSource
    passage: Passage
    meeting: Meeting

    @property
    def number(self) -> int:
        """Of the segment in its recording."""
        return self.passage.first + self.meeting.place

    @property
    def confidence(self) -> float:
        return self.passage.segments[self.meeting.place].confidence


def search(
    index: SearchIndex, query: str, wanted: Wanted, limit: int, people: People | None = None
) -> Found:
    """The best places where all terms of a query are met.

    Args:
        index: as it is; ``SearchIndex.refresh`` brings it up to date.
        query: phrases in quotation marks, words, beginnings of words (``light*``).
        wanted: what it is narrowed to.
        limit: hits at most.
        people: who is known, for the names of speakers.

    Raises:
        QueryError: the query holds no word.
        StoreError: the index is damaged.
    """
    terms = terms_of(query)
    places: list[_Place] = []
    is_all = True
    for source, passage in index.passages(terms, wanted):
        for meeting in meetings_in(passage, terms):
            if wanted.takes(passage.segments[meeting.place], source.media_fingerprint):
                places.append(_Place(source, passage, meeting))
        if len(places) >= MAX_PLACES:
            is_all = False
            break
    best = list(_apart(places))
    pages = index.store.root / FOLDER
    names = (people or People()).by_key()
    hits = [
        _hit(place, context_of(place.passage, place.meeting.place, terms), pages, names)
        for place in best[:limit]
    ]
    return Found(hits, len(best), is_all)


def of_speaker(wanted: Wanted, said: str, people: People) -> Wanted:
    """The same, narrowed to what one speaker says.

    Args:
        wanted: what it is narrowed to as well.
        said: a person's name, or a label, which means another person in each recording.
        people: who is known.

    Raises:
        QueryError: nobody is called so.
    """
    if person := people.named(said):
        voices = frozenset(voice.key for voice in person.voices)
        return dataclasses.replace(wanted, voices=voices)
    if is_label(said):
        return dataclasses.replace(wanted, speaker=said.upper())
    raise QueryError(
        f"--speaker must be the name of a person or a label such as {label(0)}, got {said!r}; "
        f"{command('speakers')} lists both."
    )


def _apart(places: Iterable[_Place]) -> Iterator[_Place]:
    """The best first, without the neighbours of better ones, whose context shows them."""
    taken: set[tuple[str, str, str, int]] = set()

    def order(place: _Place) -> tuple[object, ...]:
        return -place.meeting.score, -place.confidence, place.source.path, place.number

    for place in sorted(places, key=order):
        near = {(*place.source[1:], place.number + step) for step in (-1, 0, 1)}
        if not near & taken:
            taken.add((*place.source[1:], place.number))
            yield place


def _hit(place: _Place, context: Context, pages: Path, names: Mapping[VoiceKey, Person]) -> Hit:
    segment = place.passage.segments[place.meeting.place]
    person = names.get((place.source.media_fingerprint, segment.speaker))
    page = pages / page_of(place.source.path)
    return Hit(
        path=place.source.path,
        recording_id=place.source.recording_id,
        partition_key=place.source.partition_key,
        start_s=context.start_s,
        end_s=context.end_s,
        found_s=context.found_s,
        language=segment.language,
        confidence=segment.confidence,
        score=place.meeting.score,
        text=context.text,
        marks=context.marks,
        speaker=segment.speaker,
        speaker_name=person.name if person else "",
        page=f"{page}#t={_before(context.found_s)}" if page.is_file() else None,
    )


def _before(found_s: float) -> float:
    return max(0.0, round(found_s - LEAD_S, 2))
