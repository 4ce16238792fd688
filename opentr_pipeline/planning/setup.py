"""What the settings mean on this machine, found out once and handed on."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.archive.recordings import ProbeMemory
from opentr_pipeline.archive.shared_probes import SharedProbes
from opentr_pipeline.devices import cards, shared_folder
from opentr_pipeline.devices.cards import Cards, WorkerSlot
from opentr_pipeline.devices.cluster_slots import cluster_slots
from opentr_pipeline.planning import hosts
from opentr_pipeline.planning.options import NO_OPTIONS, ArchiveOptions, archive_options
from opentr_pipeline.postgres import Database, database
from opentr_pipeline.recognition import budget, models
from opentr_pipeline.recognition.budget import Workers
from opentr_pipeline.recognition.models import MissingModelError, Model
from opentr_pipeline.settings.environment import Settings, is_in_stack, is_on_cluster
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.published import files_database, store_of
from opentr_pipeline.transcripts.store import TranscriptStore


@dataclass(frozen=True)
class Setup:
    """The settings of a process and what follows from them; each part is made when it is needed.

    Who needs one part takes that part, and not all of this.
    """

    settings: Settings

    @property
    def workspace(self) -> Workspace:
        """Where everything of the archive is."""
        return self.settings.workspace

    @property
    def partitioning(self) -> Partitioning:
        """How the archive is divided."""
        said = self.settings
        return Partitioning(said.partition_by, said.partition_depth, said.partition_count)

    @cached_property
    def store(self) -> TranscriptStore:
        """The archive's tables; a step on a host follows those of its shard by itself."""
        keys = () if is_on_cluster() else None
        return store_of(self.workspace, self.database, keys)

    @property
    def database(self) -> Database | None:
        """Where several hosts keep what they share; None where there is one host.

        The stack is of one host, unless it has a cluster: its containers share files with the
        commands beside it.
        """
        has_hosts = self.settings.cluster_address or not is_in_stack()
        if not self.workspace.database or not has_hosts:
            return None
        return files_database(self.workspace) or database(self.workspace.database)

    @cached_property
    def probe_memory(self) -> ProbeMemory:
        """What probes of media files learnt, one for all archives of a host."""
        if self.database:
            return SharedProbes(self.database)
        return ProbeMemory(self.workspace.probe_memory)

    @cached_property
    def cards(self) -> Cards:
        """The cards of this machine that may be used.

        Raises:
            SettingsError: a variable of CUDA's may mean others.
        """
        return cards.find_cards()

    @cached_property
    def slots(self) -> tuple[WorkerSlot, ...]:
        """The worker slots: of this machine, or of all hosts of a cluster.

        Raises:
            ServiceError: no host has joined the cluster.
            SettingsError: a device that is not there.
        """
        if self.settings.cluster_address:
            return cluster_slots(self.settings, hosts.known_hosts(self.settings))
        return cards.worker_slots(self.settings, self.cards.devices)

    @cached_property
    def model_name(self) -> str:
        """The model that is meant; it need not be there."""
        return models.model_name(self.settings.whisper_model, self.slots)

    @cached_property
    def model(self) -> Model:
        """The model.

        Raises:
            ModelError: it is not there.
        """
        return models.find(self.model_name, self.workspace.models)

    @cached_property
    def slots_folder(self) -> Path:
        """Where the worker slots are held.

        Raises:
            SettingsError: it cannot be made.
        """
        return shared_folder.slots_folder(self.workspace.worker_slots)

    @cached_property
    def workers(self) -> Workers:
        """What is to work in the slots.

        Raises:
            SettingsError: a device cannot do the arithmetic that is asked for, or the slots' folder
                cannot be made.
        """
        settings = self.settings
        work = budget.workload(
            self.model_name,
            self.workspace.models,
            settings.whisper_compute_type,
            settings.whisper_beam_size,
            self.slots,
        )
        wanted = settings.whisper_batch_size
        batch = None if wanted == "auto" else int(wanted)
        return Workers(self.slots, work, batch, self.slots_folder)

    @cached_property
    def options(self) -> ArchiveOptions:
        """What decides what the archive's transcripts say; see ``options_with``."""
        return self.options_with()

    def options_to_look(self) -> ArchiveOptions:
        """The same for who only looks; before anything is published nothing depends on them.

        Who looks again asks again: a run may have fetched the model since.

        Raises:
            ModelError: the model is not there, and transcripts are, or it cannot do what is asked.
            SettingsError: a file with options is not there or makes no sense.
        """
        try:
            return self.options
        except MissingModelError:
            if self.store.partition_keys():
                raise
            return NO_OPTIONS

    def options_with(self, typed: Collection[str] = ()) -> ArchiveOptions:
        """The same, where a person chose some settings for this run alone.

        Args:
            typed: names of these settings; no folder replaces them.

        Raises:
            ModelError: the model is not there, or cannot do what is asked of it.
            SettingsError: a file with options is not there or makes no sense.
        """
        return archive_options(self.settings, self.model, self.slots, typed)
