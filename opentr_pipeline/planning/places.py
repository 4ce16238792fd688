"""Which archive an output folder is of, and which output folder a state is about; never two."""

import os
from pathlib import Path

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.locks import locked
from opentr_pipeline.postgres import Database
from opentr_pipeline.settings.addresses import Place, is_bucket
from opentr_pipeline.settings.environment import is_in_stack
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.elsewhere import elsewhere_of
from opentr_pipeline.transcripts.kept_files import SharedFiles
from opentr_pipeline.transcripts.layout import StoreLayout, disk_sentences
from opentr_pipeline.whole_files import write_whole

CLAIMS = "claims"
FILES = "files"
# What a host keeps in folders of its own until it shares a database.
_KEPT = ("checkpoints", "heard", "spoken", "plans")


def check_places(workspace: Workspace) -> None:
    """Refuse an output folder that is not this archive's; nothing is written.

    Raises:
        SettingsError: it holds the tables of another archive, or the archive's are elsewhere.
    """
    _check_output(workspace)
    _check_state(workspace)


def claim_output(workspace: Workspace) -> None:
    """Keep that an output folder holds the tables of one archive.

    To each of two, the recordings of the other would be gone from its archive. An archive that is
    gone was moved or deleted; the next one takes its place. Who starts the production stack asks
    before its containers, which know the folders by other names.

    Raises:
        SettingsError: it is another one's.
        StoreError: the folder cannot be written.
    """
    note, ours = _archive_note(workspace), os.fsencode(str(workspace.archive))
    if is_in_stack() or (note.exists() and note.read_bytes() == ours):
        return
    elsewhere_of(workspace).claim(str(workspace.archive))
    with disk_sentences(workspace.output):
        note.parent.mkdir(parents=True, exist_ok=True)
        with locked(note.with_suffix(".lock")):
            _check_output(workspace)
            write_whole(note, ours)


def claim_state(workspace: Workspace) -> None:
    """Keep that the state of an archive is about one output folder.

    Two that share it would share runs, uploads and what Dagster holds for done. They meet where one
    archive is transcribed from two folders with one ``OPENTR_HOME``. An output folder that is gone
    was moved or deleted; the next one takes its place.

    Raises:
        SettingsError: it is about another one.
    """
    _check_state(workspace)
    _output_note(workspace).write_bytes(os.fsencode(str(workspace.output_place)))


def settle_claims(workspace: Workspace, database: Database | None) -> None:
    """Keep where hosts say which recordings they work on: all who work look in one place.

    Those who looked elsewhere would each take on what another has, and count its attempts anew.
    With a bucket and no database, files are those of each host's own copy: the note keeps such
    hosts from those with a database, and not from each other.

    What was kept in files before a database was named is taken into it.

    Raises:
        SettingsError: others look elsewhere.
        StoreError: the note cannot be written, or the database is away.
    """
    ours = f"PostgreSQL {database.token()}" if database else FILES
    theirs = elsewhere_of(workspace).keep_first(CLAIMS, ours) or _first_kept(workspace, ours)
    if theirs == ours:
        if database and database.keeps_files:
            for kind in _KEPT:
                SharedFiles(database, kind).take_in(StoreLayout(workspace.output).inner / kind)
        return
    here = "in files" if theirs == FILES else "in PostgreSQL"
    wanted = "names a database" if theirs == FILES else "is empty"
    if theirs != FILES and database:
        wanted = "names another database"
    note = workspace.output_place / f".store/{CLAIMS}"
    raise SettingsError(
        f"Who works on the recordings of OUTPUT_DIR={workspace.output_place} says so {here}, and "
        f"DAGSTER_POSTGRES_URL {wanted}, so that two would work on one recording; set it as it "
        f"was, or, once nothing works on this archive any more, remove {note}."
    )


def _first_kept(workspace: Workspace, text: str) -> str:
    """What the folder's note says; ours where there was none."""
    note = _claims_note(workspace)
    with disk_sentences(workspace.output):
        note.parent.mkdir(parents=True, exist_ok=True)
        with locked(note.with_suffix(".lock")):
            if not note.exists():
                write_whole(note, text.encode())
            return note.read_text()


def is_claimed(workspace: Workspace) -> bool:
    """Whether all is kept as it is, where claims are kept in files."""
    notes = _archive_note(workspace), _output_note(workspace), _claims_note(workspace)
    places = map(str, (workspace.archive, workspace.output_place, FILES))
    ours = tuple(map(os.fsencode, places))
    return all(note.exists() for note in notes) and ours == tuple(n.read_bytes() for n in notes)


def _archive_note(workspace: Workspace) -> Path:
    return StoreLayout(workspace.output).inner / "archive"


def _claims_note(workspace: Workspace) -> Path:
    return StoreLayout(workspace.output).inner / CLAIMS


def _output_note(workspace: Workspace) -> Path:
    return workspace.state / "output"


def _check_output(workspace: Workspace) -> None:
    note = _archive_note(workspace)
    theirs = _other(note, workspace.archive)
    if theirs and not is_in_stack():
        raise SettingsError(
            f"OUTPUT_DIR={workspace.output_place} holds the tables of {theirs}, not of "
            f"{workspace.archive}; set another OUTPUT_DIR, or remove {note} if that archive is "
            "this one now."
        )


def _check_state(workspace: Workspace) -> None:
    if theirs := _other(_output_note(workspace), workspace.output_place):
        raise SettingsError(
            f"The tables of {workspace.archive} are in {theirs}, not in {workspace.output_place}; "
            f"set OUTPUT_DIR={theirs}, or another OPENTR_HOME for a second output."
        )


def _other(note: Path, ours: Place) -> str | Path | None:
    """The place that a note names, where it is not ours; a folder that is gone is none."""
    try:
        said = os.fsdecode(note.read_bytes())
    except FileNotFoundError:
        return None
    if is_bucket(said):
        return said if said != str(ours) else None
    theirs = Path(said)
    if not isinstance(ours, Path):
        return theirs if theirs.exists() else None
    is_ours = os.path.realpath(theirs) == os.path.realpath(ours)
    return theirs if theirs.exists() and not is_ours else None
