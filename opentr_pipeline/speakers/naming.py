"""The names that people have given, put into the published tables, and taken out of them."""

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from opentr_pipeline.speakers.people import (
    NamedVoice,
    People,
    Person,
    PlacedVoice,
    Span,
    VoiceKey,
    found_again,
    kept_vector,
)
from opentr_pipeline.speakers.people_store import PeopleStore
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import Voice, label

# By content: what is known of the voices in it.
Named = Mapping[str, Sequence[tuple[Person, NamedVoice]]]


def put_names(store: TranscriptStore, keys: Iterable[str]) -> list[str]:
    """Make the tables of some partitions say what people have said; those that changed.

    Done again, it changes nothing, so whatever was cut short is made good by the next time. What
    people say meanwhile is put in as well: no name outlasts that somebody was forgotten. A voice
    whose label has changed is kept under the new one.

    Args:
        store: of the archive.
        keys: partitions; of those without speakers nothing is read.

    Raises:
        StoreError: the disk is full, or what is kept of people is damaged.
    """
    people, wanted, changed = PeopleStore(store), sorted(keys), set[str]()
    if not people.path.exists():
        return []
    known: People | None = None
    while known != (now := people.load()):
        names = _Names(now)
        changed |= {key for key in wanted if _changes(store, key, names)}
        if names.news:
            people.change(functools.partial(People.updated, news=dict(names.news)))
        known = now.updated(names.news)
    return sorted(changed)


def _changes(store: TranscriptStore, key: str, names: "_Names") -> bool:
    if not store.path("speakers", key).exists():
        return False
    before = store.state(key)
    rows = store.read_partition("transcripts", key).select(["recording_id", "media_fingerprint"])
    named = {row["recording_id"] for row in store.read_partition("speakers", key)
             .select(["recording_id", "person_id"]).to_pylist() if row["person_id"]}  # fmt: skip
    changes: dict[str, Callable[[Transcript], Transcript]] = {
        row["recording_id"]: names.put
        for row in rows.to_pylist()
        if row["media_fingerprint"] in names.contents or row["recording_id"] in named
    }
    if changes:
        store.change(key, changes)
    return store.state(key) != before


class _Names:
    """What people have said, by content, and what is found out about it on the way.

    Attributes:
        news: voices whose label or vector is another by now, by the key that they had.
    """

    def __init__(self, people: People) -> None:
        self.news: dict[VoiceKey, NamedVoice] = {}
        self._named: dict[str, list[tuple[Person, NamedVoice]]] = defaultdict(list)
        self._forgotten: dict[str, list[PlacedVoice]] = defaultdict(list)
        for person, voice in people.voices():
            self._named[voice.media_fingerprint].append((person, voice))
        for one in people.forgotten:
            self._forgotten[one.media_fingerprint].append(one)

    @property
    def contents(self) -> set[str]:
        """The media that somebody has said something about."""
        return {*self._named, *self._forgotten}

    def put(self, transcript: Transcript) -> Transcript:
        """The same transcript with the names of its speakers."""
        content = transcript.media_fingerprint
        turns = spans_of(transcript)
        voices = {label(voice.speaker): _nobodys(voice) for voice in transcript.voices}
        for person, named in self._named.get(content, ()):
            if (found := found_again(named.spans, turns)) in voices:
                voices[found] = _persons(voices[found], person, named)
                self._keep_news(named, found, voices[found])
        for forgotten in self._forgotten.get(content, ()):
            found = found_again(forgotten.spans, turns)
            if found in voices and voices[found].person_id is None:
                voices[found] = dataclasses.replace(voices[found], embedding=())
        return dataclasses.replace(transcript, voices=tuple(voices.values()))

    def _keep_news(self, named: NamedVoice, found: str, voice: Voice) -> None:
        now = dataclasses.replace(named, speaker=found)
        if voice.embedding:
            now = dataclasses.replace(
                now,
                embedding=kept_vector(voice.embedding),
                embedding_model=voice.embedding_model,
            )
        if now != named:
            self.news[named.key] = now


def spans_of(transcript: Transcript) -> dict[str, list[Span]]:
    """Where each speaker of a transcript speaks."""
    spans: dict[str, list[Span]] = defaultdict(list)
    for turn in transcript.turns:
        spans[label(turn.speaker)].append((turn.start_s, turn.end_s))
    return spans


def _persons(voice: Voice, person: Person, named: NamedVoice) -> Voice:
    return dataclasses.replace(
        voice,
        person_id=person.person_id,
        name=person.name,
        similarity=named.similarity,
        named_by=named.named_by,
    )


def _nobodys(voice: Voice) -> Voice:
    return dataclasses.replace(voice, person_id=None, name=None, similarity=None, named_by=None)
