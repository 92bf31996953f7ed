"""The house's own recipe: head box, native pixels, robust scaling, every slice kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.preprocessing.base import Prepared, Recipe, bounds, slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NativePrepared", "NativeRecipe"]

BACKGROUND_SHARE = 0.1
"""Voxels that differ from the background by this share of the volume's maximum, or less, are
background."""
LIFTED_SHARE = 0.05
"""A channel whose background lies above this share of the volume's maximum is lifted."""
RIM_PX = 4
"""Width of the frame about each slice in which the background is looked for."""
RIM_QUANTILES = (0.1, 0.5, 0.9)
"""Of the frame: the background's level is the middle one; a head may reach into the frame."""
MIN_VOXELS_A_LINE = 4
"""A row or column with fewer head voxels than this, over all slices, lies outside the head."""
RESAMPLING_TOLERANCE = 0.05
"""Pixel sizes within this share of the nominal one are left as they are."""
STATISTICS_VOXELS = 250_000
"""Percentiles are taken over about this many head voxels (an even stride through all)."""
CLIP = (-4.0, 6.0)
"""Limits after scaling, in robust standard deviations."""
NORMAL_P5_P95 = 3.2897
"""Distance between the 5th and 95th percentile of a normal distribution, in SD."""


class NativePrepared(Prepared):
    """Slices in the head box; see `NativeRecipe`."""

    def __init__(
        self,
        data: NDArray[np.float32],
        input_shape: tuple[int, int, int],
        box: tuple[slice, slice],
        resampled_shape: tuple[int, int],
        pad_before: tuple[int, int],
    ) -> None:
        self.data = data
        self.input_shape = input_shape
        self.box = box
        self._resampled_shape = resampled_shape
        self._pad_before = pad_before

    @property
    def _inner(self) -> tuple[slice, slice]:
        (height, width), (top, left) = self._resampled_shape, self._pad_before
        return slice(top, top + height), slice(left, left + width)

    @property
    def _box_shape(self) -> tuple[int, int]:
        y, x = self.box
        return y.stop - y.start, x.stop - x.start

    def restore(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Undo padding, resampling (linear) and crop; exact where no resampling was needed."""
        inner = volume[(slice(None), *self._inner)]
        if self._resampled_shape != self._box_shape:
            inner = _resize_in_plane(inner, self._box_shape, order=1)
        out = np.zeros(self.input_shape, dtype=np.float32)
        out[(slice(None), *self.box)] = inner
        return out

    def prepare_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crop, resample by nearest neighbour and pad a mask as the image was."""
        inner = mask[(slice(None), *self.box)]
        if self._resampled_shape != self._box_shape:
            inner = _resize_in_plane(inner, self._resampled_shape, order=0)
        out = np.zeros((mask.shape[0], *self.data.shape[2:]), dtype=np.uint8)
        out[(slice(None), *self._inner)] = inner
        return out

    def record(self) -> dict[str, Any]:
        """Describe crop, resampling and padding; see `Prepared.record`."""
        return {
            "input_shape": list(self.input_shape),
            "box": bounds(self.box),
            "resampled_shape": list(self._resampled_shape),
            "pad_before": list(self._pad_before),
        }


class NativeRecipe(Recipe):
    """Head box at the nominal pixel size, robust per-channel scaling.

    1. Head: voxels above 0.1 x the volume's maximum, over all channels; its in-plane box. Where
       the background of a channel is lifted (grey around the head instead of black), its voxels
       count by their distance from that grey.
    2. In-plane resampling to `nominal_mm`, only where the spacing is known and differs by more
       than 5 %. Otherwise pixels stay the file's own.
    3. Zero padding, even on both sides, to a multiple of `multiple`.
    4. Per channel: centre on the head's median, scale by (p95 - p5) / 3.29 of the head (a
       standard deviation that lesions do not move), clip to [-4, 6].

    Every slice is kept.

    Parameters
    ----------
    nominal_mm : float
        Pixel size in millimetres that networks are trained at; about the median of TCGA-LGG.
    multiple : int
        Height and width become multiples of this.
    **steps : bool
        Optional steps before; see `Recipe`.
    """

    name: ClassVar[str] = "native"
    version: ClassVar[int] = 2

    def __init__(self, nominal_mm: float = 0.94, multiple: int = 16, **steps: bool) -> None:
        super().__init__(**steps)
        self.nominal_mm = float(nominal_mm)
        self.multiple = int(multiple)

    def parameters(self) -> dict[str, bool | float | int | str]:
        """Parameters that a bundle must carry to build this recipe again."""
        own = {"nominal_mm": self.nominal_mm, "multiple": self.multiple}
        return {**own, **super().parameters()}

    def _prepare(
        self, image: NDArray[np.generic], spacing_mm: tuple[float, float, float] | None
    ) -> NativePrepared:
        channels, depth, height, width = image.shape
        ground = _lifted_background(image)
        box = _head_box(image, ground)
        crop = image[(slice(None), slice(None), *box)]
        centre, scale = _robust_statistics(crop, ground, float(image.max()))
        box_shape = (crop.shape[2], crop.shape[3])
        resampled = self._target_shape(box_shape, spacing_mm)
        padded = tuple(-(-n // self.multiple) * self.multiple for n in resampled)
        before = ((padded[0] - resampled[0]) // 2, (padded[1] - resampled[1]) // 2)
        data = np.zeros((depth, channels, *padded), dtype=np.float32)
        inner = (slice(before[0], before[0] + resampled[0]),
                 slice(before[1], before[1] + resampled[1]))  # fmt: skip
        for c in range(channels):
            plane = crop[c].astype(np.float32)
            if resampled != box_shape:
                plane = _resize_in_plane(plane, resampled, order=1)
            data[(slice(None), c, *inner)] = plane
            data[:, c] -= centre[c]
            data[:, c] /= scale[c]
        np.clip(data, *CLIP, out=data)
        return NativePrepared(data, (depth, height, width), box, resampled, before)

    def revive(self, data: NDArray[np.float32], record: dict[str, Any]) -> NativePrepared:
        """Build a prepared volume again; see `Recipe.revive`."""
        rows, columns = slices(record["box"])
        depth, height, width = record["input_shape"]
        return NativePrepared(
            data,
            (depth, height, width),
            (rows, columns),
            tuple(record["resampled_shape"]),
            tuple(record["pad_before"]),
        )

    def _target_shape(
        self, shape: tuple[int, int], spacing_mm: tuple[float, float, float] | None
    ) -> tuple[int, int]:
        if spacing_mm is None:
            return shape
        factors = [s / self.nominal_mm for s in spacing_mm[1:]]
        if all(abs(f - 1) <= RESAMPLING_TOLERANCE for f in factors):
            return shape
        return max(1, round(shape[0] * factors[0])), max(1, round(shape[1] * factors[1]))


def _lifted_background(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Grey level of each channel's background, (C,); 0 where it is dark, as it should be."""
    rim = np.ones(image.shape[2:], dtype=bool)
    rim[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX] = False
    every = image[:, :, rim].reshape(image.shape[0], -1)
    frame = every[:, :: max(1, every.shape[1] // STATISTICS_VOXELS)].astype(np.float32)
    low, level, high = np.quantile(frame, RIM_QUANTILES, axis=1)
    top = float(image.max())
    # a frame that a head fills is bright, too, but not of one grey
    is_lifted = (low > LIFTED_SHARE * top) & (high - low < BACKGROUND_SHARE * top)
    lifted = np.where(is_lifted, level, 0)
    return lifted.astype(np.float32)


def _signal(image: NDArray[np.generic], ground: NDArray[np.float32]) -> NDArray[Any]:
    """Greatest distance from the background over all channels of (C, ...)."""
    joint: NDArray[Any]
    if not ground.any():
        joint = image.max(axis=0)
        return joint
    joint = np.zeros(image.shape[1:], dtype=np.float32)
    for channel, level in zip(image, ground, strict=True):
        np.maximum(joint, np.abs(channel.astype(np.float32) - level), out=joint)
    return joint


def _head_box(image: NDArray[np.generic], ground: NDArray[np.float32]) -> tuple[slice, slice]:
    joint = _signal(image, ground)
    top = image.max()
    if not top > 0:
        raise DataError(
            "The image is empty: no voxel is above 0.",
            "Check that the right files were opened.",
        )
    head = joint > BACKGROUND_SHARE * top
    ranges = []
    for axes in ((0, 2), (0, 1)):
        lines = np.flatnonzero(np.count_nonzero(head, axis=axes) >= MIN_VOXELS_A_LINE)
        if lines.size == 0:
            raise DataError(
                "No head was found: almost no voxel is above a tenth of the brightest one.",
                "Check for a single very bright artefact in the image.",
            )
        ranges.append(slice(int(lines[0]), int(lines[-1]) + 1))
    return ranges[0], ranges[1]


def _robust_statistics(
    crop: NDArray[np.generic], ground: NDArray[np.float32], top: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    flat = crop.reshape(crop.shape[0], -1)
    joint = _signal(flat, ground)
    head = np.flatnonzero(joint > BACKGROUND_SHARE * top)
    head = head[:: max(1, head.size // STATISTICS_VOXELS)]
    p5, median, p95 = np.percentile(flat[:, head].astype(np.float32), [5, 50, 95], axis=1)
    # a blank channel has no spread: one grey level keeps it finite
    spread = np.maximum((p95 - p5) / NORMAL_P5_P95, max(top / 255.0, 1e-6))
    return median.astype(np.float32), spread.astype(np.float32)


def _resize_in_plane(
    volume: NDArray[Any], shape: tuple[int, int], *, order: Literal[0, 1]
) -> NDArray[Any]:
    from scipy.ndimage import zoom

    factors = (1.0, shape[0] / volume.shape[1], shape[1] / volume.shape[2])
    resized = zoom(volume, factors, order=order, mode="nearest", grid_mode=True)
    return resized[:, : shape[0], : shape[1]]
