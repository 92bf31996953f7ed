"""What each tool computes: from a snapshot of the case to a change of its mask.

Pure: nothing of the case is written, so all of it may run in a worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.session.tool_specs import ISLAND, MM, NEXT, REGION, SLICE, VOLUME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_brainseg.core.editing import Edit, Spacing
    from napari_brainseg.session.tool_place import Place

__all__ = ["ACTS", "Inputs", "target_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a tool works from.

    Parameters
    ----------
    mask : ndarray of uint8, shape (Z, Y, X)
        A copy of the correction.
    image : ndarray, shape (C, Z, Y, X)
        Intensities of all modalities.
    channel : ndarray, shape (Z, Y, X)
        Intensities of the modality on show.
    spacing : tuple of float or None
        Of voxels along z, y and x in millimetres.
    place : Place
        Where to act.
    parameters : mapping
        All parameters of the tool, by name.
    prediction, truth : ndarray of uint8, shape (Z, Y, X), or None
        Masks to take from.
    probability : ndarray of float32, shape (Z, Y, X), or None
        Of the prediction.
    progress : callable
        Takes how much is done, 0 to 1.
    cancelled : callable
        Whether to stop.
    """

    mask: NDArray[np.uint8]
    image: NDArray[Any]
    channel: NDArray[Any]
    spacing: Spacing | None
    place: Place
    parameters: Mapping[str, Any]
    prediction: NDArray[np.uint8] | None
    truth: NDArray[np.uint8] | None
    probability: NDArray[np.float32] | None
    progress: Callable[[float], None]
    cancelled: Callable[[], bool]

    @property
    def slice_or_all(self) -> int | None:
        """Index of the slice to act on; `None`: the whole volume."""
        return self.place.slice_index if self.parameters["scope"] == SLICE else None


def target_of(slice_index: int, to: object) -> int:
    """Return the index of the slice that is copied onto."""
    return slice_index + (1 if to == NEXT else -1)


def _fill_holes(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.holes import fill_holes

    return fill_holes(inputs.mask, inputs.slice_or_all)


def _flood_fill(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.flood import flood_fill

    assert inputs.place.point is not None
    return flood_fill(
        inputs.mask,
        inputs.channel,
        inputs.place.point,
        tolerance=inputs.parameters["tolerance"],
        volume=inputs.parameters["scope"] == VOLUME,
        limit_voxels=inputs.parameters["limit_voxels"],
    )


def _grow(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.seeds import grow_from_seeds

    seeds = inputs.place.seeds
    assert seeds is not None
    return grow_from_seeds(
        inputs.image,
        seeds.foreground,
        seeds.background,
        inputs.mask,
        method=inputs.parameters["method"],
        margin=inputs.parameters["margin"],
        spacing=inputs.spacing,
        progress=inputs.progress,
        cancelled=inputs.cancelled,
    )


def _interpolate(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.between import interpolate

    return interpolate(inputs.mask, inputs.parameters["first"], inputs.parameters["last"])


def _copy(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.slices import copy_slice

    source = inputs.place.slice_index
    return copy_slice(inputs.mask, source, target_of(source, inputs.parameters["to"]))


def _clear(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.slices import clear_slice

    return clear_slice(inputs.mask, inputs.place.slice_index)


def _keep_largest(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.islands import keep_largest

    return keep_largest(inputs.mask)


def _remove_small(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.islands import remove_smaller

    return remove_smaller(inputs.mask, inputs.parameters["voxels"])


def _remove_island(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.islands import remove_island

    assert inputs.place.point is not None
    return remove_island(inputs.mask, inputs.place.point)


def _shape(name: str) -> Callable[[Inputs], Edit | None]:
    def act(inputs: Inputs) -> Edit | None:
        from napari_brainseg.core.editing import shape

        change: Callable[..., Edit | None] = getattr(shape, name)
        unit = inputs.parameters["unit"]
        return change(
            inputs.mask,
            inputs.parameters["radius"],
            unit=unit,
            spacing=inputs.spacing if unit == MM else None,
            slice_index=inputs.slice_or_all,
        )

    return act


def _snap(inputs: Inputs) -> Edit | None:
    from napari_brainseg.core.editing.taking import snap

    assert inputs.probability is not None
    scope, place, depth = inputs.parameters["scope"], inputs.place, inputs.parameters["depth"]
    count, height, width = inputs.mask.shape
    region, middle = np.ones((height, width), bool), place.slice_index
    if scope == REGION and place.region is not None:
        region, middle = place.region.inside, place.region.slice_index
    slices = range(count) if scope == VOLUME else range(middle - depth, middle + depth + 1)
    return snap(inputs.mask, inputs.probability, inputs.parameters["threshold"], region, slices)


def _take(source: str) -> Callable[[Inputs], Edit | None]:
    def act(inputs: Inputs) -> Edit | None:
        from napari_brainseg.core.editing.taking import take

        mask = inputs.truth if source == "truth" else inputs.prediction
        assert mask is not None
        if inputs.parameters["scope"] == ISLAND:
            return take(inputs.mask, mask, point=inputs.place.point)
        return take(inputs.mask, mask, slice_index=inputs.slice_or_all)

    return act


ACTS: Mapping[str, Callable[[Inputs], Edit | None]] = {
    "fill holes": _fill_holes,
    "flood fill": _flood_fill,
    "grow from seeds": _grow,
    "interpolate": _interpolate,
    "copy slice": _copy,
    "keep largest": _keep_largest,
    "remove small": _remove_small,
    "remove island": _remove_island,
    "smooth": _shape("smooth"),
    "dilate": _shape("dilate"),
    "erode": _shape("erode"),
    "snap to probability": _snap,
    "take prediction": _take("prediction"),
    "take truth": _take("truth"),
    "clear slice": _clear,
}
"""Tool id to what it computes."""
