"""The published recipe, so that published checkpoints work and published figures compare.

Behaviour of mateuszbuda/brain-segmentation-pytorch (Buda et al. 2019,
doi 10.1016/j.compbiomed.2019.05.002), rebuilt from a description; none of its code is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.preprocessing.base import Prepared, Recipe, bounds, slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ReferenceGrid", "ReferencePrepared", "ReferenceRecipe", "reference_grid"]

SIZE = 256
"""Rows and columns of the network's grid."""
BACKGROUND_SHARE = 0.1
"""Voxels below this share of the volume's maximum become 0."""
PERCENTILES = (10.0, 99.0)
"""Intensities are clipped to these, over the padded volume and all channels."""


@dataclass(frozen=True, slots=True)
class ReferenceGrid:
    """Where the reference's cropped, padded and resized grid lies in the input grid.

    Parameters
    ----------
    input_shape : tuple of int
        (Z, Y, X) of the input grid.
    box : tuple of slice
        (z, y, x) of the crop in the input grid.
    size : int
        Rows and columns of the grid.
    """

    input_shape: tuple[int, int, int]
    box: tuple[slice, slice, slice]
    size: int = SIZE

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z', Y', X') of the grid."""
        return self.box[0].stop - self.box[0].start, self.size, self.size

    @property
    def side(self) -> int:
        """Rows and columns of the padded square before resizing."""
        return max(self._extent)

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the crop lies in the padded square; odd padding has one more after."""
        return tuple(  # type: ignore[return-value]
            slice((self.side - n) // 2, (self.side - n) // 2 + n) for n in self._extent
        )

    @property
    def _extent(self) -> tuple[int, int]:
        _, y, x = self.box
        return y.stop - y.start, x.stop - x.start

    def mask_to_grid(self, mask: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Bring a mask (Z, Y, X) onto the grid by nearest neighbour."""
        rows, columns = (_nearest(n.start, n.stop, self.side, self.size) for n in self.inner)
        crop = np.asarray(mask[self.box], dtype=np.uint8)
        # A padded row answers with index -1: the empty one put behind the crop.
        crop = np.pad(crop, ((0, 0), (0, 1), (0, 1)))
        return crop[:, rows[:, None], columns[None, :]]

    def to_input(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring a map (Z', Y', X') to the input grid by nearest neighbour, 0 outside the crop."""
        centres = (np.arange(self.side) + 0.5) * (self.size / self.side)
        index = np.minimum(centres.astype(np.intp), self.size - 1)
        rows, columns = (index[n] for n in self.inner)
        out = np.zeros(self.input_shape, dtype=volume.dtype)
        out[self.box] = volume[:, rows[:, None], columns[None, :]]
        return out


def reference_grid(image: NDArray[np.generic], *, size: int = SIZE) -> ReferenceGrid:
    """Find the reference's grid: without first and last slice, the box of what is not background.

    Parameters
    ----------
    image : ndarray, shape (C, Z, Y, X)
        Intensities, 0 or more.
    size : int
        Rows and columns of the grid.

    Raises
    ------
    DataError
        If fewer than three slices are there, or all of them are empty.
    """
    _, depth, height, width = image.shape
    if depth < 3:
        raise DataError(
            f"The reference recipe drops the first and the last slice; {depth} are too few.",
            "Use a stack of three slices or more, or a model with the native recipe.",
        )
    joint = image[:, 1:-1].max(axis=0)
    top = float(joint.max())
    if not top > 0:
        raise DataError(
            "The image is empty: no voxel is above 0.", "Check that the right files were opened."
        )
    head = joint >= BACKGROUND_SHARE * top
    box = []
    for axes, offset in (((1, 2), 1), ((0, 2), 0), ((0, 1), 0)):
        lines = np.flatnonzero(head.any(axis=axes))
        box.append(slice(int(lines[0]) + offset, int(lines[-1]) + 1 + offset))
    return ReferenceGrid((depth, height, width), (box[0], box[1], box[2]), size)


class ReferencePrepared(Prepared):
    """Slices on the reference's grid; see `ReferenceRecipe`.

    Attributes
    ----------
    grid : ReferenceGrid
        Where the slices lie.
    limits : tuple of float
        10th and 99th percentile of the resized volume, intensities in [0, 1].
    """

    def __init__(
        self, data: NDArray[np.float32], grid: ReferenceGrid, limits: tuple[float, float]
    ) -> None:
        self.data = data
        self.input_shape = grid.input_shape
        self.grid = grid
        self.limits = limits

    def restore(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Go back by nearest neighbour; 0 outside the crop and on the two dropped slices."""
        return self.grid.to_input(volume)

    def prepare_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crop, pad and resize a mask as the image was, by nearest neighbour."""
        return self.grid.mask_to_grid(mask)

    def record(self) -> dict[str, Any]:
        """Describe the grid and the limits; see `Prepared.record`."""
        return {
            "input_shape": list(self.grid.input_shape),
            "box": bounds(self.grid.box),
            "size": self.grid.size,
            "limits": list(self.limits),
        }


class ReferenceRecipe(Recipe):
    """The published preprocessing.

    1. The first and the last slice are dropped.
    2. Voxels below 0.1 x the volume's maximum become 0.
    3. Crop along z, y, x to what is not 0 in any channel.
    4. Zero padding in-plane to a square.
    5. Resizing in-plane to `size` x `size` by quadratic splines, intensities in [0, 1].
    6. Clip to the 10th and 99th percentile of the volume, rescale to [0, 1], then mean 0 and
       standard deviation 1 per channel over the volume.

    Parameters
    ----------
    size : int
        Rows and columns of the network's grid.
    **steps : bool
        Optional steps before; see `Recipe`. The published program has none.
    """

    name: ClassVar[str] = "reference"
    version: ClassVar[int] = 1

    def __init__(self, size: int = SIZE, **steps: bool) -> None:
        super().__init__(**steps)
        self.size = int(size)

    def parameters(self) -> dict[str, bool | float | int | str]:
        """Parameters that a bundle must carry to build this recipe again."""
        return {"size": self.size, **super().parameters()}

    def _prepare(
        self, image: NDArray[np.generic], spacing_mm: tuple[float, float, float] | None
    ) -> ReferencePrepared:
        del spacing_mm  # plays no part
        grid = reference_grid(image, size=self.size)
        crop = image[(slice(None), *grid.box)]
        top = float(image[:, 1:-1].max())
        # An integer type's largest value becomes 1, as scikit-image converts to float.
        integer = np.issubdtype(image.dtype, np.integer)
        full_scale = float(np.iinfo(str(image.dtype)).max) if integer else 1.0
        rows, columns = grid.inner
        operator = _spline_operator(grid.side, self.size)
        channels, depth = crop.shape[:2]
        data = np.empty((depth, channels, self.size, self.size), dtype=np.float32)
        # A channel at a time: memory of this size is used again, more of it is fetched anew.
        for c, channel in enumerate(crop):
            clean = channel.astype(np.float32)
            clean[clean < np.float32(BACKGROUND_SHARE * top)] = 0
            clean /= np.float32(full_scale)
            # Padding with zeros and then multiplying is multiplying with the inner columns only.
            data[:, c] = _both_ways(clean, operator[:, rows], operator[:, columns])
        np.clip(data, 0.0, top / full_scale, out=data)
        low, high = (float(p) for p in np.percentile(data, PERCENTILES))
        np.clip(data, low, high, out=data)
        data -= np.float32(low)
        data /= np.float32(max(high - low, 1e-6))
        mean = data.mean(axis=(0, 2, 3), dtype=np.float64, keepdims=True)
        data -= mean.astype(np.float32)
        spread = data.std(axis=(0, 2, 3), dtype=np.float64, keepdims=True)
        # A blank channel has no spread; it stays at 0.
        data /= np.where(spread > 0, spread, 1.0).astype(np.float32)
        return ReferencePrepared(data, grid, (low, high))

    def revive(self, data: NDArray[np.float32], record: dict[str, Any]) -> ReferencePrepared:
        """Build a prepared volume again; see `Recipe.revive`."""
        z, y, x = slices(record["box"])
        depth, height, width = record["input_shape"]
        grid = ReferenceGrid((depth, height, width), (z, y, x), record["size"])
        low, high = record["limits"]
        return ReferencePrepared(data, grid, (low, high))


def _both_ways(
    volume: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Resize (Z, Y, X) by an operator for its rows (size, Y) and one for its columns (size, X).

    Two large products, not two for every slice: the threads of BLAS wait for each other at the
    end of each, thirty times as long as they compute where the machine is busy.
    """
    depth, height, width = volume.shape
    size = len(columns)
    across = (volume.reshape(-1, width) @ columns.T).reshape(depth, height, size)
    down = rows @ across.transpose(1, 0, 2).reshape(height, -1)
    return down.reshape(size, depth, size).transpose(1, 0, 2)


@lru_cache(maxsize=64)
def _spline_operator(length: int, size: int) -> NDArray[np.float32]:
    """Quadratic spline resizing of a line, as a matrix (size, length).

    Splines are linear and separable: zooming the unit vectors once gives two matrix products in
    place of a spline over every voxel. Zero lies outside the line.
    """
    from scipy import ndimage

    zoomed = ndimage.zoom(
        np.eye(length), (size / length, 1.0), order=2, mode="grid-constant", grid_mode=True
    )
    operator: NDArray[np.float32] = zoomed.astype(np.float32)
    operator.flags.writeable = False
    return operator


@lru_cache(maxsize=256)
def _nearest(start: int, stop: int, side: int, size: int) -> NDArray[np.intp]:
    """Index into the crop for every line of the grid; -1 for padding."""
    from scipy import ndimage

    labels = np.zeros(side, dtype=np.int32)
    labels[start:stop] = np.arange(1, stop - start + 1)
    zoomed = ndimage.zoom(
        labels, size / side, order=0, mode="grid-constant", cval=0, grid_mode=True
    )
    index: NDArray[np.intp] = zoomed.astype(np.intp) - 1
    index.flags.writeable = False
    return index
