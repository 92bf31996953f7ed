"""What the effort page calls its figures, and what it marks the model versions with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets.numbers import voxels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.session.effort import EffortRow, VersionEffort
    from napari_brainseg.session.effort_comparison import EffortRatio

__all__ = [
    "Figure",
    "Mark",
    "Start",
    "comparison_text",
    "figure_text",
    "figure_title",
    "marks",
    "start_of",
    "start_text",
    "value",
]

Start = tuple[str | None, str]
"""What a correction started from: model version, and ``prediction``, ``truth`` or ``empty``."""

_COLOURS = ("#E69F00", "#0072B2", "#CC79A7")
"""Of the Okabe-Ito palette those that no mask has."""
_SHAPES = ("o", "s", "t1", "d")
"""Circle, square, triangle, diamond, as pyqtgraph calls them."""


class Figure(StrEnum):
    """What can be plotted."""

    SECONDS = "seconds"
    STROKES = "strokes"
    VOXELS = "voxels"
    READING = "reading_seconds"


@dataclass(frozen=True, slots=True)
class Mark:
    """Sign of a model version: colour and shape, so that either is enough."""

    colour: str
    shape: str


def marks(starts: Iterable[Start]) -> dict[Start, Mark]:
    """Give each start a sign, in their order."""
    found: dict[Start, Mark] = {}
    for start in starts:
        if start not in found:
            n = len(found)
            found[start] = Mark(_COLOURS[n % len(_COLOURS)], _SHAPES[n % len(_SHAPES)])
    return found


def start_of(row: EffortRow | VersionEffort) -> Start:
    """Tell what a correction started from."""
    return row.model_version, row.base


def start_text(start: Start) -> str:
    """Name what a correction started from."""
    version, base = start
    tr = QCoreApplication.translate
    if base == "truth":
        return tr("Effort", "Ground truth")
    if base == "empty":
        return tr("Effort", "Empty mask")
    return short_version(version) if version else tr("Effort", "Prediction")


def value(row: EffortRow | VersionEffort, figure: Figure) -> float:
    """One figure of a case or of a summary."""
    found: float = getattr(row, figure.value)
    return found


def figure_title(figure: Figure) -> str:
    """Name of a figure, sentence case."""
    tr = QCoreApplication.translate
    return {
        Figure.SECONDS: tr("Effort", "Editing time"),
        Figure.STROKES: tr("Effort", "Strokes"),
        Figure.VOXELS: tr("Effort", "Changed voxels"),
        Figure.READING: tr("Effort", "Reading time"),
    }[figure]


def comparison_text(found: EffortRatio | None, figure: Figure) -> str:
    """Say in a sentence whether the later version needs less work; empty with one version."""
    tr = QCoreApplication.translate
    if found is None:
        return ""
    facts = {
        "later": short_version(found.later),
        "earlier": short_version(found.earlier),
        "n_later": _cases(found.later_cases),
        "n_earlier": _cases(found.earlier_cases),
        "what": _object(figure),
    }
    if not found.is_enough:
        from napari_brainseg.session.effort_comparison import LEAST_CASES

        text = tr(
            "Effort",
            "{later}: {n_later}, {earlier}: {n_earlier}. Too few to tell; each needs {least}.",
        )
        return text.format(**facts, least=LEAST_CASES)
    medians = tr("Effort", "medians of {later} and {earlier} cases").format(
        later=found.later_cases, earlier=found.earlier_cases
    )
    if found.ratio is None or found.interval is None:
        text = tr("Effort", "{later}: {new}, {earlier}: {old} ({medians}); no ratio can be told.")
        return text.format(
            **facts,
            medians=medians,
            new=figure_text(figure, found.later_median),
            old=figure_text(figure, found.earlier_median),
        )
    # As it is written, so that no sentence contradicts its figures.
    low, high = (round(limit, 2) for limit in found.interval)
    if high < 1:
        end = tr("Effort", "Less work.")
    elif low > 1:
        end = tr("Effort", "More work.")
    else:
        end = tr("Effort", "The interval holds 1: no difference is shown.")
    text = tr(
        "Effort",
        "{later} needed {ratio} × {what} of {earlier} ({medians}, 95 % interval {low} to {high}). "
        "{end}",
    )
    return text.format(
        **facts,
        medians=medians,
        ratio=f"{found.ratio:.2f}",
        low=f"{low:.2f}",
        high=f"{high:.2f}",
        end=end,
    )


def _cases(number: int) -> str:
    tr = QCoreApplication.translate
    return tr("Effort", "1 case") if number == 1 else tr("Effort", "{n} cases").format(n=number)


def _object(figure: Figure) -> str:
    tr = QCoreApplication.translate
    return {
        Figure.SECONDS: tr("Effort", "the editing time"),
        Figure.STROKES: tr("Effort", "the strokes"),
        Figure.VOXELS: tr("Effort", "the changed voxels"),
        Figure.READING: tr("Effort", "the reading time"),
    }[figure]


def figure_text(figure: Figure, number: float) -> str:
    """Write a figure: times as minutes and seconds (``8:22``), counts with their thousands."""
    if figure in (Figure.SECONDS, Figure.READING):
        minutes, seconds = divmod(round(number), 60)
        if minutes < 60:
            return f"{minutes}:{seconds:02d}"
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    return voxels(int(number)) if number == int(number) else f"{number:,.1f}".replace(",", "\u2009")
