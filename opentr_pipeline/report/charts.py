"""The report's numbers as pictures (Matplotlib's other door).

A name that Matplotlib's own font cannot write (Chinese), or that it would write backwards
(Arabic), is a number in the picture and stands in the list beside it.
"""

import base64
import io
import logging
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from opentr_pipeline.archive.references import WordErrors
from opentr_pipeline.quality.totals import NUM_CONFIDENCE_BINS, Tally
from opentr_pipeline.report.facts import ReportFacts

FONT = "DejaVu Sans"  # comes with Matplotlib
# Both are read on white and on black (contrast 4 to 1 at least). In the report, where a style sheet
# knows which it is, ``svg`` puts the theme's own in their place.
BARS, INK = "#c2622d", "#777777"
THEME = {BARS: "var(--accent)", INK: "var(--soft)"}
STYLE: Any = {
    "font.family": FONT,
    "font.size": 8,
    "axes.titlesize": 10,
    "axes.edgecolor": INK,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "ytick.major.pad": 6,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,
    **{f"{part}.color": INK for part in ("text", "grid", "xtick", "ytick")},
    **{f"axes.{part}color": INK for part in ("label", "title")},
}
SIZE_INCHES = (6.4, 3.2)
PNG_DPI = 100
MAX_BARS = 15
MIN_ROWS = 5  # of room, so that two bars are no blocks
MAX_LABEL_LETTERS = 24
MAX_DAYS = 60
MAX_DATES = 6


@dataclass(frozen=True)
class Chart:
    """A picture and what it shows.

    Attributes:
        title: what is measured, with its unit.
        rows: the same as names and numbers.
    """

    title: str
    rows: list[tuple[str, str]]
    draw: Callable[[Any], None]

    @property
    def alt(self) -> str:
        """The picture in a sentence."""
        shown = "; ".join(f"{name} {said}" for name, said in self.rows[:5])
        return f"{self.title}: {shown}{' and so on' * (len(self.rows) > 5)}."

    def png(self) -> bytes:
        """For Dagster's page; small, because it is kept with the event."""
        return self._drawn("png", dpi=PNG_DPI)

    def svg(self, prefix: str) -> str:
        """For the report, in the colours of its style sheet.

        Args:
            prefix: makes its ids unlike those of other pictures on the same page.
        """
        text = self._drawn("svg", metadata={"Date": None, "Creator": None}).decode()
        text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}-", text[text.index("<svg") :])
        for colour, variable in THEME.items():
            text = text.replace(colour, variable)
        return text

    def markdown(self) -> str:
        """The picture and its numbers, for Dagster's page."""
        picture = base64.b64encode(self.png()).decode()
        rows = (
            f"| {number} | {_escaped(name)} | {_escaped(said)} |"
            for number, (name, said) in enumerate(self.rows, 1)
        )
        table = "\n".join(("| no. | | |", "| --: | :-- | --: |", *rows))
        return f"![{_escaped(self.alt)}](data:image/png;base64,{picture})\n\n{table}"

    def _drawn(self, form: str, **how: Any) -> bytes:
        # The first use on a machine lists its fonts and says so, which is nobody's business.
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        import matplotlib
        from matplotlib.figure import Figure

        stream = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=SIZE_INCHES, layout="constrained")
            axes = figure.add_subplot()
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.set_title(self.title, loc="left")
            self.draw(axes)
            figure.savefig(stream, format=form, transparent=True, **how)
        return stream.getvalue()


def charts(facts: ReportFacts) -> dict[str, Chart]:
    """The pictures that there is something to see in, by name."""
    folders = {one.name: one.tally for one in facts.folders}
    found = {
        "hours_by_language": _hours("Hours of audio by language", facts.by_language),
        "hours_by_folder": _hours("Hours of audio by folder", folders),
        "recordings_by_status": _counts("Recordings by status", facts.by_status),
        "speed_by_day": speed_by_day(facts),
        "confidence_of_words": confidence(facts),
        "word_errors_by_folder": _word_errors(facts),
    }
    return {name: chart for name, chart in found.items() if chart}


def _hours(title: str, tallies: dict[str, Tally]) -> Chart | None:
    hours = [(name, tally.audio_s / 3600) for name, tally in tallies.items()]
    return _across(title, hours, "{:.3f}" if hours and hours[0][1] < 1 else "{:,.1f}")


def _counts(title: str, tallies: dict[str, Tally]) -> Chart | None:
    counts = [(name, float(tally.num_recordings)) for name, tally in tallies.items()]
    return _across(title, sorted(counts, key=lambda one: -one[1]), "{:,.0f}")


