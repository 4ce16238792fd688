"""Texts that lie beside the media, named after them: found, read, decoded."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentr_pipeline.archive.media_files import MEDIA_EXTENSIONS, MediaFile
from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.archive.storage import Facts, Storage, storage_of
from opentr_pipeline.errors import ReferenceTextError
from opentr_pipeline.settings.addresses import Place

BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
# More than is said in three days; what is larger is another file.
MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class TextBeside:
    """A text and the media file that it is for.

    Attributes:
        path: of the text, in the archive.
        size_bytes: of the text.
        modified_ns: the text's modified time, nanoseconds since 1970 UTC.
        recording_id: of the recording that it is for.
    """

    path: str
    size_bytes: int
    modified_ns: int
    recording_id: str


def find_beside(
    archive: Place, partitioning: Partitioning, suffixes: Sequence[str], others: Sequence[str] = ()
) -> dict[str, list[TextBeside]]:
    """The texts in the archive, by the partition of the media beside them.

    Reads folders, and the size and time of what matters; one without media beside it is nobody's.

    Args:
        archive: its root.
        partitioning: says which partition a media file is in.
        suffixes: after a media file's name, with its extension or without; the first counts.
        others: suffixes of what is something else.
    """
    found: dict[str, list[TextBeside]] = {}
    storage = storage_of(archive)
    for folder, known in _folders(storage):
        names = [name for name in known if not name.lower().endswith(tuple(others))]
        for pair in _pairs(names, suffixes):
            media_path, path = map(folder.__add__, pair)
            try:
                media, text = (known[name] or storage.stat(folder + name) for name in pair)
            except OSError:  # gone since the folder was read, or not ours to see
                continue
            if media.kind != "file" or media.refusal:
                continue
            media_file = MediaFile(media_path, *media[1:6])
            found.setdefault(partitioning.key(media_file), []).append(
                TextBeside(path, text.size_bytes, text.modified_ns, media_file.recording_id)
            )
    return found


def _folders(storage: Storage) -> Iterator[tuple[str, dict[str, Facts | None]]]:
    """Each folder with the names of what is no folder in it; what cannot be read has none.

    With the names, what listing them told already.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            listed = [one for one in storage.list(folder) if not one.refusal]
        except OSError:
            continue
        inside = f"{folder}/" if folder else ""
        yield inside, {o.path.removeprefix(inside): o.facts for o in listed if not o.is_folder}
        paths = sorted((one.path for one in listed if one.is_folder), reverse=True)
        waiting += [path for path in paths if not path.removeprefix(inside).startswith(".")]


def _pairs(names: Sequence[str], suffixes: Sequence[str]) -> list[tuple[str, str]]:
    """The media files of a folder that have a text, with it."""
    by_stem: dict[str, str] = {}
    for suffix in suffixes:
        for name in sorted(names):
            if name.lower().endswith(suffix):
                by_stem.setdefault(name[: -len(suffix)], name)
    if not by_stem:
        return []
    pairs = []
    for name in sorted(names):
        stem, extension = os.path.splitext(name)
        text = by_stem.get(name) or by_stem.get(stem)
        is_media = extension.lower().lstrip(".") in MEDIA_EXTENSIONS
        if text and is_media and not name.startswith("."):
            pairs.append((name, text))
    return pairs


def bytes_beside(storage: Storage, path: str, noun: str) -> bytes:
    """All of a text.

    Args:
        storage: of the archive.
        path: of the text, in the archive.
        noun: what it is called.

    Raises:
        ReferenceTextError: it cannot be read, or is too large.
    """
    try:
        with storage.opened(path) as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ReferenceTextError(f"The {noun} cannot be read: {error.strerror}.") from None
    if len(raw) > MAX_BYTES:
        raise ReferenceTextError(
            f"The {noun} is larger than {MAX_BYTES} bytes; put the text of the recording there."
        )
    return raw


def decoded(raw: bytes, noun: str) -> str:
    """The characters of a text.

    Raises:
        ReferenceTextError: it is no text.
    """
    try:
        return raw.decode("utf-16" if raw[:2] in BYTE_ORDER_MARKS else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReferenceTextError(
            f"The {noun} is not {error.encoding.upper()} (byte {error.start}); save it as UTF-8."
        ) from None
