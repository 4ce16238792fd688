"""A measurement of a card as a picture (Matplotlib's door, with the other charts)."""

from pathlib import Path

from opentr_pipeline.monitoring.card import CardBench
from opentr_pipeline.monitoring.scaling_chart import IDEAL, INK, SOFT

COLORS = (SOFT, "#d08a3c", "#5a9367", "#8a6bb0")


def draw(measured: CardBench, path: Path) -> None:
    """Draw speed by batch size, speed by workers, and the device's use over time, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), dpi=140, layout="constrained")
    stages, workers, use = figure.subplots(1, 3)
    rows = [row for row in measured.stages if not row.failure]
    sizes = [row.batch_size for row in rows]
    for name, color in zip(("engine", "encode", "decode", "align"), COLORS, strict=True):
        stages.plot(sizes, [getattr(row, f"{name}_x") for row in rows], "-o", color=color, ms=3)
        stages.annotate(name, (sizes[-1], getattr(rows[-1], f"{name}_x")), color=color, fontsize=8)
    stages.set(xscale="log", yscale="log", xlabel="windows in a batch")
    stages.set_ylabel("seconds of sound in a second")
    stages.set_xticks(sizes, [str(size) for size in sizes])
    done = [row for row in measured.workers.rows if not row.failure]
    numbers, speeds = [row.num_workers for row in done], [row.speed_x for row in done]
    workers.bar([str(number) for number in numbers], speeds, color=SOFT)
    workers.plot(
        [str(number) for number in numbers],
        [speeds[0] * number for number in numbers],
        "--o",
        color=IDEAL,
        ms=3,
    )
    workers.set_ylim(0, 2 * max(speeds))
    workers.set_xlabel("workers at once (dashed: one, times N)")
    for row, color in zip(done, COLORS * 2, strict=False):
        use.plot(row.utilization_percent, color=color, label=str(row.num_workers))
    use.set_xlabel("from when they begin to hear to their end")
    use.set_ylabel("use of the device, %")
    use.legend(title="workers", frameon=False, fontsize=8)
    for axes in (stages, workers, use):
        axes.spines[["top", "right"]].set_visible(False)
    said = "" if measured.is_real else " (noise)"
    figure.suptitle(
        f"{measured.model}{said}, {measured.compute_type}, on {measured.device}, "
        f"{measured.measured_at[:10]}",
        fontsize=10,
        color=INK,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
