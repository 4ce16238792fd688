"""What ``opentr speakers`` shows of people and voices, and the report made anew."""

from dataclasses import dataclass
from functools import cached_property

from opentr_pipeline.pages.lists import REPORT_PAGE
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.speakers.confirming import Speakers, Suggested
from opentr_pipeline.speakers.heard_voices import Example
from opentr_pipeline.speakers.people import VoiceKey

NUM_EXAMPLES = 3


@dataclass(frozen=True)
class ListedPerson:
    """A person, as the list and programs have it."""

    person_id: str
    name: str
    note: str
    confirmed_at: str
    speech_s: float
    num_recordings: int
    examples: list[Example]


@dataclass(frozen=True)
class ListedVoice:
    """A voice without a name.

    Attributes:
        suggested: whose it may be; None where it is like nobody's that is confirmed.
        similarity: to that person's voices, -1 to 1.
        bar: from which on it is suggested.
        suggested_examples: where to hear that person.
    """

    path: str
    speaker: str
    speech_s: float
    examples: list[Example]
    suggested: str | None
    similarity: float | None
    bar: float | None
    suggested_examples: list[Example]


@dataclass(frozen=True)
class Listing:
    """The voices of an archive, as people look through them.

    Attributes:
        limit: voices without a name at most.
    """

    known: Speakers
    limit: int

    def people(self) -> list[ListedPerson]:
        """By hours."""
        listed = []
        for person in self.known.people.persons:
            if not person.voices:  # being forgotten
                continue
            voices = self.known.of(person)
            listed.append(
                ListedPerson(
                    person.person_id,
                    person.name,
                    person.note,
                    person.confirmed_at,
                    sum(voice.speech_s for voice in voices),
                    len({voice.recording_id for voice in voices}),
                    self.known.turns.examples(voices, NUM_EXAMPLES),
                )
            )
        return sorted(listed, key=lambda one: (-one.speech_s, one.name))

    def voices(self) -> list[ListedVoice]:
        """Those without a name, by hours."""
        listed = []
        for voice in self.known.unnamed()[: self.limit]:
            found = self._suggested.get(voice.key)
            suggestion = found.suggestion if found else None
            listed.append(
                ListedVoice(
                    voice.path,
                    voice.speaker,
                    voice.speech_s,
                    self.known.turns.examples([voice], NUM_EXAMPLES),
                    suggestion.person.name if suggestion else None,
                    suggestion.similarity if suggestion else None,
                    suggestion.bar if suggestion else None,
                    self._examples_of(found) if found else [],
                )
            )
        return listed

    @cached_property
    def _suggested(self) -> dict[VoiceKey, Suggested]:
        return {one.voice.key: one for one in self.known.suggested()}

    def _examples_of(self, found: Suggested) -> list[Example]:
        return self.known.turns.examples(self.known.of(found.suggestion.person), 1)


def renew_report(settings: Settings) -> None:
    """Write the report anew where there is one.

    Raises:
        StoreError: it cannot be written.
    """
    from opentr_pipeline.planning.setup import Setup
    from opentr_pipeline.report import page
    from opentr_pipeline.report.facts import report_facts

    pages = Pages(settings)
    if pages.tree.is_there(REPORT_PAGE):
        setup = Setup(settings)
        page.write(report_facts(setup.workspace, setup.partitioning), pages)
        pages.send()
