"""Image, ground truth and prediction side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_brainseg.core.reporting.lettering import font_for
from napari_brainseg.core.reporting.outline import inner_outline
from napari_brainseg.core.reporting.overlay import PREDICTION, TRUTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TriptychRow", "telling_slices", "triptych"]

PANEL_PX = 256
"""Least height of a panel; smaller slices are enlarged by a whole factor."""
GAP_PX = 6
BAND_PX = 24
TITLES = ("FLAIR", "ground truth", "prediction")
FILL = 0.35


class TriptychRow(NamedTuple):
    """A slice of a triptych."""

    caption: str
    image: NDArray[np.uint8]
    """(Y, X), grey."""
    truth: NDArray[np.generic]
    """(Y, X)."""
    prediction: NDArray[np.generic]
    """(Y, X)."""


def telling_slices(truth: NDArray[np.generic], prediction: NDArray[np.generic]) -> dict[int, str]:
    """Choose the slices worth a look.

    Parameters
    ----------
    truth, prediction : ndarray, shape (Z, Y, X)

    Returns
    -------
    dict of int to str
        Index along Z to why: the largest lesion, and where the two masks differ most, if that is
        another one. The middle slice where both masks are empty.
    """
    true, predicted = truth != 0, prediction != 0
    areas = true.sum(axis=(1, 2)) if true.any() else predicted.sum(axis=(1, 2))
    if not areas.any():
        return {truth.shape[0] // 2: "no lesion, none predicted"}
    chosen = {int(areas.argmax()): "largest area"}
    differing = (true != predicted).sum(axis=(1, 2))
    if differing.any():
        chosen.setdefault(int(differing.argmax()), "most disagreement")
    return chosen


def triptych(title: str, rows: Sequence[TriptychRow]) -> NDArray[np.uint8]:
    """Draw one row a slice: image, ground truth in green, prediction in red.

    Parameters
    ----------
    title : str
        Written on top.
    rows : sequence of TriptychRow
        At least one; all of the same shape.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB; encode it with `overlay.encoded`.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    from PIL import Image, ImageDraw

    if not rows:
        raise ValueError("A triptych needs at least one slice.")
    height, width = rows[0].image.shape
    factor = max(1, -(-PANEL_PX // max(height, width)))
    height, width = height * factor, width * factor
    step = BAND_PX + height + GAP_PX
    sheet = Image.new(
        "RGB", (3 * width + 4 * GAP_PX, BAND_PX + len(rows) * step), color=(17, 20, 24)
    )
    draw = ImageDraw.Draw(sheet)
    font, small = font_for(title, 15), font_for("", 13)
    draw.text((GAP_PX, BAND_PX / 2), title, font=font, fill=(240, 240, 240), anchor="lm")
    for number, row in enumerate(rows):
        top = BAND_PX + number * step
        image = _enlarged(row.image, factor)
        panels = (
            np.repeat(image[..., None], 3, axis=-1),
            _filled(image, _enlarged(row.truth, factor), TRUTH),
            _filled(image, _enlarged(row.prediction, factor), PREDICTION),
        )
        for column, (panel, name) in enumerate(zip(panels, TITLES, strict=True)):
            left = GAP_PX + column * (width + GAP_PX)
            text = f"{name}, {row.caption}" if column == 0 else name
            draw.text(
                (left, top + BAND_PX / 2), text, font=small, fill=(190, 195, 200), anchor="lm"
            )
            sheet.paste(Image.fromarray(panel), (left, top + BAND_PX))
    return np.asarray(sheet)


def _enlarged(data: NDArray[np.generic], factor: int) -> NDArray[np.uint8]:
    return data.repeat(factor, axis=0).repeat(factor, axis=1).astype(np.uint8)


def _filled(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    painted = np.repeat(image[..., None], 3, axis=-1)
    lesion = mask != 0
    blend = (1 - FILL) * painted[lesion] + FILL * np.array(colour)
    painted[lesion] = blend.round().astype(np.uint8)
    painted[inner_outline(mask)] = colour
    return painted
