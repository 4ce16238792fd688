"""The main memory of this machine, or of the container that we are in."""

from dataclasses import dataclass
from pathlib import Path

# A container's limit and what its processes hold of it, files that are kept in memory left out, in
# the two forms of Linux's control groups.
GROUPS = (
    ("memory.max", "memory.stat", "anon"),
    ("memory/memory.limit_in_bytes", "memory/memory.stat", "total_rss"),
)


@dataclass(frozen=True)
class HostMemory:
    """Main memory, the disk's swap space left out."""

    total_bytes: int
    free_bytes: int


def host_memory(
    facts: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")
) -> HostMemory | None:
    """How much there is and how much a new process may have; None where nobody says."""
    try:
        known = _numbers(facts)
        total, free = known["MemTotal:"] * 1024, known["MemAvailable:"] * 1024
    except (OSError, KeyError):
        return None
    for limit_file, use_file, name in GROUPS:
        try:
            limit = int((groups / limit_file).read_text())
            used = _numbers(groups / use_file)[name]
        except (OSError, KeyError, ValueError):  # not this form, or no limit
            continue
        total, free = min(total, limit), min(free, max(0, limit - used))
    return HostMemory(total, free)


def _numbers(path: Path) -> dict[str, int]:
    """A file of names and numbers, one of each in a line, and a unit at most."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1}
