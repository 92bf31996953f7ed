"""Distances between voxels for drawing; where the files carry none, assumed and said so.

Never for measuring: volumes in millilitres and distances in millimetres come from
`core.imaging.Geometry` alone, which is ``None`` where the files carry no spacing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Geometry

__all__ = [
    "HEAD_HEIGHT_MM",
    "NOMINAL_PIXEL_MM",
    "DisplaySpacing",
    "canvas_scale",
    "display_spacing",
]

NOMINAL_PIXEL_MM = 0.94
"""Side of a pixel where the files carry none: a field of view of 240 mm over 256 pixels."""
HEAD_HEIGHT_MM = 160.0
"""Height that a stack is assumed to cover.

Chosen by looking at the sagittal planes of ten patients of kaggle_3m with 20 to 88 slices: with
150 mm and less most heads look pressed, with 175 mm most look drawn out.
"""
THICKNESS_RANGE_MM = (1.0, 8.0)
"""What is assumed is clipped to this range."""

_PARTS = 2.0**34
"""Scales are whole numbers of these parts of a mm, so that a float holds 4096 times them."""

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


def canvas_scale(geometry: Geometry | None) -> tuple[float, float, float]:
    """Scale of napari's layers along (z, y, x): the spacing in mm, 1 where there is none.

    napari counts slices by dividing the extent of a stack by the distance of its slices and cuts
    the fraction off. With a distance such as 4.999999999999987 mm, as directions of an oblique
    stack give it, 27 steps came out as 26.999, and nobody could reach the last slice. Kept to
    1e-10 mm, multiples and quotients come out whole.
    """
    known = None if geometry is None else geometry.spacing_mm
    if known is None:
        return 1.0, 1.0, 1.0
    z, y, x = (max(round(size * _PARTS), 1) / _PARTS for size in known)
    return z, y, x
