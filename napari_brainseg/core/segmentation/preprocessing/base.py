"""What every preprocessing recipe offers: volume in, network slices out, and the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_brainseg.core.segmentation.preprocessing.bias import correct_bias, require_simpleitk
from napari_brainseg.core.segmentation.preprocessing.skull import brain_mask

if TYPE_CHECKING:
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
    brain : ndarray of bool, shape (Z, Y, X), or None
        What skull stripping left; ``None`` without it, and where the volume was revived.
    """

    data: NDArray[np.float32]
    input_shape: tuple[int, int, int]
    brain: NDArray[np.bool_] | None = None

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
    """A named way from intensities to network input; chosen by the bundle.

    Parameters
    ----------
    bias_correction : bool
        Even out slow changes of brightness first; see `correct_bias`.
    skull_stripping : bool
        Blank what is not brain then; see `brain_mask`.

    Raises
    ------
    ConfigError
        If the library that bias correction needs is missing.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Goes up when the same volume comes out otherwise: what was prepared before is stale then."""

    def __init__(self, *, bias_correction: bool = False, skull_stripping: bool = False) -> None:
        self.bias_correction = bool(bias_correction)
        self.skull_stripping = bool(skull_stripping)
        if self.bias_correction:
            require_simpleitk()

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
        if self.bias_correction:
            image = correct_bias(image)
        brain = None
        if self.skull_stripping:
            brain = brain_mask(image, spacing_mm=spacing_mm)
            image = np.where(brain, image, 0)
        prepared = self._prepare(image, spacing_mm)
        prepared.brain = brain
        return prepared

    @abstractmethod
    def _prepare(
        self, image: NDArray[np.generic], spacing_mm: tuple[float, float, float] | None
    ) -> Prepared:
        """Prepare a volume that the optional steps have been over."""

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

    def parameters(self) -> dict[str, bool | float | int | str]:
        """Parameters that a bundle must carry to build this recipe again."""
        steps = {
            "bias_correction": self.bias_correction,
            "skull_stripping": self.skull_stripping,
        }
        return {name: True for name, is_on in steps.items() if is_on}


def bounds(box: tuple[slice, ...]) -> list[list[int]]:
    """Slices as JSON can hold them: [[start, stop], ...]."""
    return [[int(part.start), int(part.stop)] for part in box]


def slices(box: list[list[int]]) -> tuple[slice, ...]:
    """Undo `bounds`."""
    return tuple(slice(start, stop) for start, stop in box)
