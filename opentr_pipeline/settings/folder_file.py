"""Where the options for folders of the archive stand, ``opentr.toml``."""

import os
from pathlib import Path

from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import call_folder

NAME = "opentr.toml"


def folder_file(settings: Settings) -> Path | None:
    """The file that is named, else the archive's own, else that of the call; None: there is none.

    An archive need not be writable, hence the last.
    """
    if settings.folder_options_file != "auto":
        return settings.resolved(settings.folder_options_file)
    paths = (place / NAME for place in (settings.workspace.archive, call_folder()))
    return next((path for path in paths if os.path.lexists(path)), None)
