"""Lengths, areas and intensities of what is drawn on a plane; numpy only.

Points are (z, y, x) in voxels, the centre of the first voxel at (0, 0, 0). Where the spacing is
known the result is in millimetres, else in pixels, and then only within an axial slice: how far
slices lie apart is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging.errors import DataError
from napari_brainseg.core.imaging.outlines import crosses_itself

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_brainseg.core.imaging.geometry import Geometry

__all__ = [
    "Intensities",
    "Quantity",
    "Unit",
    "area",
    "intensities",
    "is_in_mm",
    "length",
    "within_plane",
]

_MM2_A_CM2 = 100.0


class Unit(StrEnum):
    """What a measurement is given in; the words of the catalogue."""

    MM = "mm"
    PX = "px"
    MM2 = "mm2"
    PX2 = "px2"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with its unit.

    Parameters
    ----------
    value : float
        Length or area.
    unit : Unit
        In what.
    """

    value: float
    unit: Unit

    @property
    def text(self) -> str:
        """As people read it, e.g. ``32.4 mm``, ``84 mm²``, ``5.1 cm²``, ``120 px``."""
        value, unit = self.value, self.unit
        if unit is Unit.MM2:
            # A value that would be read as 100 mm² is 1.0 cm².
            cm = value >= _MM2_A_CM2 - 0.5
            return _sensible(value / _MM2_A_CM2, "cm²") if cm else _sensible(value, "mm²", 10)
        if unit is Unit.PX2:
            return _sensible(value, "px²", 10)
        return _sensible(value, unit.value)


@dataclass(frozen=True, slots=True)
class Intensities:
    """Intensities of the pixels under an area, in the unit of the image.

    Parameters
    ----------
    mean, sd, low, high : float
        Mean, standard deviation (of these pixels, not of a sample), least and greatest.
    pixels : int
        How many pixels have their centre inside.
    """

    mean: float
    sd: float
    low: float
    high: float
    pixels: int


def is_in_mm(geometry: Geometry | None) -> bool:
    """Whether measurements on a volume are in millimetres."""
    return geometry is not None and geometry.spacing_mm is not None


def within_plane(points: ArrayLike, axis: int) -> NDArray[np.float64]:
    """Leave out the axis (0, 1 or 2) that a plane lies across: (row, column), shape (N, 2)."""
    return np.delete(_checked(points), axis, axis=1)


def length(points: ArrayLike, geometry: Geometry | None) -> Quantity:
    """Length of a line from point to point.

    Parameters
    ----------
    points : array_like, shape (N, 3)
        At least two, (z, y, x) in voxels.
    geometry : Geometry or None
        Of the volume. Where its axes are not at right angles (a tilted gantry) the affine counts.

    Returns
    -------
    Quantity
        In mm, or in px where the spacing is unknown.

    Raises
    ------
    DataError
        If there are fewer than two points, one is not finite, or they lie on several slices of a
        volume without spacing.
    """
    checked = _checked(points)
    if len(checked) < 2:
        raise DataError(f"A length needs two points, not {len(checked)}.", "Set the other end.")
    placed = _placed(checked, geometry)
    steps = np.linalg.norm(np.diff(placed, axis=0), axis=1)
    return Quantity(float(steps.sum()), Unit.MM if is_in_mm(geometry) else Unit.PX)


