"""The people of an archive: their names, and the voices that somebody has confirmed; pure.

Names belong to what is heard, not to numbers of speakers: a voice is kept with the stretches in
which it speaks, and found again by these when another model numbers the speakers otherwise.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of a recording: where somebody speaks, from and to, in seconds.
Span = tuple[float, float]
# What a voice is told by: the content of a media file, and the label of the speaker in it.
VoiceKey = tuple[str, str]
BY_HAND = "hand"
BY_SUGGESTION = "suggestion"
# So many of the longest stretches are enough to find a voice again, and this share of them.
MAX_SPANS = 20
MIN_SHARE_FOUND = 0.5


@dataclass(frozen=True)
class NamedVoice:
    """A voice that has a name, in the content of one media file.

    Attributes:
        media_fingerprint: of the content; whatever path has the same bytes has the name as well.
        speaker: the label that it is published under.
        spans: where it is heard, the longest stretches.
        embedding: what tells the voice from others; none where too little of it was heard.
        embedding_model: made it; only those of one compare.
        named_by: ``BY_HAND`` or ``BY_SUGGESTION``.
        similarity: to the person's other voices, where a suggestion was confirmed.
        named_at: ISO 8601, UTC.
    """

    media_fingerprint: str
    speaker: str
    spans: tuple[Span, ...]
    embedding: tuple[float, ...] = ()
    embedding_model: str = ""
    named_by: str = BY_HAND
    similarity: float | None = None
    named_at: str = ""

    @property
    def key(self) -> VoiceKey:
        """What it is told by as long as speakers are numbered as they are."""
        return self.media_fingerprint, self.speaker


@dataclass(frozen=True)
class Person:
    """Somebody who speaks in the archive.

    Attributes:
        person_id: stays when the name changes.
        note: whatever tells them from others, for people.
        voices: confirmed ones, in the order of naming; none while they are being forgotten.
        refused: voices that somebody has said are not theirs.
    """

    person_id: str
    name: str
    note: str = ""
    voices: tuple[NamedVoice, ...] = ()
    refused: tuple["PlacedVoice", ...] = ()

    @property
    def confirmed_at(self) -> str:
        """When a voice was confirmed last."""
        return max((voice.named_at for voice in self.voices), default="")


@dataclass(frozen=True)
class PlacedVoice:
    """A voice by where it speaks; who it is, and how it sounds, is not kept."""

    media_fingerprint: str
    spans: tuple[Span, ...]

    def is_like(self, voice: NamedVoice) -> bool:
        """Whether a voice is heard where this one is."""
        is_same = self.media_fingerprint == voice.media_fingerprint
        return is_same and bool(found_again(self.spans, {voice.speaker: voice.spans}))


@dataclass(frozen=True)
class People:
    """All people of an archive.

    Attributes:
        persons: by name.
        forgotten: no vector of these voices is kept, also when they are heard again.
    """

    persons: tuple[Person, ...] = ()
    forgotten: tuple[PlacedVoice, ...] = ()

    def named(self, name: str) -> Person | None:
        """The person of this name, however it is written."""
        wanted = _folded(name)
        return next((one for one in self.persons if _folded(one.name) == wanted), None)

    def by_id(self, person_id: str) -> Person | None:
        """The person, as they are known now."""
        return next((one for one in self.persons if one.person_id == person_id), None)

    def voices(self) -> Iterator[tuple[Person, NamedVoice]]:
        """Every confirmed voice with whose it is."""
        for person in self.persons:
            for voice in person.voices:
                yield person, voice

    def by_key(self) -> dict[VoiceKey, Person]:
        """Whose each confirmed voice is."""
        return {voice.key: person for person, voice in self.voices()}

    def with_voice(self, voice: NamedVoice, name: str, new_id: str, note: str = "") -> "People":
        """Give a voice a name; it loses the one that it had, and nobody says it is not theirs.

        Args:
            voice: with the time of naming.
            name: of a person, who need not be known yet.
            new_id: for one who is not.
            note: replaces the person's, where there is one.
        """
        rest = self.without_voice(voice.key)
        known = rest.named(name) or self.named(name) or Person(new_id, tidy(name))
        person = dataclasses.replace(
            known,
            note=note or known.note,
            voices=(*(one for one in known.voices if one.key != voice.key), voice),
            refused=tuple(one for one in known.refused if not one.is_like(voice)),
        )
        return rest._replacing(person)

    def without_voice(self, key: VoiceKey) -> "People":
        """Take the name from a voice; a person of whom no voice is left goes as well."""
        persons = []
        for person in self.persons:
            voices = tuple(voice for voice in person.voices if voice.key != key)
            if voices or not person.voices:
                persons.append(dataclasses.replace(person, voices=voices))
        return dataclasses.replace(self, persons=tuple(persons))

    def with_refused(self, person: Person, voice: PlacedVoice) -> "People":
        """Say that a voice is not a person's."""
        here = self.by_id(person.person_id)
        if here is None or voice in here.refused:
            return self
        return self._replacing(dataclasses.replace(here, refused=(*here.refused, voice)))

    def merged(self, person: Person, into: str) -> "People":
        """One person instead of two; where nobody is called so, the person is called otherwise.

        Whoever was forgotten since they were looked up stays so.
        """
        here = self.by_id(person.person_id)
        if here is None or not here.voices:
            return self
        person, other = here, self.named(into)
        if other is None or other.person_id == person.person_id:
            return self._replacing(dataclasses.replace(person, name=tidy(into)))
        whole = dataclasses.replace(
            other,
            note=other.note or person.note,
            voices=(*other.voices, *person.voices),
            refused=tuple(dict.fromkeys((*other.refused, *person.refused))),
        )
        return self._without(person)._replacing(whole)

    def without(self, person: Person, voices: Iterable[PlacedVoice]) -> "People":
        """Forget a person; of their voices, named or not, only where they speak is kept.

        The name stays until it is taken out of all that shows it, see ``erased``.

        Args:
            person: as they were when they were looked up; what was named since is forgotten too.
            voices: of theirs besides those that are confirmed.
        """
        here = self.by_id(person.person_id) or person
        confirmed = (PlacedVoice(one.media_fingerprint, one.spans) for one in here.voices)
        forgotten = tuple(dict.fromkeys((*self.forgotten, *confirmed, *voices)))
        left = self._replacing(Person(here.person_id, here.name))
        return dataclasses.replace(left, forgotten=forgotten)

    def erased(self, person: Person) -> "People":
        """Take out the name of somebody who is forgotten, unless it was given again meanwhile."""
        here = self.by_id(person.person_id)
        return self if here is None or here.voices else self._without(here)

    def updated(self, news: Mapping[VoiceKey, NamedVoice]) -> "People":
        """The same with some voices as they are published now."""
        persons = [
            dataclasses.replace(
                person, voices=tuple(news.get(voice.key, voice) for voice in person.voices)
            )
            for person in self.persons
        ]
        return dataclasses.replace(self, persons=tuple(persons))

    def _without(self, person: Person) -> "People":
        left = tuple(one for one in self.persons if one.person_id != person.person_id)
        return dataclasses.replace(self, persons=left)

    def _replacing(self, person: Person) -> "People":
        persons = sorted((*self._without(person).persons, person), key=_order)
        return dataclasses.replace(self, persons=tuple(persons))


