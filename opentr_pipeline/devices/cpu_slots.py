"""The worker slots of what works on the CPU alone, whatever cards there are."""

from collections.abc import Sequence

from opentr_pipeline.devices.cards import CPU, MAX_CPU_WORKERS, WorkerSlot, num_cores


def hearing_slots(slots: Sequence[WorkerSlot]) -> tuple[WorkerSlot, ...]:
    """Where speakers are told apart, a thread in each slot: on the CPU, whatever else has cards.

    Args:
        slots: the worker slots. Those on the CPU are the same, so that its cores are not promised
            twice; beside cards the cores are free.
    """
    on_cpu = tuple(slot for slot in slots if slot.device.is_cpu)
    num_free = min(num_cores(), MAX_CPU_WORKERS)
    return on_cpu or tuple(WorkerSlot(CPU, number) for number in range(num_free))
