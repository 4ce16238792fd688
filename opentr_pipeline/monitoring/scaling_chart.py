"""A measurement of scaling as a picture (Matplotlib's door)."""

from pathlib import Path

from opentr_pipeline.monitoring.scaling import Scaling

INK, SOFT, IDEAL = "#1b1f24", "#3b6ea5", "#9aa4ae"


def draw(scaling: Scaling, path: Path) -> None:
    """Draw speed over the number of workers, beside what N times one worker would be, as PNG."""
    from matplotlib.figure import Figure

    rows = [row for row in scaling.rows if not row.failure]
    numbers = [row.num_workers for row in rows]
    speeds = [row.speed_x for row in rows]
    figure = Figure(figsize=(7, 4.2), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    places = range(len(rows))
    axes.bar(places, speeds, width=0.6, color=SOFT, label="measured")
    ideal = [speeds[0] * number for number in numbers]
    axes.plot(places, ideal, "--o", color=IDEAL, markersize=4, label="one worker, times N")
    for place, row in zip(places, rows, strict=True):
        said = f"{row.speed_x:.1f}x\n{100 * scaling.efficiency(row):.0f} %"
        axes.annotate(
            said, (place, row.speed_x / 2), ha="center", va="center", color="white", fontsize=9
        )
    axes.set_xticks(list(places), [str(number) for number in numbers])
    axes.set_xlabel("workers", color=INK)
    axes.set_ylabel("seconds of audio in a second", color=INK)
    axes.set_title(
        f"{scaling.model}, {scaling.compute_type}, batch {scaling.batch_size} on {scaling.device} "
        f"({scaling.num_cores} cores), {scaling.measured_at[:10]}",
        fontsize=10,
        color=INK,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
