"""Image, ground truth and prediction of a study side by side, at the true aspect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.reporting.lettering import BACKGROUND, framed, letter_px, outlined
from napari_brainseg.core.reporting.slice_drawing import Mark, SliceDrawing, annotate, marks_of
from napari_brainseg.core.reporting.triptych import telling_slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import LabelVolume, Modality, Study

__all__ = ["key_slices", "study_triptych"]

GAP_PX = 6
PANEL_PX = 384


def key_slices(marks: Sequence[Mark], depth: int) -> dict[int, str]:
    """Choose the slices worth a look, see `telling_slices`, whatever masks there are.

    Parameters
    ----------
    marks : sequence of Mark
    depth : int
        Number of slices.

    Returns
    -------
    dict of int to str
        Index along Z to why; the middle one where no mask has a lesion.
    """
    by_name = {mark.name: mark.data for mark in marks}
    ranked = [by_name[name] for name in ("truth", "correction", "prediction") if name in by_name]
    if not any(np.any(mask) for mask in ranked):
        return {depth // 2: "the middle one, no lesion is marked" if ranked else "the middle one"}
    return telling_slices(ranked[0], ranked[1] if len(ranked) > 1 else ranked[0])


def study_triptych(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
    *,
    modality: Modality | None = None,
    model: str | None = None,
    slices: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Draw one row a slice: the image, then a panel for each mask that there is.

    Parameters
    ----------
    study : Study
    masks : mapping
        See `marks_of`.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    model : str, optional
        Version of the model that made the prediction.
    slices : sequence of int, optional
        Indices along Z; those of `key_slices` if left out.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB.
    """
    from PIL import Image, ImageDraw

    from napari_brainseg.core.segmentation.metrics import dsc

    marks = marks_of(study, masks)
    drawing = SliceDrawing(study, marks, modality=modality, side_px=PANEL_PX)
    chosen = key_slices(marks, len(drawing))
    if slices is not None:
        chosen = {z: chosen.get(z, "") for z in slices}
    panels = sorted(marks, key=lambda mark: ("truth", "prediction", "correction").index(mark.name))
    width, height = drawing.size
    size = max(letter_px(width), round(letter_px((1 + len(panels)) * width) * 0.75))
    band = round(size * 1.6)
    body = Image.new(
        "RGB",
        (
            (1 + len(panels)) * (width + GAP_PX) + GAP_PX,
            len(chosen) * (band + height + GAP_PX) + GAP_PX,
        ),
        BACKGROUND,
    )
    draw = ImageDraw.Draw(body)
    for row, (z, why) in enumerate(chosen.items()):
        top = GAP_PX + row * (band + height + GAP_PX)
        plain = Image.fromarray(drawing.outlines(z, ()))
        annotate(plain, drawing, size)
        text = f"{drawing.name}, slice {study.slice_numbers[z]}"
        cells = [(text, plain)]
        cells += [(m.words, Image.fromarray(drawing.filled(z, m.name))) for m in panels]
        if why:
            outlined(ImageDraw.Draw(plain), (size // 2, size // 3), why, round(size * 0.9), "la")
        for column, (words, cell) in enumerate(cells):
            left = GAP_PX + column * (width + GAP_PX)
            outlined(draw, (left + 2, top + band / 2), words, size, "lm")
            body.paste(cell, (left, top + band))
    title = [study.patient]
    truth = next((mark.data for mark in marks if mark.name == "truth"), None)
    if truth is not None:
        scores = [f"{m.words} {dsc(m.data, truth):.3f}" for m in panels if m.name != "truth"]
        if scores:
            title.append(f"DSC with the ground truth: {', '.join(scores)}")
    return np.asarray(framed(body, title, drawing.legend(model, filled=True)))
