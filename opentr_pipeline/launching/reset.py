"""Deletes the state of one archive, and its output where that is asked for; nothing else."""

import contextlib
import os
import shutil
from pathlib import Path

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.launching.run_state import active_runs
from opentr_pipeline.pages.lists import FOLDER as PAGES
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.kept_files import kept_files
from opentr_pipeline.transcripts.layout import EXPORTS, StoreLayout
from opentr_pipeline.transcripts.published import files_database
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.wording import number_text


def to_delete(store: TranscriptStore, state: Path, *, outputs: bool) -> dict[Path, int]:
    """What a reset deletes, with sizes in bytes; what is not there is left out.

    Args:
        store: has the archive's tables.
        state: the folder of what Dagster knows of it.
        outputs: its tables, exports and pages as well, and what is finished and not published.
    """
    folders = [state]
    if outputs:
        folders += [*store.folders, store.root / EXPORTS, store.root / PAGES]
    return {folder: size_bytes(folder) for folder in folders if folder.exists()}


def size_bytes(folder: Path) -> int:
    """What the files of a folder hold, links not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with contextlib.suppress(FileNotFoundError):  # the services are still at work
                if not os.path.islink(path):
                    total += os.stat(path).st_size
    return total


def check_possible(workspace: Workspace) -> None:
    """Refuse while somebody works on the archive from a command line.

    Raises:
        ServiceError: with the run to wait for, or the database that is not ours to delete.
    """
    if workspace.database:
        raise ServiceError(_database_sentence(workspace))
    runs = active_runs(workspace)
    works = [run for run in runs if run.launched_by == "command line" and not run.is_orphan]
    if works:
        raise ServiceError(
            f"The run {works[0].run_id} works on this archive from a command line; wait until it "
            "ends, or press Ctrl-C there."
        )


def _database_sentence(workspace: Workspace) -> str:
    """How to reset a database by hand, and what would be lost with it that is nowhere else."""
    lost = ""
    if workspace.output_bucket:
        inner, database = StoreLayout(workspace.output).inner, files_database(workspace)
        if finished := kept_files(inner / "checkpoints", database).names(".json"):
            return (
                "PostgreSQL (DAGSTER_POSTGRES_URL) holds the transcripts of "
                f"{number_text(len(finished), 'recording')}, finished and not published; publish "
                "them with run before you make that database anew."
            )
        if heard := kept_files(inner / "heard", database).names(".json"):
            recordings = number_text(len(heard), "recording")
            lost = f" (what was heard of {recordings} with a given text is lost with it)"
    return (
        "Dagster's state is in PostgreSQL (DAGSTER_POSTGRES_URL), which reset does not touch; "
        f"stop, make that database anew{lost}, remove {workspace.output_place / '.store/claims'}, "
        "and start dev."
    )


def delete(folders: dict[Path, int]) -> None:
    """Delete what ``to_delete`` found.

    Raises:
        ServiceError: something cannot be deleted.
    """
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise ServiceError(f"{error.filename} cannot be deleted: {error.strerror}.") from None
