"""How much memory a worker needs for a model, a compute type and a batch; pure.

A worker holds the weights, what its libraries take however little they do, and for each window of a
batch what encoder and decoder work with, taken as if it had the full 30 s.

Source: the product on an H100 with beam 5 and two batches at a time (docs/measurements.md), in GB:
large-v3-turbo, int8_float16, at batch 8, 16, 32, 64: 3.8, 5.2, 8.0, 13.4; here 4.0, 5.4, 8.3, 14.1;
float16 at 32: 6.7; here 8.5. large-v2, int8_float16, at 16 and 32: 10.1, 18.2; here 11.1, 18.9;
float16 at 32: 18.4; here 19.8. Where CTranslate2 encodes, published peaks of other engines on it,
in MB: large-v2 at batch 1 in int8 (README of faster-whisper 1.2.1, RTX 3070 Ti) 2926.

On a CPU, with beam 5, two cores and eight minutes of dense speech, in MB: a whole step of Dagster's
with ``base``, int8, batch 6: 987; here 1018. The engine without Dagster, which adds some 100:
``base`` int8 at batch 1, 6 and 16: 576, 757, 1134; float32 at 6 and 16: 952, 1516; random weights
in the shape of ``small``, int8 at 1 and 6: 907, 1474; here 755, 1018, 1544; 1236, 1762; 1144, 1933.
"""

from opentr_pipeline.recognition.whisper.shapes import NUM_FRAMES, ModelShape
from opentr_pipeline.settings.values import MAX_BATCH_SIZE

# The CUDA context, cuBLAS's workspaces, and what the allocator keeps for later.
CARD_BYTES = 900_000_000
# Kernels and workspaces of PyTorch beside them, and rows that it keeps for later.
TORCH_BYTES = 200_000_000
TORCH_ROWS = 22
# Python, Dagster, the libraries and their threads; 130 MB of it before the engine is imported.
CPU_BYTES = 400_000_000
# Tables of attention between all frames that exist at a time, and rows as wide as the model.
CARD_ATTENTIONS = 2
CPU_ATTENTIONS = 1
NUM_ROWS = 14
# Tokens of a window, prompt included, that are kept for each hypothesis; dense speech has some 100.
NUM_TOKENS = 128
# Of each token of the vocabulary, for each token that is said.
ALIGNED_BYTES = 8
# Windows decoded together from which on a card gains nothing, by the model's width.
# Source: on an H100, large-v3-turbo is at 16 within 6 % of its best, and at half the memory of 32.
# The others: OpenTranscribe's measurements.
USEFUL_BATCHES = {1280: 16, 768: 16, 0: 24}
CPU_BATCH = 6


def worker_bytes(
    shape: ModelShape, compute_type: str, batch_size: int, beam_size: int, cpu_batches: int = 0
) -> int:
    """What one worker needs at its peak.

    Args:
        shape: of the model.
        compute_type: a resolved one.
        batch_size: windows decoded together, by all its threads.
        beam_size: hypotheses kept.
        cpu_batches: batches at a time on a CPU, each of which encodes one window; 0: a card, which
            encodes the whole batch at once, and decodes it in the same memory.
    """
    number_bytes = 4 if cpu_batches or compute_type.endswith("32") else 2
    weight_bytes = 1 if compute_type.startswith("int8") else number_bytes
    weights = shape.num_parameters * weight_bytes
    attention = shape.num_heads * NUM_FRAMES**2 * number_bytes
    rows = NUM_ROWS * NUM_FRAMES * shape.width * number_bytes
    kept = NUM_FRAMES + beam_size * NUM_TOKENS  # keys and values, of the sound and of the text
    decoding = 2 * shape.num_decoder_layers * kept * shape.width * number_bytes
    if cpu_batches:
        encoding = CPU_ATTENTIONS * attention + rows
        return CPU_BYTES + weights + cpu_batches * encoding + batch_size * decoding
    # PyTorch encodes in halves, and keeps its memory for itself. Without it, which is said where a
    # model is loaded, CTranslate2 needs up to a tenth more at large batches.
    if compute_type.endswith("float16"):
        weights += shape.num_encoder_parameters * (number_bytes - weight_bytes)
        rows = TORCH_ROWS * NUM_FRAMES * shape.width * number_bytes
        aligning = ALIGNED_BYTES * NUM_TOKENS * shape.vocabulary
        return CARD_BYTES + TORCH_BYTES + weights + batch_size * (rows + decoding + aligning)
    encoding = CARD_ATTENTIONS * attention + rows
    return CARD_BYTES + weights + batch_size * max(encoding, decoding)


def useful_batch(shape: ModelShape) -> int:
    """The smallest batch with which a card is as fast as it gets."""
    return next(size for width, size in USEFUL_BATCHES.items() if shape.width >= width)


def largest_batch(
    shape: ModelShape, compute_type: str, beam_size: int, room_bytes: float, cpu_batches: int = 0
) -> int:
    """The largest batch for which there is room; 0 where there is none for a single window."""
    one, two = (worker_bytes(shape, compute_type, size, beam_size, cpu_batches) for size in (1, 2))
    if one > room_bytes:
        return 0
    return int(min(MAX_BATCH_SIZE, 1 + (room_bytes - one) // (two - one)))
