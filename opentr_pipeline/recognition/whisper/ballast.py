"""Takes a card's memory, as another program on it would (CTranslate2's door, with ``whisper``)."""

from typing import Any

from opentr_pipeline.devices.cards import Device, card_state
from opentr_pipeline.recognition.whisper.model import use_card

# What is taken at a time.
PIECE_BYTES = 256 * 1024 * 1024


def fill(device: Device, left_bytes: int, is_full: Any, is_over: Any) -> None:
    """Take all but so much, say so, and give it back when it is over; in a process of its own.

    Args:
        device: a card.
        left_bytes: what others may have.
        is_full: an event, set once no more is taken.
        is_over: an event that is waited for.
    """
    use_card(device)
    import ctranslate2
    import numpy as np

    piece = ctranslate2.StorageView.from_array(np.zeros(PIECE_BYTES // 4, np.float32))
    pieces = []
    while (state := card_state(device.uuid)) and (state.free_bytes or 0) > left_bytes + PIECE_BYTES:
        pieces.append(piece.to_device(ctranslate2.Device.cuda))
    is_full.set()
    is_over.wait()
