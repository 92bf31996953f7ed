"""Places of a report's parts on its one page, so that they fit A4 and Letter alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.reporting.key_slices import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.reporting.patient_report import KeySlice

__all__ = ["CHART_MM", "GAP_MM", "HEIGHT_MM", "LEAST_MM", "NAMES_MM", "STUDIES_MM", "WIDTH_MM",
           "Layout", "placed"]  # fmt: skip

WIDTH_MM, HEIGHT_MM = 186.0, 257.0
"""Room of the text: A4 (210 x 297) is narrower, Letter (216 x 279) is lower; 11 mm are margins."""
GAP_MM = 3.0
CHART_MM = (66.0, 36.0)
"""Chart of the volume over time."""
NAMES_MM = 29.0
"""Column of names beside their values."""
STUDIES_MM = (20.0, 19.0, 17.0, 17.0)
"""Columns of the table beside the chart; the last one takes the rest."""
LARGEST_MM, LEAST_MM = 60.0, 38.0
"""Sides of a picture; one of less than `LEAST_MM` shows too little."""
_FEW = 4
"""Pictures in one row, where two rows find no room."""
_CAPTION_LINE_MM = 3.1
_LETTER_MM = 1.5
"""Width of a letter of a caption."""


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


def placed(slices: Sequence[KeySlice], captions: Sequence[str], room_mm: float) -> Layout:
    """Give the pictures the room that the texts leave.

    Parameters
    ----------
    slices : sequence of KeySlice
    captions : sequence of str
        Of the slices.
    room_mm : float
        Height for pictures and captions.
    """
    everything = tuple(range(len(slices)))
    if len(slices) > _FEW:
        side = _side(everything, captions, 3, room_mm)
        if side >= LEAST_MM:
            return Layout(everything, 3, side)
    # Those that stand for something, then those that are far from them.
    kept = [i for i in everything if slices[i].why][:_FEW]
    places = {slices[i].index: i for i in everything}
    others = [index for index, i in places.items() if i not in kept]
    far = spread(others, [slices[i].index for i in kept], _FEW - len(kept), nearest=1)
    shown = tuple(sorted([*kept, *(places[index] for index in far)]))
    # Full rows only, and as few as let the pictures be large: two by two where there is room.
    count = max(len(shown), 1)
    sides = {
        columns: _side(shown, captions, columns, room_mm)
        for columns in range(1, count + 1)
        if count % columns == 0
    }
    columns = max(sides, key=lambda each: (sides[each], each))
    return Layout(shown, columns, max(sides[columns], LEAST_MM / 2))


def _side(shown: Sequence[int], captions: Sequence[str], columns: int, room_mm: float) -> float:
    """Side of the pictures, in tenths of a millimetre, if they are set in so many columns."""
    side = min(LARGEST_MM, (WIDTH_MM - (columns - 1) * GAP_MM) / columns)
    while side > 0:
        height = 0.0
        for start in range(0, len(shown), columns):
            row = [captions[i] for i in shown[start : start + columns]]
            lines = max(-(-len(text) * _LETTER_MM // side) for text in row)
            height += side + lines * _CAPTION_LINE_MM + 2.0
        if height <= room_mm:
            break
        side -= 0.5
    return side
