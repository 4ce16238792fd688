"""What people say of voices: a name, that a suggestion is right, that one is to be forgotten."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce

from opentr_pipeline.commands import command
from opentr_pipeline.errors import SpeakerError
from opentr_pipeline.speakers.heard_voices import HeardTurns, HeardVoice, each_once, heard_voices
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.speakers.likeness import Suggestion, suggestions
from opentr_pipeline.speakers.naming import put_names
from opentr_pipeline.speakers.people import (
    BY_HAND,
    BY_SUGGESTION,
    NamedVoice,
    People,
    Person,
    PlacedVoice,
    found_again,
    kept_vector,
    longest,
    tidy,
)
from opentr_pipeline.speakers.people_store import PeopleStore
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.turns import is_label
from opentr_pipeline.wording import now, visible

MAX_NAME = 200
MAX_NOTE = 2000


@dataclass(frozen=True)
class Suggested:
    """A voice, and whose it may be."""

    voice: HeardVoice
    suggestion: Suggestion


class Speakers:
    """The voices of an archive as they are published, and who its people are."""

    def __init__(self, store: TranscriptStore, *, may_be_none: bool = False) -> None:
        """Read them.

        Args:
            store: of the archive.
            may_be_none: names are elsewhere as well.

        Raises:
            SpeakerError: speakers are told apart in no recording.
            StoreError: a file is damaged.
        """
        self.store = store
        self.people = PeopleStore(store).load()
        self.turns = HeardTurns(store)
        self._all = heard_voices(store)
        if not self._all and not self.people.persons and not may_be_none:
            raise SpeakerError(
                "Speakers are told apart in no recording yet; set SPEAKERS=true and run "
                f"{command('run')}."
            )
        self.voices = each_once(self._all)

    def of(self, person: Person) -> list[HeardVoice]:
        """A person's voices."""
        return [voice for voice in self.voices if voice.person_id == person.person_id]

    def unnamed(self) -> list[HeardVoice]:
        """Voices that nobody has named."""
        return [voice for voice in self.voices if not voice.person_id]

    def suggested(self) -> list[Suggested]:
        """Voices that sound like somebody's, the most like first."""
        unnamed = self.unnamed()
        found = [
            Suggested(voice, suggestion)
            for voice, suggestion in zip(unnamed, self._suggestions(unnamed), strict=True)
            if suggestion
        ]
        return sorted(found, key=lambda one: (-one.suggestion.similarity, one.voice.path))

    def person(self, name: str) -> Person:
        """The person of a name.

        Raises:
            SpeakerError: nobody is called so.
        """
        if found := self.people.named(name):
            return found
        names = [person.name for person in self.people.persons]
        near = get_close_matches(name, names, 1, 0.5)
        meant = f"is it {near[0]}?" if near else f"{command('speakers')} lists them."
        raise SpeakerError(f"Nobody is called {name!r} here; {meant}")

    def voice(self, path: str, speaker: str) -> HeardVoice:
        """The voice of a recording.

        Args:
            path: of the recording in the archive.
            speaker: its label, in whatever case.

        Raises:
            SpeakerError: there is no such.
        """
        here = [voice for voice in self._all if voice.path == path]
        if not here:
            raise SpeakerError(
                f"No speakers are told apart in {path!r}; name a recording that "
                f"{command('speakers')} lists."
            )
        for voice in here:
            if voice.speaker == speaker.upper():
                return voice
        labels = ", ".join(sorted(voice.speaker for voice in here))
        raise SpeakerError(f"{path} has no speaker {speaker!r}; it has {labels}.")

    def suggestion(self, voice: HeardVoice) -> Suggestion:
        """Whose a voice may be.

        Raises:
            SpeakerError: it has a name already, or is like nobody's.
        """
        if voice.person_id:
            raise SpeakerError(
                f"{voice.speaker} of {voice.path} has a name already; "
                f"{command('speakers name')} gives it another."
            )
        (found,) = self._suggestions([voice])
        if found is None:
            raise SpeakerError(
                f"{voice.speaker} of {voice.path} sounds like nobody who is confirmed; give the "
                f"name with {command('speakers name')}."
            )
        return found

    def name(self, voice: HeardVoice, name: str, note: str = "") -> list[str]:
        """Give a voice a name, or take it away where that is empty; the partitions that changed.

        Raises:
            SpeakerError: no name that can be shown.
            StoreError: the disk is full.
        """
        if not tidy(name):
            return self._change(lambda people: people.without_voice(voice.key))
        check_name(name)
        if visible(tidy(note)) != tidy(note) or len(note) > MAX_NOTE:
            raise SpeakerError(
                f"A note is at most {MAX_NOTE} letters that can be shown, got {len(note)} letters "
                f"that begin with {note[:20]!r}."
            )
        named = self._named(voice, BY_HAND, None)
        return self._change(lambda people: people.with_voice(named, name, _new_id(), tidy(note)))

    def confirm(self, right: Iterable[Suggested]) -> list[str]:
        """Give voices the names that were suggested; the partitions that changed."""
        named = [
            (
                self._named(one.voice, BY_SUGGESTION, one.suggestion.similarity),
                one.suggestion.person.name,
            )
            for one in right
        ]

        def confirmed(people: People) -> People:
            def with_one(so_far: People, one: tuple[NamedVoice, str]) -> People:
                # Whoever was forgotten since the suggestion does not come back by it.
                person = so_far.named(one[1])
                is_known = person is not None and person.voices
                return so_far.with_voice(*one, _new_id()) if is_known else so_far

            return reduce(with_one, named, people)

        return self._change(confirmed)

    def refuse(self, wrong: Suggested) -> None:
        """Say that a voice is not the person's who was suggested; they are not again."""
        placed = PlacedVoice(wrong.voice.media_fingerprint, self._spans(wrong.voice))
        person = wrong.suggestion.person
        PeopleStore(self.store).change(lambda people: people.with_refused(person, placed))

    def merge(self, person: Person, into: str) -> list[str]:
        """Make one person of two, or call one otherwise; the partitions that changed."""
        check_name(into)
        return self._change(lambda people: people.merged(person, into))

    def forget(self, person: Person) -> list[str]:
        """Remove a person's names and vectors, also of voices like theirs that nobody has named.

        Where this, or what shows names, is cut short, the same does the rest: the name is the last
        that goes, by ``erase``.

        Returns:
            The partitions in which they spoke; where this was cut short, of all who are forgotten.
        """
        like = [
            one.voice
            for one in self.suggested()
            if one.suggestion.person.person_id == person.person_id
        ]
        forgotten = [PlacedVoice(one.media_fingerprint, one.spans) for one in person.voices]
        forgotten += [PlacedVoice(one.media_fingerprint, self._spans(one)) for one in like]
        contents = {one.media_fingerprint for one in forgotten}
        Checkpoints(self.store.inner, self.store.database).without_voices(contents)
        KeptSpoken(self.store.inner, self.store.database).without_voices(contents)
        changed = self._change(lambda people: people.without(person, forgotten))
        if not person.voices:  # cut short before: of whom they were is not kept
            contents = {one.media_fingerprint for one in self.people.forgotten}
        spoke_in = {one.partition_key for one in self._all if one.media_fingerprint in contents}
        return sorted(spoke_in.union(changed))

    def without_voice(self, name: str) -> Person:
        """Somebody who has no voice here, kept so that forgetting them can be gone on with."""
        person = Person(_new_id(), tidy(name))
        PeopleStore(self.store).change(lambda people: people.without(person, ()))
        return person

    def erase(self, person: Person) -> None:
        """Take out the name of somebody who is forgotten, once nothing else shows it."""
        PeopleStore(self.store).change(lambda people: people.erased(person))

    def _suggestions(self, voices: Sequence[HeardVoice]) -> list[Suggestion | None]:
        return suggestions(voices, self.people, self._refused)

    def _refused(self, voice: HeardVoice) -> set[str]:
        """The persons of whom somebody has said that this voice is not theirs."""
        return {
            person.person_id
            for person in self.people.persons
            for one in person.refused
            if one.media_fingerprint == voice.media_fingerprint
            and found_again(one.spans, self.turns.of(voice)) == voice.speaker
        }

    def _change(self, make: Callable[[People], People]) -> list[str]:
        PeopleStore(self.store).change(make)
        return put_names(self.store, self.store.partition_keys("speakers"))

    def _named(self, voice: HeardVoice, named_by: str, similarity: float | None) -> NamedVoice:
        return NamedVoice(
            *voice.key,
            self._spans(voice),
            kept_vector(voice.embedding),
            voice.embedding_model,
            named_by,
            similarity,
            now(),
        )

    def _spans(self, voice: HeardVoice) -> tuple[tuple[float, float], ...]:
        return longest(self.turns.of(voice).get(voice.speaker, ()))


def check_name(name: str) -> None:
    """Refuse what could not be shown as a name.

    Raises:
        SpeakerError: that.
    """
    kept = tidy(name)
    if not kept or len(kept) > MAX_NAME or visible(kept) != kept or is_label(kept):
        raise SpeakerError(
            f"A name is 1 to {MAX_NAME} letters that can be shown and no label of a speaker, got "
            f"{kept[:MAX_NAME]!r}."
        )


def _new_id() -> str:
    return uuid.uuid4().hex