def area(points: ArrayLike, axis: int, geometry: Geometry | None) -> Quantity:
    """Area inside a closed outline on a plane, by the shoelace formula.

    Parameters
    ----------
    points : array_like, shape (N, 3)
        Corners, (z, y, x) in voxels; the last one joins the first.
    axis : int
        Axis of (z, y, x) that the plane lies across.
    geometry : Geometry or None
        Of the volume.

    Returns
    -------
    Quantity
        In mm², or in px² where the spacing is unknown.

    Raises
    ------
    DataError
        If there are fewer than three corners, one is not finite, they do not lie on one plane,
        the outline crosses itself, or lies across slices of a volume without spacing.

    Notes
    -----
    Half the length of the sum of cross products of neighbouring corners, in mm: the shoelace
    formula in space, which holds for oblique planes and pixels that are not square. B. Braden,
    The surveyor's area formula, College Mathematics Journal 17 (1986), doi:10.2307/2686282.
    """
    checked = _checked(points)
    if len(checked) < 3:
        raise DataError(f"An area needs three corners, not {len(checked)}.", "Set more corners.")
    if np.ptp(checked[:, axis]) > 1e-6:
        raise DataError("The corners of an area must lie on one slice.", "Draw it on one slice.")
    if crosses_itself(within_plane(checked, axis)):
        raise DataError(
            "The outline crosses itself, so that its area is not clear.",
            "Draw it again without crossing your own line.",
        )
    placed = _placed(checked, geometry)
    placed = placed - placed[0]
    doubled = np.cross(placed, np.roll(placed, -1, axis=0)).sum(axis=0)
    value = float(np.linalg.norm(doubled)) / 2
    return Quantity(value, Unit.MM2 if is_in_mm(geometry) else Unit.PX2)


def intensities(plane: NDArray[np.generic], outline: ArrayLike) -> Intensities | None:
    """Work out the intensities of the pixels whose centre is inside an outline.

    Parameters
    ----------
    plane : ndarray, shape (rows, columns)
        Intensities.
    outline : array_like, shape (N, 2)
        (row, column) of the corners; the last one joins the first.

    Returns
    -------
    Intensities or None
        `None` where no pixel has its centre inside.
    """
    corners = np.asarray(outline, float).reshape(-1, 2)
    low = np.maximum(np.ceil(corners.min(axis=0)), 0).astype(int)
    high = np.minimum(np.floor(corners.max(axis=0)) + 1, plane.shape).astype(int)
    if (high <= low).any():
        return None
    rows = np.arange(low[0], high[0])[:, None]
    columns = np.arange(low[1], high[1])[None, :]
    inside = np.zeros((high[0] - low[0], high[1] - low[1]), bool)
    for (y0, x0), (y1, x1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        # Even-odd rule: edges crossed on the way to the right.
        inside ^= ((rows < y0) != (rows < y1)) & (
            columns < x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
        )
    values = plane[low[0] : high[0], low[1] : high[1]][inside].astype(float)
    if not values.size:
        return None
    return Intensities(
        float(values.mean()),
        float(values.std()),
        float(values.min()),
        float(values.max()),
        int(values.size),
    )


def _sensible(value: float, unit: str, whole_from: float = 99.95) -> str:
    digits = 0 if value >= whole_from else 1
    return f"{value:,.{digits}f} {unit}".replace(",", "\u2009")


def _checked(points: ArrayLike) -> NDArray[np.float64]:
    checked = np.asarray(points, float)
    if checked.ndim != 2 or checked.shape[1] != 3 or not np.isfinite(checked).all():
        raise DataError(
            f"Points of a measurement are (z, y, x) in voxels, not {points!r}.",
            "Draw the measurement again.",
        )
    return checked


def _placed(points: NDArray[np.float64], geometry: Geometry | None) -> NDArray[np.float64]:
    """Points in mm, or in pixels; only differences between them mean anything."""
    if geometry is None or geometry.spacing_mm is None:
        if np.ptp(points[:, 0]) > 1e-6:
            raise DataError(
                "The distance between slices is unknown: nothing can be measured across them.",
                "Measure within an axial slice.",
            )
        return points
    axes = np.eye(3)
    if geometry.affine_lps is not None:
        axes = np.array(geometry.affine_lps, float)[:3, :3]
        axes = axes / np.linalg.norm(axes, axis=0)
    placed: NDArray[np.float64] = points @ (axes * geometry.spacing_mm).T
    return placed
