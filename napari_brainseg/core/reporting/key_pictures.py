"""Pictures of key slices: outlines in the house's colours and line styles, letters, scale bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import EightBit
from napari_brainseg.core.imaging.edge_letters import axis_letters
from napari_brainseg.core.imaging.window import contrast_limits
from napari_brainseg.core.reporting.extent import head_extent
from napari_brainseg.core.reporting.overlay import encoded
from napari_brainseg.core.reporting.patient_report import KeySlice
from napari_brainseg.core.reporting.slice_drawing import AIR, shown_modality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.diameters import Bidimensional

__all__ = ["LINES", "Line", "key_pictures"]

SIDE_PX = 560
"""Pictures are square; 60 mm on paper at 240 dots per inch."""
_DPI = 100
_LETTERS_PT = 19
"""Two millimetres high in the smallest pictures of a report."""
_BARS_MM = (50, 20, 10, 5, 2, 1)
_BAR_SHARE = 0.3
"""Most of a picture's width that the scale bar takes."""


@dataclass(frozen=True, slots=True)
class Line:
    """How the outline of a mask is drawn: the style differs, too, for those who see no colours.

    Parameters
    ----------
    words : str
        In the legend.
    colour : str
        Okabe-Ito, as everywhere in BrainSeg.
    dashes : tuple of float
        On and off in widths of the line; empty for a solid one.
    width : float
        In points.
    """

    words: str
    colour: str
    dashes: tuple[float, ...]
    width: float


LINES: dict[str, Line] = {
    "truth": Line("ground truth", "#009E73", (), 3.0),
    "correction": Line("correction", "#56B4E9", (), 1.9),
    "prediction": Line("prediction", "#D55E00", (2.6, 1.4), 1.9),
}
"""In the order in which they are drawn: one that lies on another leaves it to be seen."""


def key_pictures(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | None],
    slices: Mapping[int, tuple[str, ...]],
    diameters: Bidimensional | None,
) -> tuple[KeySlice, ...]:
    """Draw the key slices of a study; some 50 ms each.

    Parameters
    ----------
    study : Study
    masks : mapping of str to ndarray, shape (Z, Y, X), or None
        ``truth``, ``prediction``, ``correction``.
    slices : mapping of int to tuple of str
        Index along Z to why; see `choose_slices`.
    diameters : Bidimensional or None
        Drawn in its slice.
    """
    volume = study.shown(shown_modality(study))
    window = EightBit(*contrast_limits(volume))
    drawn = {name: mask for name in LINES if (mask := masks.get(name)) is not None}
    marked = np.zeros(volume.shape[1:], bool)
    for mask in drawn.values():
        marked |= (mask != 0).any(axis=0)
    brightest = np.zeros(volume.shape[1:], np.uint8)
    for plane in volume:
        np.maximum(brightest, window.encode(np.nan_to_num(plane)), out=brightest)
    part = head_extent(brightest, marked, dark=AIR)
    return tuple(
        _key_slice(study, z, why, volume, window, part, drawn, diameters)
        for z, why in slices.items()
    )


def _key_slice(
    study: Study,
    z: int,
    why: tuple[str, ...],
    volume: NDArray[Any],
    window: EightBit,
    part: tuple[slice, slice],
    masks: Mapping[str, NDArray[np.generic]],
    diameters: Bidimensional | None,
) -> KeySlice:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _, tall, wide = study.image.geometry.spacing_mm or (1.0, 1.0, 1.0)
    top, left = part[0].start or 0, part[1].start or 0
    grey = window.encode(np.nan_to_num(volume[z][part]))
    rows, columns = grey.shape
    half = max(rows * tall, columns * wide) / 2
    middle_x, middle_y = (columns - 1) * wide / 2, (rows - 1) * tall / 2
    figure = Figure(figsize=(SIDE_PX / _DPI,) * 2, dpi=_DPI, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(middle_x - half, middle_x + half)
    axes.set_ylim(middle_y + half, middle_y - half)
    # Axes are in millimetres (pixels where the spacing is unknown), so that heads keep their form.
    axes.imshow(
        grey, cmap="gray", vmin=0, vmax=255, interpolation="bicubic", aspect="auto",
        extent=(-wide / 2, (columns - 0.5) * wide, (rows - 0.5) * tall, -tall / 2),
    )  # fmt: skip
    axes.set_xlim(middle_x - half, middle_x + half)
    axes.set_ylim(middle_y + half, middle_y - half)
    for name, line in LINES.items():
        if name in masks:
            _outline(axes, masks[name][z][part], line, tall, wide)
    if diameters is not None and diameters.slice_index == z:
        for ends in (diameters.longest_ends, diameters.perpendicular_ends):
            _ruler(axes, [((y - top) * tall, (x - left) * wide) for y, x in ends])
    _letters(axes, study)
    if study.image.geometry.spacing_mm is not None:
        _bar(axes, 2 * half)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    return KeySlice(z, why, encoded(picture, "jpeg"), SIDE_PX, SIDE_PX)


def _outline(axes: Axes, mask: NDArray[np.generic], line: Line, tall: float, wide: float) -> None:
    from skimage.measure import find_contours

    contours: list[NDArray[np.float64]] = find_contours(  # type: ignore[no-untyped-call]
        np.pad((mask != 0).astype(np.float64), 1), 0.5
    )
    for contour in contours:
        style: Any = "solid" if not line.dashes else (0, line.dashes)
        axes.plot(
            (contour[:, 1] - 1) * wide, (contour[:, 0] - 1) * tall,
            color=line.colour, linewidth=line.width, linestyle=style, dash_capstyle="butt",
        )  # fmt: skip


def _ruler(axes: Axes, ends: list[tuple[float, float]]) -> None:
    (y0, x0), (y1, x1) = ends
    for colour, width in (("black", 3.4), ("white", 1.8)):
        axes.plot((x0, x1), (y0, y1), color=colour, linewidth=width, solid_capstyle="butt")


def _letters(axes: Axes, study: Study) -> None:
    letters = axis_letters(study.image.geometry.affine_lps, 2)
    if letters is None:
        return
    for letter, x, side in zip(letters, (0.025, 0.975), ("left", "right"), strict=True):
        _text(axes, x, 0.5, letter, _LETTERS_PT, side)


def _bar(axes: Axes, width_mm: float) -> None:
    length = next((mm for mm in _BARS_MM if mm <= _BAR_SHARE * width_mm), None)
    if length is None:
        return
    right, share = 0.97, length / width_mm
    for colour, width in (("black", 5.0), ("white", 2.6)):
        axes.plot(
            (right - share, right), (0.035, 0.035),
            color=colour, linewidth=width, solid_capstyle="butt", transform=axes.transAxes,
        )  # fmt: skip
    _text(axes, right, 0.075, f"{length} mm", _LETTERS_PT - 3, "right")


def _text(axes: Axes, x: float, y: float, text: str, size: int, side: str) -> None:
    from matplotlib.patheffects import withStroke

    axes.text(
        x, y, text, color="white", fontsize=size, ha=side, va="center",
        transform=axes.transAxes, family="DejaVu Sans",
        path_effects=[withStroke(linewidth=2.5, foreground="black")],
    )  # fmt: skip
