"""Links beside the pages that lead players to the media, one for each recording."""

from collections.abc import Sequence

from opentr_pipeline.pages.lists import MEDIA, ListEntry
from opentr_pipeline.settings.addresses import BucketAddress, Place
from opentr_pipeline.transcripts.derived_files import WrittenTree
from opentr_pipeline.wording import path_of


def link_media(tree: WrittenTree, entries: Sequence[ListEntry], archive: Place) -> set[str]:
    """Lead players to the media of some recordings; the names of the links."""
    whole = tree.root / MEDIA
    if whole.is_symlink():  # to the archive, as it once was; nothing is to be made in there
        whole.unlink()
    if isinstance(archive, BucketAddress):  # players would have to sign in
        return set()
    for entry in entries:
        tree.link(entry.media, archive / path_of(entry.path))
    return {entry.media for entry in entries}
