"""A patient's slices as an animated GIF."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_brainseg.core.reporting.extent import head_extent
from napari_brainseg.core.reporting.lettering import font_for
from napari_brainseg.core.reporting.outline import inner_outline
from napari_brainseg.core.reporting.overlay import PREDICTION, TRUTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["FRAME_MS", "GREYS", "animation", "gif_bytes", "shown_slices"]

FRAME_MS = 150
LIMIT_BYTES = 1_000_000
GREYS = (64, 32, 16, 8)
"""Grey levels tried in turn until the file is small enough."""
SLICES_AROUND = 2
UNSEEN_SLICES = 7
"""Shown of the middle where both masks are empty."""


class _Layers(NamedTuple):
    """What a frame shows, each (Z, Y, X)."""

    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    prediction: NDArray[np.bool_]

    def every(self, stride: int) -> _Layers:
        """Keep every so-manieth row and column."""
        step = (slice(None), slice(None, None, stride), slice(None, None, stride))
        return _Layers(self.image[step], self.truth[step], self.prediction[step])


def shown_slices(
    truth: NDArray[np.generic], prediction: NDArray[np.generic], around: int = SLICES_AROUND
) -> range:
    """Find the slices from the first to the last with lesion in either mask, and some around.

    Parameters
    ----------
    truth, prediction : ndarray, shape (Z, Y, X)
    around : int
        Slices before the first and after the last.

    Returns
    -------
    range
        Of indices along Z; those of the middle where both masks are empty.
    """
    depth = truth.shape[0]
    hits = np.flatnonzero(((truth != 0) | (prediction != 0)).any(axis=(1, 2)))
    if not hits.size:
        first = max(0, depth // 2 - UNSEEN_SLICES // 2)
        return range(first, min(depth, first + UNSEEN_SLICES))
    return range(max(0, int(hits[0]) - around), min(depth, int(hits[-1]) + 1 + around))


def animation(
    image: NDArray[np.uint8],
    truth: NDArray[np.generic],
    prediction: NDArray[np.generic],
    *,
    slice_numbers: Sequence[int] | None = None,
    frame_ms: int = FRAME_MS,
    limit_bytes: int = LIMIT_BYTES,
) -> bytes:
    """Animate the slices with lesion: outline of the prediction red, of the truth green on top.

    Parameters
    ----------
    image : ndarray of uint8, shape (Z, Y, X)
        Grey values as `overlay.grey` gives them; the dark rim around the head is cut off.
    truth, prediction : ndarray, shape (Z, Y, X)
        Masks.
    slice_numbers : sequence of int, optional
        Written into the corner; counted from 1 where left out.
    frame_ms : int
        How long each slice stays, in milliseconds.
    limit_bytes : int
        The file has fewer grey levels, then half the resolution, until it is below this.

    Returns
    -------
    bytes
        GIF that loops.
    """
    chosen = shown_slices(truth, prediction)
    numbers = slice_numbers or range(1, image.shape[0] + 1)
    part = (
        slice(chosen.start, chosen.stop),
        *head_extent(*(volume.max(axis=0) for volume in (image, truth, prediction))),
    )
    layers = _Layers(image[part], truth[part] != 0, prediction[part] != 0)
    titles = [str(numbers[z]) for z in chosen]
    content = b""
    for stride in (1, 2):
        thin = layers.every(stride)
        for greys in GREYS:
            content = _encode(thin, titles, greys, frame_ms)
            if len(content) <= limit_bytes:
                return content
    return content


def gif_bytes(frames: Iterable[Image.Image], frame_ms: int = FRAME_MS) -> bytes:
    """Encode pictures with palettes as a GIF that loops.

    Parameters
    ----------
    frames : iterable of Image
        Of mode ``P``, all of one size; asked for one after the other.
    frame_ms : int
        How long each stays, in milliseconds.

    Raises
    ------
    ValueError
        If there are none.
    """
    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise ValueError("An animation needs at least one frame.")
    buffer = io.BytesIO()
    first.save(
        buffer, "GIF", save_all=True, append_images=images, duration=frame_ms, loop=0,
        optimize=False, disposal=1,
    )  # fmt: skip
    return buffer.getvalue()


def _encode(
    layers: _Layers,
    titles: Sequence[str],
    greys: int,
    frame_ms: int,
) -> bytes:
    from PIL import Image, ImageDraw

    image, truth, prediction = layers
    red, green, white = greys, greys + 1, greys - 1
    levels = np.linspace(0, 255, greys).round().astype(int)
    palette = [*np.repeat(levels, 3).tolist(), *PREDICTION, *TRUTH]
    indexed = ((image.astype(np.uint16) * (greys - 1) + 127) // 255).astype(np.uint8)
    outlines = (inner_outline(prediction), red), (inner_outline(truth), green)
    font = font_for("".join(titles), 12)
    frames = []
    for z, title in enumerate(titles):
        written = Image.fromarray(indexed[z])
        draw = ImageDraw.Draw(written)
        draw.fontmode = "1"
        draw.text((3, 2), title, font=font, fill=white)
        plane = np.array(written)
        for outline, colour in outlines:
            plane[outline[z]] = colour
        # a palette of one's own instead of a quantised one: the outlines keep their exact colours
        frame = Image.fromarray(plane)
        frame.putpalette(palette)
        frames.append(frame)
    return gif_bytes(frames, frame_ms)