def _across(title: str, values: Sequence[tuple[str, float]], form: str) -> Chart | None:
    """Bars that lie, the longest first; None where one bar is all."""
    if len(values) < 2:
        return None
    bars, rest = values[:MAX_BARS], values[MAX_BARS:]
    rows = [(name, form.format(value)) for name, value in bars]
    if rest:  # no bar, beside which all others would be short
        title = f"{title}, the first {len(bars)} of {len(values)}"
        rows.append((f"{len(rest)} others", form.format(sum(value for _, value in rest))))

    def draw(axes: Any) -> None:
        drawn = axes.barh(range(len(bars)), [value for _, value in bars], color=BARS, height=0.7)
        axes.bar_label(drawn, [said for _, said in rows[: len(bars)]], padding=4)
        _name_across(axes, [name for name, _ in bars])
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.margins(x=0.1)

    return Chart(title, rows, draw)


def _name_across(axes: Any, names: Sequence[str]) -> None:
    labels = [_label(name, number) for number, name in enumerate(names, 1)]
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(max(len(names), MIN_ROWS) - 0.5, -0.5)


def speed_by_day(facts: ReportFacts) -> Chart | None:
    """How fast it went on each day of work; None where there is one day at most."""
    days = [
        (datetime.fromisoformat(one.begins), one.pace.speed_x)
        for one in facts.days
        if one.pace.speed_x
    ][-MAX_DAYS:]
    if len(days) < 2:
        return None

    def draw(axes: Any) -> None:
        axes.bar(range(len(days)), [speed_x for _, speed_x in days], color=BARS, width=0.7)
        step = -(-len(days) // MAX_DATES)
        told = range(0, len(days), step)
        axes.set_xticks(told, [f"{days[place][0]:%d %b %y}" for place in told])
        _scale(axes)

    rows = [(f"{day:%Y-%m-%d}", f"{speed_x:.1f}x") for day, speed_x in days]
    return Chart("Seconds of audio transcribed in a second, by day", rows, draw)


def confidence(facts: ReportFacts) -> Chart | None:
    """How sure the model was of its words; None without any."""
    minutes = [seconds / 60 for seconds in facts.by_confidence_s]
    words_m = sum(minutes)
    if not words_m:
        return None
    edges = [number / NUM_CONFIDENCE_BINS for number in range(NUM_CONFIDENCE_BINS + 1)]
    shares = [100 * value / words_m for value in minutes]

    def draw(axes: Any) -> None:
        width = 0.9 / NUM_CONFIDENCE_BINS
        axes.bar(edges[:-1], shares, width=width, align="edge", color=BARS)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        axes.set_xlim(0, 1)
        axes.set_xlabel("the model's probability of a word", labelpad=8)
        _scale(axes)

    rows = [
        (f"{low:.2f} to {high:.2f}", f"{share:.1f} %")
        for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True)
    ]
    return Chart("Share of spoken time by confidence, in %", rows, draw)


def _scale(axes: Any) -> None:
    axes.yaxis.grid(True)
    axes.set_axisbelow(True)
    axes.locator_params(axis="y", nbins=5)


def _word_errors(facts: ReportFacts) -> Chart | None:
    """The word error rate of folders with references, and how sure it is."""
    known = [(one.name, one.word_errors) for one in facts.folders if one.word_errors]
    known = known[:MAX_BARS]
    if len(known) < 2:
        return None

    def draw(axes: Any) -> None:
        for place, (_, one) in enumerate(known):
            if one.low is not None and one.high is not None:
                axes.plot([100 * one.low, 100 * one.high], [place, place], color=BARS, linewidth=2)
            axes.plot(100 * one.rate, place, "o", color=BARS, markersize=6, clip_on=False)
        _name_across(axes, [name for name, _ in known])
        axes.set_xlim(left=0)
        axes.xaxis.grid(True)

    rows = [(name, rate_text(one)) for name, one in known]
    return Chart("Word errors by folder, in %, with 95 % intervals", rows, draw)


def rate_text(errors: WordErrors) -> str:
    """``7.5 % (6.1 to 9.0)``."""
    if errors.low is None or errors.high is None:
        return f"{100 * errors.rate:.1f} %"
    return f"{100 * errors.rate:.1f} % ({100 * errors.low:.1f} to {100 * errors.high:.1f})"


def _label(name: str, number: int) -> str:
    """A name short enough for a picture, or its number where the font cannot write it."""
    name = unicodedata.normalize("NFC", name)
    if not is_writable(name):
        return f"no. {number}"
    return name if len(name) <= MAX_LABEL_LETTERS else f"{name[: MAX_LABEL_LETTERS - 1]}…"


def is_writable(text: str) -> bool:
    """Whether Matplotlib's own font has all of a text, from left to right."""
    return all(
        ord(letter) in _letters() and unicodedata.bidirectional(letter) not in ("R", "AL")
        for letter in text
    )


@cache
def _letters() -> frozenset[int]:
    from matplotlib import font_manager, ft2font

    font = ft2font.FT2Font(font_manager.findfont(FONT))
    return frozenset(code for code in font.get_charmap() if chr(code).isprintable())


def _escaped(text: str) -> str:
    """Text that Markdown takes for nothing else, on one line."""
    plain = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", plain)
