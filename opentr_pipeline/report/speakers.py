"""Who speaks how much in an archive; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opentr_pipeline.quality.totals import NOBODY, Tally
from opentr_pipeline.speakers.people import People


@dataclass(frozen=True)
class SpeakerTotals:
    """One person, or all voices without a name together.

    Attributes:
        name: empty for the latter.
    """

    name: str
    num_recordings: int
    speech_s: float


def who_speaks(by_person: Mapping[str, Tally], people: People) -> Sequence[SpeakerTotals]:
    """Those who speak most first, and at the end what nobody has named.

    Args:
        by_person: sums by ``person_id``; names are no part of what is remembered.
        people: of the archive.
    """
    names = {person.person_id: person.name for person in people.persons}
    nobody = Tally()
    named = []
    for person_id, tally in by_person.items():
        if person_id in names:
            named.append(SpeakerTotals(names[person_id], tally.num_recordings, tally.speech_s))
        else:
            nobody.add(tally)
    named.sort(key=lambda one: (-one.speech_s, one.name))
    if nobody.num_recordings:
        named.append(SpeakerTotals(NOBODY, nobody.num_recordings, nobody.speech_s))
    return named
