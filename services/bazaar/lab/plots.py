"""Plots of simulated years, PNG and SVG: who waits how long, who is served how often, who comes back.

matplotlib is not part of the image (group `lab`); it is loaded by the functions that draw.
"""

import importlib.util
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from services.bazaar.lab.outcome import Curves, Outcome
from services.bazaar.lab.titles import TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "plots need matplotlib, which is in the group lab: uv sync --group lab; or take --no-plots"

STYLES = {
    "waiting": ("#0072b2", "-"),
    "turns": ("#56b4e9", "--"),
    "rw": ("#009e73", "-"),
    "first-come": ("#d55e00", "-"),
    "lottery": ("#cc79a7", "-."),
    "weighted-lottery": ("#e69f00", ":"),
}
"""Colours that the colour-blind can tell apart (Okabe and Ito), and lines that paper can."""


def can_plot() -> bool:
    """Is matplotlib there?"""
    return importlib.util.find_spec("matplotlib") is not None


def write_plots(folder: Path, outcomes: Sequence[Outcome], curves: Sequence[Curves]) -> list[Path]:
    """Every plot as PNG and SVG; the paths written."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "lapak"  # the same drawing gives the same file
    from matplotlib import pyplot

    drawings: dict[str, Callable[[Axes], None]] = {
        "waits": lambda axes: _waits(axes, curves),
        "longest-wait": lambda axes: _longest(axes, curves),
        "times-served": lambda axes: _times(axes, curves),
        "indices": lambda axes: _indices(axes, outcomes),
        "rw-coverage": lambda axes: _coverage(axes, curves),
        "repeats": lambda axes: _repeats(axes, curves),
    }
    written = []
    for name, draw in drawings.items():
        figure, axes = pyplot.subplots(figsize=(8, 4.8), layout="constrained")
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            path = folder / f"{name}.{suffix}"
            figure.savefig(path, dpi=150, metadata=metadata)
            written.append(path)
        pyplot.close(figure)
    return written


def _lines(axes: "Axes", curves: Sequence[Curves], points: Callable[[Curves], Sequence[float]], start: int) -> None:
    for one in curves:
        colour, line = STYLES[one.policy]
        drawn = points(one)
        axes.plot(range(start, start + len(drawn)), drawn, line, color=colour, label=TITLES[one.policy], linewidth=2)
    axes.legend(frameon=False)


def _bars(axes: "Axes", names: Sequence[str], groups: Sequence[tuple[str, Sequence[float]]]) -> None:
    width = 0.8 / max(1, len(groups))
    for at, (policy, heights) in enumerate(groups):
        left = [place - 0.4 + width * (at + 0.5) for place in range(len(heights))]
        axes.bar(left, heights, width, color=STYLES[policy][0], label=TITLES[policy])
    axes.set_xticks(range(len(names)), names)
    axes.legend(frameon=False)


def _waits(axes: "Axes", curves: Sequence[Curves]) -> None:
    def waiting_still(one: Curves) -> list[float]:
        total = sum(one.waits)
        return [100 * (total - ended) / total for ended in accumulate(one.waits)] if total else []

    _lines(axes, curves, waiting_still, 0)
    axes.set_title("Who waits how long")
    axes.set_xlabel("rounds since the first application or the last turn")
    axes.set_ylabel("waits that are longer, %")
    axes.set_ylim(0, 100)


def _longest(axes: "Axes", curves: Sequence[Curves]) -> None:
    _lines(axes, curves, lambda one: one.longest, 1)
    axes.set_title("The longest wait among those who applied in vain")
    axes.set_xlabel("round")
    axes.set_ylabel("rounds")
    axes.set_ylim(bottom=0)


def _times(axes: "Axes", curves: Sequence[Curves]) -> None:
    _bars(
        axes,
        ["never", "once", "twice", "thrice or more"],
        [(one.policy, [100 * share for share in one.served]) for one in curves],
    )
    axes.set_title("How often those who applied had a booth")
    axes.set_ylabel("of all who ever applied, %")


def _indices(axes: "Axes", outcomes: Sequence[Outcome]) -> None:
    _bars(
        axes,
        ["Jain index (1 is equal)", "Gini (0 is equal)"],
        [(o.policy, [o.jain or 0, o.gini or 0]) for o in outcomes],
    )
    axes.set_title("How equally turns were shared")
    axes.set_ylim(0, 1)


def _coverage(axes: "Axes", curves: Sequence[Curves]) -> None:
    _lines(axes, curves, lambda one: [100 * share for share in one.covered], 1)
    axes.set_title("RWs that have had a turn")
    axes.set_xlabel("round")
    axes.set_ylabel("of the RWs with a willing vendor, %")
    axes.set_ylim(0, 102)


def _repeats(axes: "Axes", curves: Sequence[Curves]) -> None:
    years = max((len(one.repeats) for one in curves), default=0)
    _bars(
        axes,
        [f"year {year}" for year in range(2, 2 + years)],
        [(one.policy, [100 * rate for rate in one.repeats]) for one in curves if len(one.repeats) == years],
    )
    axes.set_title("The same participants every year?")
    axes.set_ylabel("served in this year who were in the last, %")
    axes.set_ylim(0, 100)
