"""A measurement of a card as Markdown, for people and for ``docs/``."""

from collections.abc import Iterable, Sequence

from opentr_pipeline.monitoring.card import CardBench
from opentr_pipeline.monitoring.card_stages import StageRow
from opentr_pipeline.monitoring.scaling import Row
from opentr_pipeline.wording import gigabytes

# What was assumed before anybody had a card, where the code rests on it, and how to read the
# figure that says whether it holds.
ASSUMPTIONS = (
    (
        "PyTorch's encoder is far from being the limit.",
        "recognition/whisper/card_encoder.py, CardEncoder",
        "encode is at least twice as fast as decode",
    ),
    (
        "Two threads a process drive the card.",
        "recognition/whisper/model.py, CARD_WORKERS",
        "two workers are less than 1.3 times as fast as one",
    ),
    (
        "Batches of 16 are as fast as larger ones for wide models.",
        "recognition/whisper/memory.py, USEFUL_BATCHES",
        "the batch of the verdict is no larger",
    ),
    (
        "Word times by a second pass cost little.",
        "recognition/whisper/model.py, Whisper.align",
        "align is at least four times as fast as encode and decode together",
    ),
    (
        "float16 is the fastest arithmetic from capability 9.0 on, int8_float16 from 7.5.",
        "devices/compute_types.py, _best",
        "the arithmetic of the verdict",
    ),
    (
        "Listeners in processes of their own keep the card busy.",
        "recognition/whisper/model.py, MAX_CARD_LISTENERS",
        "the front end is faster than the engine",
    ),
)


def markdown(measured: CardBench) -> str:
    """All of it; tables first, then what follows."""
    kind = (
        "its own weights"
        if measured.is_real
        else (
            "noise in its shape: speed and memory are real, words are not; "
            "every window is 60 words long"
        )
    )
    title = f"# {measured.model} on {measured.device}, {measured.measured_at[:10]}"
    versions = ", ".join(f"{name} {version}" for name, version in measured.libraries.items())
    machine = f"{measured.num_cores} cores ({measured.processor})"
    memory = f", {gigabytes(measured.memory_bytes)} of memory" if measured.memory_bytes else ""
    parts = [
        title,
        f"{measured.device}{memory}; {machine}; {versions}.",
        f"Weights: {kind}. Beam size {measured.beam_size}, {measured.compute_type}.",
        "## Workers at once",
        _workers(measured),
        "## Stages by batch size",
        "Seconds of sound in a second, windows of 18 s heard in 20 s, three for two of a batch; "
        "the engine as a whole on real media.",
        _stages(measured),
        "## Front end",
        _front_end(measured),
        "## Out of memory, on purpose",
        _out_of_memory(measured),
        "## What follows",
        _verdict(measured),
    ]
    return "\n\n".join(parts) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], num_figures: int = 99) -> str:
    sides = ["---:" if place < num_figures else "---" for place in range(len(columns))]
    lines = [columns, sides, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _workers(measured: CardBench) -> str:
    columns = ("workers", "speed", "1 h of sound in", "speed-up", "each worth", "memory", "use")
    return _table(columns, [_worker(measured, row) for row in measured.workers.rows])


def _worker(measured: CardBench, row: Row) -> list[str]:
    if row.failure:
        return [str(row.num_workers), row.failure, *[""] * 5]
    scaling = measured.workers
    busy = sorted(row.utilization_percent)
    return [
        str(row.num_workers),
        _x(row.speed_x),
        f"{3600 / row.speed_x:.1f} s",
        f"{scaling.speed_up(row):.2f}",
        f"{100 * scaling.efficiency(row):.0f} %",
        gigabytes(row.peak_memory_bytes),
        f"{busy[len(busy) // 2]:.0f} %" if busy else "",
    ]


def _stages(measured: CardBench) -> str:
    columns = (
        *("arithmetic", "batch", "features", "encode", "decode", "align", "engine", "use"),
        *("memory", "computed"),
    )
    computed = [gigabytes(num_bytes) for num_bytes in measured.computed_bytes]
    own = list(zip(measured.stages, computed, strict=True))
    others = [(row, "") for row in measured.other_arithmetic]
    return _table(columns, [_stage(row, said) for row, said in (*own, *others)])


def _stage(row: StageRow, computed: str) -> list[str]:
    if row.failure:
        return [row.compute_type, str(row.batch_size), row.failure, *[""] * 7]
    speeds = (row.features_x, row.encode_x, row.decode_x, row.align_x, row.engine_x)
    return [
        row.compute_type,
        str(row.batch_size),
        *map(_x, speeds),
        f"{row.utilization_percent:.0f} %",
        gigabytes(row.memory_bytes),
        computed,
    ]


def _front_end(measured: CardBench) -> str:
    rows = [(str(one.num_listeners), _x(one.speed_x)) for one in measured.front_end]
    return _table(("listeners", "speed"), rows)


def _out_of_memory(measured: CardBench) -> str:
    if not measured.out_of_memory:
        return "Left out on a CPU, whose memory is everybody's."
    rows = [(str(one.batch_size or ""), one.outcome) for one in measured.out_of_memory]
    left = f"{gigabytes(measured.left_bytes)} of memory were left to a step."
    return f"{left}\n\n" + _table(("batch", "what the step did"), rows, 1)


def _verdict(measured: CardBench) -> str:
    workers = measured.num_workers
    lines = [
        f"WHISPER_BATCH_SIZE={measured.batch_size}",
        f"WHISPER_COMPUTE_TYPE={measured.fastest_arithmetic}",
        f"GPU_SCALE_ENABLED={'true' if workers > 1 else 'false'}",
        *([f"GPU_SCALE_WORKERS={workers}"] if workers > 1 else []),
    ]
    code = "\n".join(f"    {line}" for line in lines)
    return f"{code}\n\nWhat was assumed, and where it is read:\n\n" + _table(
        ("assumption", "rests on", "holds where"), ASSUMPTIONS, 0
    )


def _x(speed_x: float) -> str:
    return f"{speed_x:.0f}x" if speed_x >= 100 else f"{speed_x:.1f}x"
