"""How an archive stands, in the text format that Prometheus reads (prometheus_client's door).

Node exporter's textfile collector reads such a file: nothing listens on a port, and what
Prometheus asks for is there whether or not anything of ours runs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opentr_pipeline.devices.usage import DeviceNow, Reading
from opentr_pipeline.errors import StoreError
from opentr_pipeline.monitoring.status import Status
from opentr_pipeline.settings.addresses import Place
from opentr_pipeline.transcripts.transcript import STATUSES
from opentr_pipeline.wording import readable

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

# Of ``ActiveRun.status``: each is written, also where no run is in it, so that graphs have no gaps.
RUN_STATUSES = ("queued", "starting", "running", "ending")


def text(status: Status, archive: Place) -> str:
    """The metrics of an archive.

    Args:
        status: how it stands now.
        archive: its root, a label of each metric.
    """
    from prometheus_client import generate_latest

    return generate_latest(_registry(status, archive)).decode()


def write(path: Path, status: Status, archive: Place) -> None:
    """Write them to a file; who reads it sees the old ones or the new ones.

    Raises:
        StoreError: it cannot be written.
    """
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(path), _registry(status, archive))
    except OSError as error:
        raise StoreError(
            f"The metrics cannot be written to {path} ({error.strerror}); make its folder "
            "writable, or name another file (--output, PROMETHEUS_FILE)."
        ) from None


class _Gauges:
    """Gauges that all have the label ``archive``."""

    def __init__(self, archive: Place) -> None:
        from prometheus_client import CollectorRegistry

        self.registry = CollectorRegistry()
        self._archive = readable(str(archive))

    def one(self, name: str, meaning: str, value: float) -> None:
        """A gauge with no other label."""
        self.each(name, meaning, (), {(): value})

    def each(
        self,
        name: str,
        meaning: str,
        labels: tuple[str, ...],
        values: Mapping[tuple[str, ...], float],
    ) -> None:
        """A gauge for each value of some labels; left out where there is none."""
        from prometheus_client import Gauge

        if values:
            named = ("archive", *labels)
            gauge = Gauge(f"opentr_{name}", meaning, named, registry=self.registry)
            for key, value in values.items():
                gauge.labels(self._archive, *key).set(value)


def _registry(status: Status, archive: Place) -> "CollectorRegistry":
    gauges = _Gauges(archive)
    _work(gauges, status)
    _queue(gauges, status)
    _devices(gauges, status.devices)
    return gauges.registry


def _work(gauges: _Gauges, status: Status) -> None:
    facts = status.overview
    states = {
        "done": facts.num_done,
        "missing": facts.num_missing,
        "stale": facts.num_stale,
        "failed": facts.num_failed,
        "unprobed": facts.num_unprobed,
    }
    gauges.each("recordings", "Media files of the archive.", ("state",), _keyed(states))
    unpublished = "Recordings that are finished and wait for the rest of their partition."
    gauges.one("recordings_unpublished", unpublished, status.num_unpublished)
    gauges.one("partitions", "Partitions of the archive.", facts.num_partitions)
    audio_s = {"done": facts.done_audio_s, "pending": facts.pending_audio_s}
    gauges.each("audio_seconds", "Audio of the recordings.", ("state",), _keyed(audio_s))
    statuses = {name: status.num_by_status.get(name, 0) for name in STATUSES}
    published = "Published transcripts; corrupt, unsupported and failed ones have no text."
    gauges.each("transcripts", published, ("status",), _keyed(statuses))
    speed = "Seconds of audio in a second, of the last 15 minutes; 0 where nothing was finished."
    gauges.one("speed_x", speed, status.speed_x or 0.0)


def _queue(gauges: _Gauges, status: Status) -> None:
    runs = {name: sum(run.status == name for run in status.runs) for name in RUN_STATUSES}
    gauges.each("runs", "Runs of Dagster that have not ended.", ("status",), _keyed(runs))
    orphans = sum(run.is_orphan for run in status.runs)
    gauges.one("runs_orphaned", "Runs that count as running and whose process is gone.", orphans)
    gauges.one("worker_slots", "Worker slots of the settings.", status.num_worker_slots)
    in_use = "Worker slots that a transcription step holds."
    gauges.one("worker_slots_in_use", in_use, len(status.slots_in_use))
    closed = "Worker slots that are closed for want of memory, until the next start."
    gauges.one("worker_slots_closed", closed, len(status.closed_slots))
    gauges.one("services_up", "Whether the page and the daemon run.", status.page is not None)


def _devices(gauges: _Gauges, devices: list[DeviceNow]) -> None:
    readings = {(one.uuid, one.name): one.reading for one in devices if one.reading}
    figures: tuple[tuple[str, str, Callable[[Reading], float | None]], ...] = (
        (
            "utilization_ratio",
            "Share of the time in which it works, for whomever.",
            lambda reading: reading.utilization_percent / 100,
        ),
        (
            "memory_used_bytes",
            "Memory that is used, by whomever.",
            lambda reading: reading.memory_used_bytes,
        ),
        ("memory_size_bytes", "Memory that it has.", lambda reading: reading.memory_total_bytes),
        ("temperature_celsius", "Its temperature.", lambda reading: reading.temperature_c),
    )
    for name, meaning, figure in figures:
        values: dict[tuple[str, ...], float] = {
            key: value
            for key, reading in readings.items()
            if (value := figure(reading)) is not None
        }
        gauges.each(f"device_{name}", meaning, ("device", "name"), values)


def _keyed(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): value for name, value in values.items()}
