"""Chart of a lesion's volume over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.reporting.canvas import new_figure, png_bytes, quiet_axes
from napari_brainseg.core.reporting.key_pictures import LINES
from napari_brainseg.core.reporting.patient_report import Basis
from napari_brainseg.core.reporting.patient_report_layout import CHART_MM

if TYPE_CHECKING:
    from napari_brainseg.core.reporting.follow_up import FollowUp, FollowUpPoint

__all__ = ["follow_up_chart"]

_PX_PER_MM = 10
_MONTHS = 150
"""Days from which the axis names months only."""
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
    from matplotlib.dates import AutoDateLocator, DateFormatter
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
    axes.set_ylim(0, 1.35 * top)
    axes.margins(x=0.08)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylabel("ml" if follow_up.unit == "ml" else "voxels", fontsize=17, color=_SOFT)
    axes.tick_params(labelsize=16, colors=_SOFT)
    if is_dated:
        span = (max(places) - min(places)).days
        axes.xaxis.set_major_locator(
            AutoDateLocator(minticks=2, maxticks=4)  # type: ignore[no-untyped-call]
        )
        axes.xaxis.set_major_formatter(DateFormatter("%Y-%m" if span > _MONTHS else "%Y-%m-%d"))  # type: ignore[no-untyped-call]
    else:
        axes.set_xticks(places, [p.study for p, _ in points], fontsize=11)
    axes.legend(fontsize=15, frameon=False, ncols=len(named), loc="upper left", labelcolor=_INK)
    return png_bytes(figure)


def _kind(point: FollowUpPoint) -> str:
    return _KINDS.get(point.basis, "prediction") if point.basis is not None else "prediction"
