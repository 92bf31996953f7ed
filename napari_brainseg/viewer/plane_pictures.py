"""What a plane shows: the anatomy as on the canvas, with the masks and whatever lies on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.viewer import colours
from napari_brainseg.viewer.display import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    PREDICTION_NAME,
)
from napari_brainseg.viewer.overlay_layers import (
    DIFFERENCE_COLOURS,
    FILL_OPACITY,
    MASKS,
    doubt_opacity,
)
from napari_brainseg.viewer.planes import as_rgb, composite, cut, grey, outline, tint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Modality, Study
    from napari_brainseg.viewer.display import Display
    from napari_brainseg.viewer.planes import Plane

__all__ = ["Outline", "PlanePicture", "plane_picture"]

_RGB = np.eye(3)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The outline of one mask in a plane.

    Parameters
    ----------
    name : str
        Of the mask's layer.
    paths : tuple of ndarray, shape (n, 2)
        (row, column) in voxels; see `planes.outline`.
    colour : str
        ``#rrggbb``.
    dashed, thick : bool
        So that colour is not the only sign: the prediction is dashed, the correction thick.
    """

    name: str
    paths: tuple[NDArray[np.float64], ...]
    colour: str
    dashed: bool
    thick: bool


@dataclass(frozen=True, slots=True, eq=False)
class PlanePicture:
    """A plane ready to be drawn.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns) or (rows, columns, 3)
        Grey levels or colours.
    outlines : tuple of Outline
        From the lowest to the one on top.
    opacity : float
        Of the outlines.
    width : int
        Of the outlines, as the user chose it for the canvas.
    """

    image: NDArray[np.uint8]
    outlines: tuple[Outline, ...] = ()
    opacity: float = 1.0
    width: int = 1


def plane_picture(
    study: Study, display: Display, plane: Plane, index: int, modality: Modality | None = None
) -> PlanePicture:
    """Make the picture of a plane as the canvas shows the case.

    Parameters
    ----------
    study : Study
        The patient.
    display : Display
        Windows, masks and all that is chosen.
    plane : Plane
        Which way it lies.
    index : int
        Where, along the axis that it lies across.
    modality : Modality, optional
        One to show in grey, whatever the canvas shows.
    """
    picture = _anatomy(study, display, plane, index, modality)
    if display.masks_hidden:
        return PlanePicture(picture)
    labels = display.mask(DIFFERENCE_NAME) if display.is_shown(DIFFERENCE_NAME) else None
    doubt = display.doubt if display.is_shown(DOUBT_NAME) else None
    if labels is not None or doubt is not None or display.fill:
        picture = as_rgb(picture)
    if doubt is not None:
        opacity = doubt_opacity(cut(doubt, plane, index)) * display.opacity
        tint(picture, opacity, colours.DOUBT)
    if labels is not None:
        here = cut(labels, plane, index)
        for label, (colour, opacity) in DIFFERENCE_COLOURS.items():
            tint(picture, (here == label) * (opacity * display.opacity), colour)
    outlines = []
    for name, colour in MASKS.items():
        mask = display.mask(name) if display.is_shown(name) else None
        if mask is None:
            continue
        here = cut(mask, plane, index)
        if display.fill:
            tint(picture, (here != 0) * (FILL_OPACITY * display.opacity), colour)
        paths = outline(here)
        if paths:
            dashed, thick = name == PREDICTION_NAME, name == CORRECTION_NAME
            outlines.append(Outline(name, paths, colour, dashed, thick))
    return PlanePicture(picture, tuple(outlines), display.opacity, display.outline_width)


def _anatomy(
    study: Study, display: Display, plane: Plane, index: int, modality: Modality | None
) -> NDArray[np.uint8]:
    if modality is None and display.composite:
        modalities = study.image.modalities
        return composite(
            [cut(study.shown(m), plane, index) for m in modalities],
            [display.window(m) for m in modalities],
            [tuple(_RGB[i % 3]) for i in range(len(modalities))],
        )
    shown = modality or display.modality
    return grey(
        cut(study.shown(shown), plane, index), display.window(shown), inverted=display.inverted
    )
