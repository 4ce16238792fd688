"""Loads what recognizes speech; nobody else decides which recognizer that is."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from opentr_pipeline.devices import cards
from opentr_pipeline.devices.cards import Device, WorkerSlot
from opentr_pipeline.devices.leases import has_loaded
from opentr_pipeline.devices.memory_limits import batch_size_in
from opentr_pipeline.recognition import models
from opentr_pipeline.recognition.budget import Workers
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.recognizer import Recognizer
from opentr_pipeline.recognition.whisper.model import Whisper
from opentr_pipeline.recognition.whisper.transcriber import Transcriber

_log = logging.getLogger(__name__)


def load(
    model: Model, device: Device, options: TranscriptionOptions, cpu_threads: int
) -> Recognizer:
    """Load a model onto a device.

    Args:
        model: where it is.
        device: what it runs on.
        options: name its arithmetic; all else in them may differ from batch to batch.
        cpu_threads: cores that it may use.

    Raises:
        OutOfMemoryError: the device has too little memory for it.
        ModelError: the device cannot run it with this arithmetic, or lacks a library.
    """
    return Transcriber(Whisper(model, device, options, cpu_threads))


@dataclass(frozen=True)
class SlotLoader:
    """Loads the recognizer into a worker slot that is held, once it is needed.

    Attributes:
        options: name model and arithmetic, which are the same for all recordings of a run.
        cpu_threads: cores that the slot may use.
        batch_size: windows to decode together.
        need_bytes: of the device's memory at the worker's peak; 0 where it is unknown.
        slots_folder: where others see what the slot's holder has of that memory.
    """

    slot: WorkerSlot
    options: TranscriptionOptions
    models_root: Path
    cpu_threads: int
    batch_size: int
    need_bytes: int
    slots_folder: Path

    @classmethod
    def of(
        cls, workers: Workers, slot: WorkerSlot, options: TranscriptionOptions, models_root: Path
    ) -> "SlotLoader":
        """The loader of a slot, with the batch that its device has room for at this moment.

        Args:
            workers: of the settings.
            slot: the one that is held.
            options: of a recording of the run.
            models_root: where models are kept.
        """
        folder = workers.slots_folder
        batch_size = batch_size_in(slot, workers.batch_size(slot), folder)
        return cls(
            slot,
            options,
            models_root,
            cards.cpu_threads(workers.slots),
            batch_size,
            workers.need_bytes(slot, batch_size),
            folder,
        )

    def load(self) -> Recognizer:
        """Load it, and let those who plan with the device's memory know.

        Raises:
            OutOfMemoryError: the device has too little memory for it.
            ModelError: it is not there, or the device cannot run it.
        """
        started = time.monotonic()
        model = models.find(self.options.model, self.models_root)
        recognizer = load(model, self.slot.device, self.options, self.cpu_threads)
        has_loaded(self.slot, self.need_bytes, self.slots_folder)
        said = "Model %s loaded in %.1f s, batch size %d."
        _log.info(said, model.name, time.monotonic() - started, self.batch_size)
        return recognizer
