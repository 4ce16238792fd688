"""``opentr import`` and ``opentr corrections``: what people correct."""

import sys
from pathlib import Path
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
from opentr_pipeline.errors import StoreError
from opentr_pipeline.settings.addresses import Place, is_bucket
from opentr_pipeline.wording import number_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentr_pipeline.corrections.importing import Imported
    from opentr_pipeline.corrections.listing import ListedCorrection
    from opentr_pipeline.settings.environment import Settings
    from opentr_pipeline.transcripts.store import TranscriptStore

who_option = click.option("--who", metavar="NAME", help="Who corrects. Default: the login name.")
why_option = click.option("--why", default="", metavar="TEXT", help="Whatever there is to say.")


@click.command("import")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] FILE")
@click.option(
    "--recording", default="", metavar="PATH", help="In the archive, where the name is not its own."
)
@click.option("--checked", is_flag=True, help="All of it was heard, and the rest is right.")
@who_option
@why_option
def import_(words: tuple[str, ...], recording: str, checked: bool, who: str, why: str) -> None:
    """Take in a file of `export` that was edited by hand: srt, vtt, txt, docx or json.

    What differs from what is published is kept as corrections, which outlast other models.
    """
    from opentr_pipeline.cli.shared import path_in_archive, settings_of
    from opentr_pipeline.corrections.importing import Importing
    from opentr_pipeline.transcripts.published import store_of

    archive, (file,) = archive_before(words, 1)
    if is_bucket(file):
        raise StoreError(f"{file} is in a bucket; fetch it, and import the file.")
    settings = settings_of(archive, gpu_scale=False)
    path = path_in_archive(recording, settings.workspace.archive) if recording else ""
    store = store_of(settings.workspace)
    importing = Importing(store, settings, who or _login(), why, checked)
    done = importing.run(Path(file), path)
    changed = {*done.changed, *_named(store, done)}
    terminal.say(_summary(done))
    for place in done.unplaced:
        terminal.complain(f"No one place for: {place.strip()}")
    _renew(settings, changed)
    sys.exit(1 if done.unplaced or done.num_conflicts else 0)


@click.group("corrections", cls=ListingCommands)
def corrections() -> None:
    """See what people have corrected, what of it is in conflict, and take it back.

    Corrections are kept apart from what the model said, in files below OUTPUT_DIR/edits, and put
    again over whatever another model says. Without a command, list.
    """


@corrections.command("list")
@archive_argument
@click.option("--recording", default="", metavar="PATH", help="In the archive: of this one alone.")
@json_option
def corrections_list(archive: Place | None, recording: str, as_json: bool) -> None:
    """List corrections by recording, those in conflict first."""
    from opentr_pipeline.cli.shared import path_in_archive, settings_of
    from opentr_pipeline.corrections.listing import listed_corrections
    from opentr_pipeline.transcripts.published import store_of

    settings = settings_of(archive, gpu_scale=False)
    path = path_in_archive(recording, settings.workspace.archive) if recording else ""
    found = listed_corrections(store_of(settings.workspace), path)
    if as_json:
        print_json(found)
        return
    console = terminal.console()
    before = ""
    for one in found:
        if one.path != before:
            console.print(one.path, soft_wrap=True, markup=False, highlight=False)
            before = one.path
        console.print(_line(one), soft_wrap=True, markup=False, highlight=False)
    num_conflicts = sum(one.state == "conflict" for one in found)
    in_recordings = number_text(len({one.path for one in found}), "recording")
    terminal.say(
        f"{number_text(len(found), 'correction')} in {in_recordings}, "
        f"{num_conflicts} of them in conflict."
    )


@corrections.command("undo")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] ID...")
@who_option
@why_option
def corrections_undo(words: tuple[str, ...], who: str, why: str) -> None:
    """Take corrections back, by the names that the list has for them; they stay in the history."""
    from opentr_pipeline.cli.shared import place_of, settings_of
    from opentr_pipeline.corrections.listing import undo
    from opentr_pipeline.transcripts.published import store_of

    is_archive = len(words) > 1 and (is_bucket(words[0]) or Path(words[0]).is_dir())
    settings = settings_of(place_of(words[0]) if is_archive else None, gpu_scale=False)
    store = store_of(settings.workspace)
    changed = undo(store, words[is_archive:], who or _login(), why)
    terminal.say(f"{number_text(len(words) - is_archive, 'correction')} undone.")
    _renew(settings, changed)


