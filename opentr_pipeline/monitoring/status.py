"""How an archive stands and what runs at this moment, cheap enough to look every other second."""

import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.commands import command
from opentr_pipeline.devices.leases import Holder
from opentr_pipeline.devices.memory_limits import MemoryLimit, batch_limits, closed_slots
from opentr_pipeline.devices.usage import DeviceNow, devices_now
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.launching.run_state import ActiveRun, active_runs
from opentr_pipeline.monitoring.cluster import holders_anywhere
from opentr_pipeline.planning.backlog import known_work_by_partition
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.overview import Overview, count
from opentr_pipeline.planning.plan import SELECTIONS, Selection
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_work import speaker_work
from opentr_pipeline.quality.pace import NOW, just_finished, pace
from opentr_pipeline.services.dev import services_of
from opentr_pipeline.services.stack import Stack
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.transcript import Content

# Scanning, and reading what is published, costs seconds where there are 100,000 recordings. It is
# done so often, and never for more than this share of the time.
RESCAN_S = 30.0
RESCAN_SHARE = 0.1


@dataclass(frozen=True)
class Status:
    """How an archive stands.

    Attributes:
        num_unpublished: recordings that are finished and wait for the rest of their partition.
        closed_slots: worker slots that are given to nobody, for want of memory.
        batch_limits: devices that hold only smaller batches than the settings'.
        num_by_status: published transcripts.
        devices: that have worker slots.
        speed_x: of the last minutes; None where nothing was finished.
        page: its address, where it runs, or that of the production stack.
        num_speakers_left: recordings in which a run tells speakers apart, or takes them back.
        num_speakers_failed: in which they could not be told apart.
    """

    overview: Overview
    num_unpublished: int
    num_by_status: dict[str, int]
    num_worker_slots: int
    slots_in_use: list[Holder]
    closed_slots: list[MemoryLimit]
    batch_limits: list[MemoryLimit]
    devices: list[DeviceNow]
    runs: list[ActiveRun]
    speed_x: float | None
    page: str | None
    num_speakers_left: int = 0
    num_speakers_failed: int = 0

    def for_programs(self) -> dict[str, Any]:
        """The same, flat, as ``--json`` prints it."""
        facts = dataclasses.asdict(self)
        return {**facts.pop("overview"), "num_slots_in_use": len(self.slots_in_use), **facts}


class StatusWatch:
    """Looks again and again, at what is dear to look at less often."""

    def __init__(self, setup: Setup, ask_options: Callable[[], ArchiveOptions]) -> None:
        """Prepare; nothing is looked at yet.

        Args:
            setup: of the archive.
            ask_options: says what decides what transcripts say; asked again and again, as the first
                run may fetch the model that they depend on.
        """
        self._setup = setup
        self._settings = setup.settings
        self._ask_options = ask_options
        self._slots = setup.slots
        self._store = setup.store
        self._checkpoints = Checkpoints(self._store.inner, self._store.database)
        self._rescan_at = 0.0

    def status(self) -> Status:
        """How it stands now."""
        if time.monotonic() >= self._rescan_at:
            self._rescan()
        finished = self._checkpoints.listed("json")
        services = services_of(self._settings)
        folder = self._setup.slots_folder
        return Status(
            self._overview,
            sum(self._pending[content] for content in finished),
            self._num_by_status,
            len(self._slots),
            holders_anywhere(self._setup),
            closed_slots(self._slots, folder),
            batch_limits(self._slots, folder),
            devices_now(slot.device for slot in self._slots if not self._settings.cluster_address),
            active_runs(self._setup.workspace),
            self._speed_x,
            services.address if services.is_running() else self._page_of_stack,
            self._speakers["pending"],
            self._speakers["failed"],
        )

    def _rescan(self) -> None:
        started = time.monotonic()
        options = self._ask_options()
        found = scan(self._setup.workspace.archive)
        self._overview, self._pending = Overview(), Counter[Content]()
        self._speakers = Counter[Selection]()
        for works in known_work_by_partition(self._setup, found, options):
            self._overview += count(works)
            probed = [one for one in works if not one.recording.is_guessed]
            self._pending.update(one.content for one in probed if one.state != "done")
            for one in speaker_work(self._setup, (work.recording for work in probed)):
                self._speakers.update(kind for kind in SELECTIONS if one.is_selected(kind))
        statuses = self._store.read("transcripts", ["status"])["status"].value_counts()
        self._num_by_status = {one["values"]: one["counts"] for one in statuses.to_pylist()}
        since = datetime.now(UTC) - NOW
        self._speed_x = pace(just_finished(self._store, since)).speed_x
        self._page_of_stack = _page_of_stack(Stack.as_started(self._settings))
        took_s = time.monotonic() - started
        self._rescan_at = time.monotonic() + max(RESCAN_S, took_s / RESCAN_SHARE)


def _page_of_stack(stack: Stack) -> str | None:
    """Where the production stack's page is, and who knows its runs; None where no stack works."""
    with contextlib.suppress(ServiceError):  # no Docker, or no engine that answers
        if stack.is_running():
            return f"{stack.address} (prod; {command('prod status')})"
    return None
