"""Where the options for folders of the archive stand, ``opentr.toml``."""

import os
from pathlib import Path

from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import call_folder

NAME = "opentr.toml"


def own_folder_file(archive: Path) -> Path:
    """The archive's own, there or not."""
    return archive / NAME


def folder_file(settings: Settings) -> Path | None:
    """The file that is named, else the archive's own, else that of the call; None: there is none.

    An archive need not be writable, hence the last. Who names the archive's own asks for no other.
    """
    own, said = own_folder_file(settings.workspace.archive), settings.folder_options_file
    named = settings.resolved(said)
    if said != "auto" and named != own:
        return named
    paths = [own] if said != "auto" else [own, call_folder() / NAME]
    return next((path for path in paths if os.path.lexists(path)), None)
