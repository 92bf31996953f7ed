"""Places of a report's parts on its one page, so that they fit A4 and Letter alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_brainseg.core.reporting.patient_report import PatientReport
    from napari_brainseg.core.reporting.patient_report_words import PageWords, Section

__all__ = ["CHART_MM", "GAP_MM", "HEIGHT_MM", "WIDTH_MM", "Layout", "layout_of"]

WIDTH_MM, HEIGHT_MM = 186.0, 257.0
"""Room of the text: A4 (210 x 297) is narrower, Letter (216 x 279) is lower; 11 mm are margins."""
GAP_MM = 3.0
CHART_MM = (78.0, 40.0)
"""Chart of the volume over time."""
CAPTION_MM = 7.0
LARGEST_MM, LEAST_MM = 60.0, 38.0
"""Sides of a picture; one of less than `LEAST_MM` shows too little."""
_LINE_MM = 3.75
_LETTERS_PER_MM = 0.62
"""Of text in 8 points, DejaVu Sans: wider than most other typefaces."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which key slices are shown, and how large.

    Parameters
    ----------
    shown : tuple of int
        Positions among the report's key slices.
    columns : int
        Pictures side by side.
    side_mm : float
        Of a picture.
    """

    shown: tuple[int, ...]
    columns: int
    side_mm: float


def layout_of(report: PatientReport, words: PageWords) -> Layout:
    """Give the pictures the room that the texts leave."""
    count = len(report.key_slices)
    room = HEIGHT_MM - _texts_mm(words)
    if count > 4:
        side = min(LARGEST_MM, room / 2 - CAPTION_MM, _widest(3))
        if side >= LEAST_MM:
            return Layout(tuple(range(count)), 3, side)
    shown = _telling(report, 4)
    columns = max(len(shown), 1)
    side = min(LARGEST_MM, room - CAPTION_MM, _widest(columns))
    return Layout(shown, columns, max(side, LEAST_MM / 2))


def _widest(columns: int) -> float:
    return (WIDTH_MM - (columns - 1) * GAP_MM) / columns


def _telling(report: PatientReport, most: int) -> tuple[int, ...]:
    """Leave out slices that stand for nothing first."""
    slices = report.key_slices
    ranked = sorted(range(len(slices)), key=lambda i: (not slices[i].why, i))
    return tuple(sorted(ranked[:most]))


def _texts_mm(words: PageWords) -> float:
    """Height of all but the pictures, rather too large than too small."""
    height = 18.0 + _lines((words.about,), WIDTH_MM - 50) * _LINE_MM
    height += math.ceil(len(words.identity) / 2) * _LINE_MM
    height += 10.0 + _lines((words.basis_detail,), WIDTH_MM - 8) * _LINE_MM
    height += 18.0  # figures
    height += 8.0  # legend
    height += max(_sections_mm(words.left), _sections_mm(words.right))
    if words.follow_up is not None:
        rows = 1 + len(words.follow_up.rows)
        notes = _lines(words.follow_up.notes, WIDTH_MM - CHART_MM[0])
        height += 9.0 + max(CHART_MM[1], rows * 4.6 + notes * _LINE_MM)
    if words.warnings:
        height += 8.0 + _lines(words.warnings, WIDTH_MM) * _LINE_MM
    return height + 5.0 + _lines(words.foot, WIDTH_MM) * 3.4


def _sections_mm(sections: Iterable[Section]) -> float:
    values = (WIDTH_MM - GAP_MM) / 2 - 30.0
    return sum(
        8.0 + sum(max(1, _lines((value,), values)) * _LINE_MM + 0.5 for _, value in section.rows)
        for section in sections
    )


def _lines(texts: Iterable[str], width_mm: float) -> int:
    return sum(math.ceil(len(text) / (width_mm * _LETTERS_PER_MM)) for text in texts if text)
