"""Where the options for folders of the archive stand, ``opentr.toml``."""

import os
from collections.abc import Callable

from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import call_folder

NAME = "opentr.toml"


def own_folder_file(archive: Place) -> Place:
    """The archive's own, there or not."""
    return archive / NAME


def folder_file(
    settings: Settings,
    is_there: Callable[[Place], bool] = lambda place: os.path.lexists(str(place)),
) -> Place | None:
    """The file that is named, else the archive's own, else that of the call; None: there is none.

    An archive need not be writable, hence the last. Who names the archive's own asks for no other.

    Args:
        settings: of the archive.
        is_there: whether there is a file at a place, a bucket's included.
    """
    own, said = own_folder_file(settings.workspace.archive), settings.folder_options_file
    if said != "auto" and str(own) not in (said, str(named := settings.resolved(said))):
        return named
    places = [own] if said != "auto" else [own, call_folder() / NAME]
    return next((place for place in places if is_there(place)), None)
