"""A study as an animated GIF: its slices one after the other, with outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.reporting.animation import FRAME_MS, GREYS, gif_bytes, shown_slices
from napari_brainseg.core.reporting.lettering import BACKGROUND, TEXT, framed, letter_px
from napari_brainseg.core.reporting.slice_drawing import (
    COLOURS,
    SliceDrawing,
    annotate,
    marks_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from PIL import Image

    from napari_brainseg.core.imaging import LabelVolume, Modality, Study

__all__ = ["study_film"]

SIDE_PX = 400
LIMIT_BYTES = 6_000_000
"""What a mail takes; the film has fewer grey levels until it is below this."""


def study_film(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
    *,
    modality: Modality | None = None,
    model: str | None = None,
    frame_ms: int = FRAME_MS,
    limit_bytes: int = LIMIT_BYTES,
    advance: Callable[[], None] = lambda: None,
) -> bytes:
    """Animate the slices with lesion and some around: prediction red, ground truth green.

    Parameters
    ----------
    study : Study
    masks : mapping
        See `marks_of`. Where none has a lesion, the film shows all slices.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    model : str, optional
        Version of the model that made the prediction.
    frame_ms : int
        How long each slice stays, in milliseconds.
    limit_bytes : int
        Larger films get fewer grey levels.
    advance : callable
        Called after each slice; what it raises ends the drawing.

    Returns
    -------
    bytes
        GIF that loops. Frames are made one at a time; Pillow keeps one byte a pixel of each.
    """
    marks = marks_of(study, masks)
    drawing = SliceDrawing(study, marks, modality=modality, side_px=SIDE_PX, fit=True, cropped=True)
    lesion = np.zeros(study.image.grid_shape, bool)
    for mark in marks:
        lesion |= mark.data != 0
    chosen = shown_slices(lesion, lesion) if lesion.any() else range(len(drawing))
    content = b""
    for greys in GREYS:
        content = gif_bytes(_frames(drawing, chosen, model, greys, advance), frame_ms)
        if len(content) <= limit_bytes:
            break
    return content


def _frames(
    drawing: SliceDrawing,
    chosen: range,
    model: str | None,
    greys: int,
    advance: Callable[[], None],
) -> Iterator[Image.Image]:
    from PIL import Image

    palette = _palette(greys)
    size = letter_px(drawing.size[0])
    for z in chosen:
        body = Image.fromarray(drawing.outlines(z))
        annotate(body, drawing, size)
        head = [drawing.study.patient, f"{drawing.name}, {drawing.slice_name(z)}"]
        picture = framed(body, head, drawing.legend(model))
        # a palette of one's own instead of one per frame: the outlines keep their exact colours
        yield picture.quantize(palette=palette, dither=Image.Dither.NONE)
        advance()


def _palette(greys: int) -> Image.Image:
    from PIL import Image

    levels = np.linspace(0, 255, greys).round().astype(int)
    colours = [*np.repeat(levels, 3).tolist(), *BACKGROUND, *TEXT]
    for colour in COLOURS.values():
        colours += colour
    holder = Image.new("P", (1, 1))
    # Pillow pads with black, which is there already.
    holder.putpalette(colours + [0] * (768 - len(colours)))
    return holder
