"""All slices of a patient on one sheet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.reporting.lettering import BACKGROUND, framed, outlined
from napari_brainseg.core.reporting.slice_drawing import SliceDrawing, annotate, marks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import LabelVolume, Modality, Study

__all__ = ["contact_sheet"]

CELL_PX = 224
SMALL_CELL_PX = 144
MANY = 120
"""From so many slices on, each is drawn smaller."""
GAP_PX = 4
LANDSCAPE = 1.4
"""Width of a sheet over its height."""
LETTER_PX = 16


def contact_sheet(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
    *,
    modality: Modality | None = None,
    model: str | None = None,
    advance: Callable[[], None] = lambda: None,
) -> NDArray[np.uint8]:
    """Draw all slices with outlines, from the first to the last, in rows.

    Each has its slice number and the letters of the patient's sides where the orientation is
    known; the first one has a scale bar where the spacing is. The dark rim around the head is
    left out.

    Parameters
    ----------
    study : Study
    masks : mapping
        See `marks_of`.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    model : str, optional
        Version of the model that made the prediction.
    advance : callable
        Called after each slice; what it raises ends the drawing.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB.
    """
    from PIL import Image, ImageDraw

    marks = marks_of(study, masks)
    depth = study.image.grid_shape[0]
    side = CELL_PX if depth < MANY else SMALL_CELL_PX
    drawing = SliceDrawing(study, marks, modality=modality, side_px=side, fit=True, cropped=True)
    width, height = drawing.size
    columns = min(depth, max(1, math.ceil(math.sqrt(depth * LANDSCAPE * height / width))))
    rows = -(-depth // columns)
    body = Image.new(
        "RGB",
        (columns * (width + GAP_PX) + GAP_PX, rows * (height + GAP_PX) + GAP_PX),
        BACKGROUND,
    )
    for z in range(depth):
        cell = Image.fromarray(drawing.outlines(z))
        annotate(cell, drawing, LETTER_PX, sides="across", bar=z == 0)
        outlined(ImageDraw.Draw(cell), (5, 3), str(study.slice_numbers[z]), LETTER_PX, "la")
        row, column = divmod(z, columns)
        body.paste(cell, (GAP_PX + column * (width + GAP_PX), GAP_PX + row * (height + GAP_PX)))
        advance()
    numbers = study.slice_numbers
    text = f"{drawing.name}, {depth} slices, {numbers[0]} to {numbers[-1]}"
    return np.asarray(framed(body, [study.patient, text], drawing.legend(model)))
