"""How the recordings of an archive stand, in numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opentr_pipeline.archive.media_files import Scan
from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.planning.backlog import RecordingWork, counted, known_work
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup


@dataclass(frozen=True)
class Overview:
    """How the recordings of an archive stand.

    Attributes:
        num_unprobed: media files that no run or probe has looked into; they are in no state.
    """

    num_done: int
    num_missing: int
    num_stale: int
    num_failed: int
    num_unprobed: int
    num_partitions: int
    done_audio_s: float
    pending_audio_s: float


def probed_work(setup: Setup, found: Scan, options: ArchiveOptions) -> list[RecordingWork]:
    """How the recordings stand that earlier runs have probed; no media are read."""
    return [one for one in known_work(setup, found, options) if not one.recording.is_guessed]


def count(all_work: Sequence[RecordingWork], found: Scan, partitioning: Partitioning) -> Overview:
    """The numbers of ``probed_work``."""
    return Overview(
        **{f"num_{state}": number for state, number in counted(all_work).items()},
        num_unprobed=len(found.media_files) - len(all_work),
        num_partitions=len(partitioning.groups(found.media_files)),
        done_audio_s=audio_s(work for work in all_work if work.state == "done"),
        pending_audio_s=audio_s(work for work in all_work if work.state != "done"),
    )


def audio_s(all_work: Iterable[RecordingWork]) -> float:
    """Seconds of audio of some recordings, as their headers claim."""
    return sum(work.audio_s for work in all_work)
