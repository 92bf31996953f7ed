"""Intensities and labels are different types, so a label cannot be interpolated by accident."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging.errors import DataError
from napari_brainseg.core.imaging.geometry import Geometry
from napari_brainseg.core.imaging.modality import KAGGLE_ORDER, Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LabelVolume", "ScalarVolume"]


def _locked(data: NDArray[Any]) -> NDArray[Any]:
    view = data.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True, eq=False)
class ScalarVolume:
    """Intensities of one or several modalities on one grid.

    Parameters
    ----------
    data : ndarray, shape (C, Z, Y, X)
        Intensities, any real dtype (uint8 in kaggle_3m). Kept read-only.
    modalities : tuple of Modality, length C
        What each channel shows.
    geometry : Geometry
        Spacing and orientation.

    Raises
    ------
    DataError
        If `data` has no four axes or `modalities` do not match them.
    """

    data: NDArray[np.generic]
    modalities: tuple[Modality, ...] = KAGGLE_ORDER
    geometry: Geometry = field(default_factory=Geometry)

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or 0 in self.data.shape:
            raise DataError(
                f"An image volume needs the axes (C, Z, Y, X); this one has shape "
                f"{self.data.shape}."
            )
        if len(self.modalities) != self.data.shape[0]:
            raise DataError(
                f"The image has {self.data.shape[0]} channels but {len(self.modalities)} "
                f"modalities are named: {', '.join(self.modalities)}."
            )
        object.__setattr__(self, "data", _locked(self.data))

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) in voxels."""
        _, z, y, x = self.data.shape
        return z, y, x

    def channel(self, modality: Modality) -> NDArray[np.generic]:
        """Intensities of one modality, a read-only view of shape (Z, Y, X)."""
        if modality not in self.modalities:
            raise DataError(
                f"The study has no {modality} channel; it has {', '.join(self.modalities)}."
            )
        view: NDArray[np.generic] = self.data[self.modalities.index(modality)]
        return view


@dataclass(frozen=True, slots=True, eq=False)
class LabelVolume:
    """A binary mask: 0 background, 1 lesion.

    Parameters
    ----------
    data : ndarray of uint8, shape (Z, Y, X)
        Zeros and ones. Kept read-only.
    geometry : Geometry
        Spacing and orientation.

    Raises
    ------
    DataError
        If the array has no three axes, or holds other values than 0 and 1.
    """

    data: NDArray[np.uint8]
    geometry: Geometry = field(default_factory=Geometry)

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise DataError(f"A mask needs the axes (Z, Y, X); this one has {self.data.shape}.")
        data = self.data.astype(np.uint8, copy=False)
        if data.size and data.max() > 1:
            raise DataError(f"A mask holds only 0 and 1; this one reaches {data.max()}.")
        object.__setattr__(self, "data", _locked(data))

    @property
    def voxels(self) -> int:
        """Number of lesion voxels."""
        return int(np.count_nonzero(self.data))
