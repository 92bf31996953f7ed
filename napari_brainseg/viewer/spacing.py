"""Distances between voxels for drawing; where the files carry none, assumed and said so.

Never for measuring: volumes in millilitres and distances in millimetres come from
`core.imaging.Geometry` alone, which is ``None`` where the files carry no spacing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Geometry

__all__ = ["HEAD_HEIGHT_MM", "NOMINAL_PIXEL_MM", "DisplaySpacing", "display_spacing"]

NOMINAL_PIXEL_MM = 0.94
"""Side of a pixel where the files carry none: a field of view of 240 mm over 256 pixels."""
HEAD_HEIGHT_MM = 160.0
"""Height that a stack is assumed to cover.

Chosen by looking at the sagittal planes of ten patients of kaggle_3m with 20 to 88 slices: with
150 mm and less most heads look pressed, with 175 mm most look drawn out.
"""
THICKNESS_RANGE_MM = (1.0, 8.0)
"""What is assumed is clipped to this range."""

Origin = Literal["file", "set", "assumed"]


@dataclass(frozen=True, slots=True)
class DisplaySpacing:
    """Distances between voxel centres along (z, y, x), for drawing.

    Parameters
    ----------
    mm : tuple of float, length 3
        In millimetres.
    origin : {"file", "set", "assumed"}
        Where the slice thickness comes from: the files, the user, or the number of slices.
    """

    mm: tuple[float, float, float]
    origin: Origin

    @property
    def is_known(self) -> bool:
        """Whether a scale bar may be drawn."""
        return self.origin == "file"

    @property
    def thickness_mm(self) -> float:
        """Distance between slices in millimetres."""
        return self.mm[0]


def display_spacing(
    geometry: Geometry, slices: int, thickness_mm: float | None = None
) -> DisplaySpacing:
    """Spacing to draw a case with.

    Parameters
    ----------
    geometry : Geometry
        What the files carry; if it has a spacing, that one holds.
    slices : int
        Number of slices of the stack.
    thickness_mm : float, optional
        Slice thickness that the user set for files that carry none.

    Returns
    -------
    DisplaySpacing
    """
    if geometry.spacing_mm is not None:
        return DisplaySpacing(geometry.spacing_mm, "file")
    if thickness_mm is not None:
        return DisplaySpacing((thickness_mm, NOMINAL_PIXEL_MM, NOMINAL_PIXEL_MM), "set")
    least, most = THICKNESS_RANGE_MM
    assumed = round(min(max(HEAD_HEIGHT_MM / max(slices, 1), least), most), 1)
    return DisplaySpacing((assumed, NOMINAL_PIXEL_MM, NOMINAL_PIXEL_MM), "assumed")
