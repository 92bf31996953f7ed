"""Chart of a lesion's volume over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.reporting.canvas import new_figure, png_bytes, quiet_axes
from napari_brainseg.core.reporting.key_pictures import LINES
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.core.reporting.patient_report_layout import CHART_MM

if TYPE_CHECKING:
    from datetime import date

    from napari_brainseg.core.reporting.follow_up import FollowUp, FollowUpPoint

__all__ = ["follow_up_chart"]

_PX_PER_MM = 10
_MONTHS = 150
"""Days from which the axis names months only."""
_NAMES = 3.2
"""Dates that find room beside each other."""
_INK, _SOFT = "#1b1f24", "#57606a"
_MARKS = {
    "approved": ("o", LINES["correction"].colour, True),
    "correction": ("o", LINES["correction"].colour, False),
    "prediction": ("s", LINES["prediction"].colour, False),
    "ground truth": ("^", LINES["truth"].colour, True),
}
"""Marker, colour, and whether it is filled: what a volume stands on is seen without colours."""
_KINDS = {
    Basis.APPROVED: "approved",
    Basis.CORRECTION: "correction",
    Basis.CHANGED: "correction",
    Basis.PREDICTION: "prediction",
    Basis.TRUTH: "ground truth",
}


def follow_up_chart(follow_up: FollowUp) -> bytes:
    """Draw the volumes over time as a PNG, marked by what each stands on.

    Where a study has no date, studies are spaced evenly.
    """
    from matplotlib.ticker import MaxNLocator

    width, height = (round(side * _PX_PER_MM) for side in CHART_MM)
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    points = [(p, v) for p in follow_up.measured if (v := follow_up.volume(p)) is not None]
    is_dated = all(point.day is not None for point, _ in points)
    places: list[Any] = [
        point.day if is_dated else number for number, (point, _) in enumerate(points)
    ]
    values = [value for _, value in points]
    axes.plot(places, values, color="#9aa4af", linewidth=1.8, zorder=1)
    named: set[str] = set()
    for place, (point, value) in zip(places, points, strict=True):
        kind = _kind(point)
        marker, colour, filled = _MARKS[kind]
        axes.plot(
            [place], [value],
            marker=marker, markersize=13 if point.is_this else 9, linestyle="none",
            markerfacecolor=colour if filled else "white", markeredgecolor=colour,
            markeredgewidth=2.2, label=None if kind in named else kind, zorder=2,
        )  # fmt: skip
        named.add(kind)
    quiet_axes(axes)
    axes.grid(visible=False, axis="x")
    top = max(values, default=1.0) or 1.0
    # Two entries of the legend fit beside each other; the points stay below it.
    rows = -(-len(named) // 2)
    axes.set_ylim(0, (1.15 + 0.22 * rows) * top)
    axes.margins(x=0.08)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylabel("ml" if follow_up.unit == "ml" else "voxels", fontsize=17, color=_SOFT)
    axes.tick_params(labelsize=16, colors=_SOFT)
    if is_dated:
        months = (max(places) - min(places)).days > _MONTHS
        shown: list[Any] = _apart(places)
        axes.set_xticks(shown, [f"{day:%Y-%m}" if months else f"{day}" for day in shown])
    else:
        axes.set_xticks(places, [p.study for p, _ in points], fontsize=11)
    axes.legend(
        fontsize=15, frameon=False, ncols=2, loc="upper left", labelcolor=_INK,
        columnspacing=1.0, handletextpad=0.1, borderaxespad=0.0,
    )  # fmt: skip
    return png_bytes(figure)


def _apart(days: list[date]) -> list[date]:
    """First and last day, and those between whose names do not touch others."""
    first, last = min(days), max(days)
    room = (last - first) / _NAMES
    shown = [first]
    for day in sorted(set(days)):
        if day - shown[-1] >= room and last - day >= room:
            shown.append(day)
    return shown if first == last else [*shown, last]


def _kind(point: FollowUpPoint) -> str:
    return _KINDS.get(point.basis, "prediction") if point.basis is not None else "prediction"
