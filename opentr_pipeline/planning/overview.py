"""How the recordings of an archive stand, in numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from opentr_pipeline.archive.media_files import Scan
from opentr_pipeline.planning.backlog import RecordingWork, counted, known_work
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup


@dataclass(frozen=True)
class Overview:
    """How the recordings of an archive stand.

    Attributes:
        num_unprobed: media files that no run or probe has looked into; they are in no state.
    """

    num_done: int = 0
    num_missing: int = 0
    num_stale: int = 0
    num_failed: int = 0
    num_unprobed: int = 0
    num_partitions: int = 0
    done_audio_s: float = 0.0
    pending_audio_s: float = 0.0

    def __add__(self, other: "Overview") -> "Overview":
        """Both together."""
        return Overview(
            *(getattr(self, one.name) + getattr(other, one.name) for one in fields(self))
        )


def probed_work(setup: Setup, found: Scan, options: ArchiveOptions) -> list[RecordingWork]:
    """How the recordings stand that earlier runs have probed; no media are read."""
    return [one for one in known_work(setup, found, options) if not one.recording.is_guessed]


def count(works: Sequence[RecordingWork]) -> Overview:
    """The numbers of one partition, from what is known of it."""
    probed = [one for one in works if not one.recording.is_guessed]
    return Overview(
        **{f"num_{state}": number for state, number in counted(probed).items()},
        num_unprobed=len(works) - len(probed),
        num_partitions=1,
        done_audio_s=audio_s(work for work in probed if work.state == "done"),
        pending_audio_s=audio_s(work for work in probed if work.state != "done"),
    )


def audio_s(all_work: Iterable[RecordingWork]) -> float:
    """Seconds of audio of some recordings, as their headers claim."""
    return sum(work.audio_s for work in all_work)
