"""Where voxels lie in space."""

from __future__ import annotations

from dataclasses import dataclass

from napari_brainseg.core.imaging.errors import DataError
from napari_brainseg.core.imaging.orientation import Affine, spacing_of

__all__ = ["Geometry"]


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
        """Volume of one voxel in millilitres, ``None`` where spacing is unknown."""
        if self.spacing_mm is None:
            return None
        z, y, x = self.spacing_mm
        return z * y * x / 1000.0
