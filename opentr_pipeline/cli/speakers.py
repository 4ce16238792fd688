"""``opentr speakers``: who speaks in an archive, and what people say of it."""

import shlex
from typing import TYPE_CHECKING

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import (
    ListingCommands,
    archive_argument,
    archive_before,
    json_option,
    print_json,
)
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.wording import number_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentr_pipeline.cli.voices import ListedPerson, ListedVoice
    from opentr_pipeline.settings.environment import Settings
    from opentr_pipeline.speakers.confirming import Speakers
    from opentr_pipeline.speakers.heard_voices import Example


@click.group("speakers", cls=ListingCommands)
def speakers() -> None:
    """Say who speaks: list voices, give them names, confirm what sounds alike.

    Names are what somebody has said: they make no transcript stale, and neither another model nor
    another transcript loses them. Without a command, list.
    """


@speakers.command("list")
@archive_argument
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, help="Voices without a name at most."
)
@json_option
def speakers_list(archive: Place | None, limit: int, as_json: bool) -> None:
    """List people and voices of ARCHIVE by hours, where to hear them, and whose they may be."""
    from opentr_pipeline.cli.voices import Listing
    from opentr_pipeline.commands import command

    _, known = _known(archive)
    listing = Listing(known, limit)
    people, voices = listing.people(), listing.voices()
    if as_json:
        print_json({"people": people, "voices": voices})
        return
    console = terminal.console()
    for text in (*map(_person_lines, people), *map(_voice_lines, voices)):
        console.print(text, soft_wrap=True, markup=False, highlight=False)
    for person in known.people.persons:
        if not person.voices:
            how = command(f"speakers forget {shlex.quote(person.name)}")
            terminal.complain(f"{person.name} is not forgotten everywhere yet; run {how} again.")
    terminal.say(_summary(known, len(voices)))


@speakers.command("name")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] RECORDING SPEAKER NAME")
@click.option("--note", default="", metavar="TEXT", help="Whatever tells the person from others.")
def speakers_name(words: tuple[str, ...], note: str) -> None:
    """Give a speaker of a recording a name, such as: radio/a.mp3 SPEAKER_00 "Anna Rossi".

    The same name in several recordings is one person; an empty name ("") takes it away again.
    """
    from opentr_pipeline.speakers.people import tidy

    archive, (path, speaker, name) = archive_before(words, 3)
    settings, known = _known(archive)
    voice = known.voice(_in_archive(path, settings), speaker)
    changed = known.name(voice, name, note)
    said = f"is {tidy(name)}" if tidy(name) else "has no name any more"
    terminal.say(f"{voice.speaker} of {voice.path} {said}.")
    _renew(settings, changed)


@speakers.command("merge")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] NAME INTO")
def speakers_merge(words: tuple[str, ...]) -> None:
    """Make one person of two, called INTO; where nobody is called so, NAME is from now on."""
    from opentr_pipeline.cli.named_edits import merge
    from opentr_pipeline.speakers.people import tidy

    archive, (name, into) = archive_before(words, 2)
    settings, known = _known(archive)
    person = known.person(name)
    changed = merge(known, person, into)
    terminal.say(f"{person.name} is {tidy(into)} now.")
    _renew(settings, changed)


@speakers.command("confirm")
@click.argument("words", nargs=-1, metavar="[ARCHIVE] [RECORDING SPEAKER]")
@click.option(
    "--above",
    type=click.FloatRange(0, 1),
    metavar="0.75",
    help="Confirm all suggestions of at least this similarity.",
)
def speakers_confirm(words: tuple[str, ...], above: float | None) -> None:
    """Say that the person suggested for a voice is right; for one voice, or all above a bar."""
    from opentr_pipeline.speakers.confirming import Suggested

    archive, place = archive_before(words, 0 if above is not None else 2)
    settings, known = _known(archive)
    if above is None:
        voice = known.voice(_in_archive(place[0], settings), place[1])
        right = [Suggested(voice, known.suggestion(voice))]
    else:
        right = [one for one in known.suggested() if one.suggestion.similarity >= above]
    for one in right:
        name = one.suggestion.person.name
        terminal.say(f"{one.voice.speaker} of {one.voice.path} is {name}.")
    changed = known.confirm(right)
    terminal.say(f"{number_text(len(right), 'voice')} confirmed.")
    _renew(settings, changed)


