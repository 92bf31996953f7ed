"""What every preprocessing recipe offers: volume in, network slices out, and the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Prepared", "Recipe", "bounds", "slices"]


class Prepared(ABC):
    """A volume on the network's grid, which knows how it got there.

    Attributes
    ----------
    data : ndarray of float32, shape (Z', C, Y', X')
        Slices as the network takes them.
    input_shape : tuple of int
        (Z, Y, X) of the input grid.
    """

    data: NDArray[np.float32]
    input_shape: tuple[int, int, int]

    @abstractmethod
    def restore(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring a map from the network's grid (Z', Y', X') back to the input grid (Z, Y, X).

        Voxels that the recipe cut away become 0.
        """

    @abstractmethod
    def prepare_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring a mask (Z, Y, X) onto the network's grid (Z', Y', X'), by nearest neighbour."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """All but the slices, as JSON can hold it; `Recipe.revive` takes it."""


class Recipe(ABC):
    """A named way from intensities to network input; chosen by the bundle."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Goes up when the same volume comes out otherwise: what was prepared before is stale then."""

    @abstractmethod
    def prepare(
        self,
        image: NDArray[np.generic],
        *,
        spacing_mm: tuple[float, float, float] | None = None,
    ) -> Prepared:
        """Prepare a volume.

        Parameters
        ----------
        image : ndarray, shape (C, Z, Y, X)
            Intensities.
        spacing_mm : tuple of float, optional
            Voxel spacing (z, y, x) in millimetres, ``None`` where unknown.

        Raises
        ------
        DataError
            If nothing in the volume stands out from the background.
        """

    @abstractmethod
    def revive(self, data: NDArray[np.float32], record: dict[str, Any]) -> Prepared:
        """Build a prepared volume again without preparing it.

        Parameters
        ----------
        data : ndarray of float32, shape (Z', C, Y', X')
            Its slices.
        record : dict
            What its `Prepared.record` gave, perhaps by way of JSON.
        """

    def parameters(self) -> dict[str, float | int | str]:
        """Parameters that a bundle must carry to build this recipe again."""
        return {}


def bounds(box: tuple[slice, ...]) -> list[list[int]]:
    """Slices as JSON can hold them: [[start, stop], ...]."""
    return [[int(part.start), int(part.stop)] for part in box]


def slices(box: list[list[int]]) -> tuple[slice, ...]:
    """Undo `bounds`."""
    return tuple(slice(start, stop) for start, stop in box)
