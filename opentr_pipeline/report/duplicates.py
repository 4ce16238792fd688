"""What is in an archive more than once, byte by byte; pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_GROUPS = 20
MAX_PATHS = 10


@dataclass(frozen=True)
class DuplicateGroup:
    """Media files with the same bytes.

    Attributes:
        size_bytes: of one of them.
        bytes_saved: if one were kept.
        paths: at most ``MAX_PATHS``.
    """

    num_files: int
    size_bytes: int
    bytes_saved: int
    paths: list[str]


@dataclass(frozen=True)
class Duplicates:
    """What is in the archive more than once.

    Attributes:
        groups: those that would save most, at most ``MAX_GROUPS``.
    """

    num_groups: int
    num_files: int
    bytes_saved: int
    groups: list[DuplicateGroup]


def duplicates(files: Iterable[tuple[str, int, str]]) -> Duplicates:
    """Media files with the same bytes.

    Args:
        files: media fingerprint, size in bytes and path of each; one without a fingerprint, or
            without bytes, is like no other.
    """
    by_content: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for media_fingerprint, size_bytes, path in files:
        if media_fingerprint and size_bytes:
            by_content[media_fingerprint].append((size_bytes, path))
    groups = [_group(same) for same in by_content.values() if len(same) > 1]
    groups.sort(key=lambda one: (-one.bytes_saved, one.paths))
    return Duplicates(
        len(groups),
        sum(one.num_files - 1 for one in groups),
        sum(one.bytes_saved for one in groups),
        groups[:MAX_GROUPS],
    )


def _group(same: Sequence[tuple[int, str]]) -> DuplicateGroup:
    size_bytes = same[0][0]
    paths = sorted(path for _, path in same)[:MAX_PATHS]
    return DuplicateGroup(len(same), size_bytes, size_bytes * (len(same) - 1), paths)