@corrections.command("apply")
@archive_argument
def corrections_apply(archive: Place | None) -> None:
    """Put corrections into the tables that came by other means, such as git."""
    from opentr_pipeline.cli.shared import settings_of
    from opentr_pipeline.corrections.keeping import publish_all
    from opentr_pipeline.transcripts.published import store_of

    settings = settings_of(archive, gpu_scale=False)
    changed = publish_all(store_of(settings.workspace))
    terminal.say(f"{number_text(len(changed), 'partition')} changed.")
    _renew(settings, changed)


@corrections.command("next")
@archive_argument
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Phrases at most."
)
@json_option
def corrections_next(archive: Place | None, limit: int, as_json: bool) -> None:
    """List what to hear first: phrases in doubt that nobody has corrected or checked.

    Phrases with words that visitors of the served pages look for come earlier.
    """
    from opentr_pipeline.cli.shared import settings_of
    from opentr_pipeline.corrections.doubts import doubts
    from opentr_pipeline.transcripts.published import store_of
    from opentr_pipeline.wording import duration_text

    settings = settings_of(archive, gpu_scale=False)
    found = doubts(store_of(settings.workspace), limit)
    if as_json:
        print_json(found)
        return
    console = terminal.console()
    for one in found:
        sought = [f"looked for: {', '.join(one.sought)}"] if one.sought else []
        why = f"  {', '.join([*one.flags, *sought])}" if one.flags or sought else ""
        line = f"{one.path} {duration_text(one.start_s)}{why}  {one.text}"
        console.print(line, soft_wrap=True, markup=False, highlight=False)


@corrections.command("words")
@archive_argument
@click.option(
    "--at-least", type=click.IntRange(min=1), default=2, show_default=True, help="Places."
)
def corrections_words(archive: Place | None, at_least: int) -> None:
    """Print what people put again and again in place of the model's words, for a vocabulary.

    One term a line, with how often: put into the file that WHISPER_VOCABULARY_FILE, or a folder's
    vocabulary_file, names, they make the model write them more often.
    """
    from opentr_pipeline.cli.shared import settings_of
    from opentr_pipeline.corrections.vocabulary import recurring
    from opentr_pipeline.transcripts.published import store_of

    settings = settings_of(archive, gpu_scale=False)
    found = recurring(store_of(settings.workspace), at_least)
    terminal.say_all("".join(f"{one.text} # {one.num_places} places\n" for one in found))


def _login() -> str:
    from opentr_pipeline.plain_files import login_name

    return login_name()


def _named(store: "TranscriptStore", done: "Imported") -> list[str]:
    """Give voices the names that the file has for them; the partitions that changed."""
    from opentr_pipeline.speakers.confirming import Speakers

    changed: list[str] = []
    for speaker, name in done.names.items():
        known = Speakers(store)
        changed += known.name(known.voice(done.path, speaker), name, "")
    return changed


def _renew(settings: "Settings", keys: "Iterable[str]") -> None:
    from opentr_pipeline.site.renewing import renew

    for sentence in renew(settings, sorted(keys)):
        terminal.complain(sentence)


def _summary(done: "Imported") -> str:
    made = [f"{count} of {kind}" for kind, count in sorted(done.kinds.items())]
    made += [f"{speaker} is {name}" for speaker, name in done.names.items()]
    said = f"{done.path}: {', '.join(made) or 'nothing changed'}"
    if done.num_conflicts:
        said += f"; {done.num_conflicts} in conflict"
    if done.num_less:
        said += f"; {done.num_less} words are gone: where the file was cut short, undo that"
    if done.num_reverting:
        said += (
            f"; {number_text(done.num_reverting, 'place')} said what the model did before it was "
            "corrected, and stays corrected"
        )
    if done.said_names:
        names = ", ".join(f"{name}:" for name in done.said_names)
        said += f"; taken as said, though it looks like a speaker: {names}"
    if done.again:
        said += f"; corrected before, and otherwise now: {', '.join(done.again)}"
    return f"{said}."


def _line(one: "ListedCorrection") -> str:
    from opentr_pipeline.wording import duration_text

    what = {
        "words": f"{one.old.strip()!r} -> {one.new.strip()!r}",
        "speaker": f"{one.old.strip()!r} is said by {visible(one.speaker)}",
        "break": f"a segment begins before {one.after.strip()!r}",
        "join": f"no segment begins before {one.after.strip()!r}",
        "checked": "checked",
    }[one.kind]
    said = f"  {visible(one.edit_id)}  {duration_text(one.start_s)}  {one.state}  {what}"
    about = ", ".join(filter(None, (one.who, one.made_at[:10], one.why)))
    return "\n      ".join(filter(None, (f"{said}  ({visible(about)})", visible(one.reason))))