def _order(person: Person) -> tuple[str, str]:
    return _folded(person.name), person.person_id


def tidy(name: str) -> str:
    """A name as it is kept: composed letters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def _folded(name: str) -> str:
    return tidy(name).casefold()


def people_from_dict(facts: Mapping[str, Any]) -> People:
    """The inverse of ``dataclasses.asdict``, also after JSON."""
    persons = tuple(
        Person(
            **{
                **person,
                "voices": tuple(map(_voice_from_dict, person["voices"])),
                "refused": _placed(person.get("refused", ())),
            }
        )
        for person in facts["persons"]
    )
    return People(persons, _placed(facts["forgotten"]))


def _placed(voices: Iterable[Mapping[str, Any]]) -> tuple[PlacedVoice, ...]:
    return tuple(PlacedVoice(one["media_fingerprint"], _spans(one["spans"])) for one in voices)


def _voice_from_dict(facts: Mapping[str, Any]) -> NamedVoice:
    whole = {"spans": _spans(facts["spans"]), "embedding": tuple(facts["embedding"])}
    return NamedVoice(**{**facts, **whole})


def _spans(spans: Iterable[Sequence[float]]) -> tuple[Span, ...]:
    return tuple((start_s, end_s) for start_s, end_s in spans)


def kept_vector(embedding: Iterable[float]) -> tuple[float, ...]:
    """A voice's numbers as they are kept: with more digits nothing is told better."""
    return tuple(round(value, 6) for value in embedding)


def longest(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The stretches that a voice is kept with, by time."""
    rounded = {(round(start_s, 2), round(end_s, 2)) for start_s, end_s in spans}
    kept = sorted(rounded, key=lambda span: (span[0] - span[1], span))[:MAX_SPANS]
    return tuple(sorted(kept))


def found_again(spans: Sequence[Span], speakers: Mapping[str, Sequence[Span]]) -> str:
    """The label under which a voice is published now; empty where it is under none.

    Args:
        spans: where the voice was heard.
        speakers: where each speaker of the same content speaks, as it was told last.
    """
    shared_s = {label: _shared_s(spans, turns) for label, turns in speakers.items()}
    whole_s = sum(end_s - start_s for start_s, end_s in spans)
    best = max(sorted(shared_s), key=shared_s.__getitem__, default="")
    return best if best and shared_s[best] > MIN_SHARE_FOUND * whole_s else ""


def _shared_s(spans: Sequence[Span], turns: Sequence[Span]) -> float:
    return sum(
        max(0.0, min(one[1], other[1]) - max(one[0], other[0])) for one in spans for other in turns
    )