@speakers.command("refuse")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] RECORDING SPEAKER")
def speakers_refuse(words: tuple[str, ...]) -> None:
    """Say that the person suggested for a voice is wrong; they are not suggested for it again."""
    from opentr_pipeline.speakers.confirming import Suggested

    archive, (path, speaker) = archive_before(words, 2)
    settings, known = _known(archive)
    voice = known.voice(_in_archive(path, settings), speaker)
    wrong = Suggested(voice, known.suggestion(voice))
    known.refuse(wrong)
    terminal.say(f"{voice.speaker} of {voice.path} is not {wrong.suggestion.person.name}.")


@speakers.command("forget")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] NAME")
def speakers_forget(words: tuple[str, ...]) -> None:
    """Remove a person's name and voice from all tables, pages, exports, the index and the report.

    The vectors of voices that sound like theirs go as well, and none of these is made again. What
    is said stays, and so do the labels. Corrections name the label instead, or go.
    """
    from opentr_pipeline.cli.named_edits import forget, to_forget
    from opentr_pipeline.cli.voices import renew_report
    from opentr_pipeline.site.renewing import renew_index

    archive, (name,) = archive_before(words, 1)
    settings, known = _known(archive, may_be_none=True)
    person = to_forget(known, name)
    changed = forget(known, person)
    is_whole = _renew(settings, changed)
    is_whole &= _complained(renew_index(settings))
    renew_report(settings)
    if not is_whole:
        terminal.complain(f"{person.name} is still named there; run the same command again then.")
        click.get_current_context().exit(1)
    known.erase(person)
    terminal.say(
        f"{person.name} is forgotten, with {number_text(len(person.voices), 'confirmed voice')}. "
        f"Not reached: copies and backups of {settings.workspace.output_place}, its corrections in "
        "git's history, exports that were written elsewhere (--output) and copies made by pages "
        "--with-media; remove these by hand."
    )


def _known(archive: Place | None, *, may_be_none: bool = False) -> "tuple[Settings, Speakers]":
    from opentr_pipeline.cli.shared import settings_of
    from opentr_pipeline.speakers.confirming import Speakers
    from opentr_pipeline.transcripts.published import store_of

    settings = settings_of(archive, gpu_scale=False)
    return settings, Speakers(store_of(settings.workspace), may_be_none=may_be_none)


def _in_archive(path: str, settings: "Settings") -> str:
    from opentr_pipeline.cli.shared import path_in_archive

    return path_in_archive(path, settings.workspace.archive)


def _renew(settings: "Settings", changed: "Sequence[str]") -> bool:
    """Make anew what shows names; whether all of it could be."""
    from opentr_pipeline.site.renewing import renew

    return _complained(renew(settings, changed))


def _complained(sentences: "Sequence[str]") -> bool:
    for sentence in sentences:
        terminal.complain(sentence)
    return not sentences


def _person_lines(person: "ListedPerson") -> str:
    note = f"  ({person.note})" if person.note else ""
    recordings = number_text(person.num_recordings, "recording")
    return (
        f"{person.name}{note}  {_length(person.speech_s)} in {recordings}\n"
        f"  hear {_places(person.examples)}"
    )


def _voice_lines(voice: "ListedVoice") -> str:
    head = f"{voice.path} {voice.speaker}  {_length(voice.speech_s)}"
    lines = [head, f"  hear {_places(voice.examples)}"]
    if voice.suggested:
        lines.append(
            f"  like {voice.suggested}, similarity {voice.similarity:.2f} (bar {voice.bar:.2f}), "
            f"hear {_places(voice.suggested_examples)}"
        )
    return "\n".join(lines)


def _length(seconds: float) -> str:
    from opentr_pipeline.wording import length_text

    return length_text(seconds)


def _places(examples: "Sequence[Example]") -> str:
    from opentr_pipeline.wording import duration_text

    def said() -> "Iterator[str]":
        before = ""
        for one in examples:
            at = duration_text(one.start_s)
            yield at if one.path == before else f"{one.path} {at}"
            before = one.path

    return ", ".join(said()) or "nowhere alone"


def _summary(known: "Speakers", num_shown: int) -> str:
    from opentr_pipeline.commands import command

    unnamed = known.unnamed()
    in_recordings = len({voice.recording_id for voice in unnamed})
    shown = f", {num_shown} of them above" if num_shown < len(unnamed) else ""
    how = f"; {command('speakers name')} gives them one" if unnamed else ""
    recordings = number_text(in_recordings, "recording")
    return (
        f"{number_text(sum(bool(one.voices) for one in known.people.persons), 'person')} by name; "
        f"{number_text(len(unnamed), 'voice')} without a name in {recordings}{shown}{how}."
    ).replace("persons", "people")
