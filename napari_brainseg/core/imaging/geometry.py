"""Where voxels lie in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_brainseg.core.imaging.errors import DataError
from napari_brainseg.core.imaging.orientation import Affine, spacing_of

__all__ = ["Geometry"]

_RIGHT_ANGLE = 1e-5
"""Axes that enclose a volume less than this short of the unit cube's are at right angles."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Spacing and orientation of a volume.

    Parameters
    ----------
    spacing_mm : tuple of float or None
        Distance between voxel centres along (z, y, x) in millimetres. ``None`` where the file
        carries none, as in kaggle_3m.
    affine_lps : tuple of tuple of float or None
        4x4 matrix from voxel index (z, y, x, 1) to patient coordinates in LPS millimetres;
        ``None`` where unknown.
    """

    spacing_mm: tuple[float, float, float] | None = None
    affine_lps: Affine | None = None

    def __post_init__(self) -> None:
        if self.spacing_mm is not None and not all(s > 0 for s in self.spacing_mm):
            raise DataError(
                f"Voxel spacing {self.spacing_mm} mm is not positive.",
                "Check the spacing that was given or that the file carries.",
            )

    @classmethod
    def from_affine(cls, affine_lps: Affine) -> Geometry:
        """Geometry of a volume whose voxel index (z, y, x, 1) this matrix brings to LPS."""
        return cls(spacing_of(affine_lps), affine_lps)

    @property
    def voxel_volume_ml(self) -> float | None:
        """Volume of one voxel in millilitres, ``None`` where spacing is unknown.

        A voxel whose axes are not at right angles (a tilted gantry) holds less than the product of
        their lengths: the determinant of the directions says how much less.
        """
        if self.spacing_mm is None:
            return None
        z, y, x = self.spacing_mm
        return z * y * x * self._upright_share / 1000.0

    @property
    def _upright_share(self) -> float:
        """Volume between the axes, each of length 1: 1 where they are at right angles."""
        if self.affine_lps is None:
            return 1.0
        axes = np.array(self.affine_lps, float)[:3, :3]
        share = abs(float(np.linalg.det(axes / np.linalg.norm(axes, axis=0))))
        # Headers round cosines: what differs by rounding alone is a right angle.
        return 1.0 if not share < 1 - _RIGHT_ANGLE else share
