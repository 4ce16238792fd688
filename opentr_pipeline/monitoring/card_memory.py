"""Out of memory on purpose: what a step does on a device that has too little memory left.

The steps are the product's: they load the model and hear a recording under what ``memory_limits``
keeps, each try in a process of its own, until one succeeds or the slot is closed.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from opentr_pipeline.devices.cards import Device, WorkerSlot, cpu_threads
from opentr_pipeline.devices.memory_limits import MAX_TRIES, batch_size_in, learning, open_slots
from opentr_pipeline.errors import NoSlotError
from opentr_pipeline.monitoring.card_stages import in_a_process
from opentr_pipeline.monitoring.scaling_workers import Bench, Take, hear
from opentr_pipeline.recognition.whisper.ballast import fill

FILL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Try:
    """One try of a step.

    Attributes:
        outcome: ``done``, or the sentence that the step ended with.
    """

    batch_size: int
    outcome: str


def tries(
    bench: Bench, takes: Sequence[Take], wanted: int, left_bytes: int, folder: Path
) -> list[Try]:
    """Let steps begin with a batch for which too little memory is left.

    Args:
        bench: model, card and options.
        takes: what each step hears.
        wanted: the batch size of the first.
        left_bytes: of the device's memory to the step; the rest is taken by somebody else.
        folder: for what steps learn, of this measurement alone.
    """
    slot = WorkerSlot(bench.device, 0)
    found: list[Try] = []
    with _filled(bench.device, left_bytes):
        while len(found) < MAX_TRIES:
            try:
                open_slots([slot], folder)
            except NoSlotError as closed:
                return [*found, Try(0, str(closed))]
            size = batch_size_in(slot, wanted, folder)
            said = list(in_a_process(_step, replace(bench, batch_size=size), takes, folder))
            found.append(Try(size, said[-1] if said else "done"))
            if not said or found[-2:-1] == [found[-1]]:  # done, or nothing was learnt
                return found
    return found


def _step(bench: Bench, takes: Sequence[Take], folder: Path) -> Iterator[str]:
    """Hear recordings; raises what a step's process would end with."""
    from opentr_pipeline.recognition.loading import load

    slot = WorkerSlot(bench.device, 0)
    with learning(slot, [slot], folder, bench.batch_size):
        recognizer = load(bench.model, bench.device, bench.options, cpu_threads([slot]))
        hear(bench, recognizer, takes)
    yield from ()


@contextmanager
def _filled(card: Device, left_bytes: int) -> Iterator[None]:
    """Take a card's memory but for so much, for the ``with`` block."""
    context = multiprocessing.get_context("spawn")
    is_full, is_over = context.Event(), context.Event()
    filler = context.Process(target=fill, args=(card, left_bytes, is_full, is_over), daemon=True)
    filler.start()
    try:
        is_full.wait(FILL_TIMEOUT_S)
        yield
    finally:
        is_over.set()
        filler.join(FILL_TIMEOUT_S)
        filler.kill()
