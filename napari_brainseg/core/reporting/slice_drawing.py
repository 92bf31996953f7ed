"""One slice of a study as people look at it: windowed, at its true aspect, with outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from napari_brainseg.core.imaging import KAGGLE_ORDER, DataError, EightBit, LabelVolume, Modality
from napari_brainseg.core.imaging.edge_letters import axis_letters
from napari_brainseg.core.imaging.window import tissue_of
from napari_brainseg.core.reporting.extent import head_extent
from napari_brainseg.core.reporting.lettering import Key, outlined
from napari_brainseg.core.reporting.outline import inner_outline
from napari_brainseg.core.reporting.overlay import PREDICTION, TRUTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from PIL import Image, ImageDraw

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.imaging.window import Tissue

__all__ = ["COLOURS", "Mark", "SliceDrawing", "annotate", "marks_of", "name_of", "shown_modality"]

CORRECTION = (86, 180, 233)
COLOURS = {"prediction": PREDICTION, "correction": CORRECTION, "truth": TRUTH}
"""Masks by name, in the order in which they are drawn: the truth on top."""
WORDS = {"truth": "ground truth"}
SIDE_PX = 448
"""Least length of a picture's longer side; smaller slices are enlarged by a whole factor."""
FILL = 0.35
AIR = 28
"""Grey values that the noise of air does not exceed in any slice; scalp is brighter."""
THICK_FROM_PX = 640
DASHED_FROM_PX = 320
"""Longer side of a picture in which dashes of lines are told apart."""
DASH_PX, GAP_PX = 11.0, 3.0
"""Along an outline; what `_gaps` takes away is wider by the line that is cut."""
BAR_MM = (100, 50, 20, 10, 5, 2, 1)
BAR_SHARE = 0.35
"""Most of the picture's width that a scale bar takes."""


class Mark(NamedTuple):
    """A mask with its name and colour."""

    name: str
    data: NDArray[np.generic]
    """(Z, Y, X); what is not 0 is lesion."""
    colour: tuple[int, int, int]

    @property
    def words(self) -> str:
        """What readers call it."""
        return WORDS.get(self.name, self.name)

    def key(self, model: str | None = None, *, dashed: bool = False) -> Key:
        """Entry of the legend, with the version of the model where that made the mask."""
        is_made = self.name == "prediction" and model
        return Key(f"{self.words} ({model})" if is_made else self.words, self.colour, dashed)


def marks_of(
    study: Study, masks: Mapping[str, NDArray[np.generic] | LabelVolume | None]
) -> tuple[Mark, ...]:
    """Check masks and put them into the order in which they are drawn.

    Parameters
    ----------
    study : Study
        What they are masks of. Its own truth is taken where `masks` names none.
    masks : mapping
        ``prediction``, ``correction``, ``truth``: any of them may be missing or ``None``.

    Raises
    ------
    DataError
        If a name is unknown, or a mask does not have the shape of the study.
    """
    given = {name: mask for name, mask in masks.items() if mask is not None}
    if study.truth is not None and "truth" not in masks:
        given["truth"] = study.truth
    unknown = sorted(set(given) - set(COLOURS))
    if unknown:
        raise DataError(f"'{unknown[0]}' is no mask to draw; known are {', '.join(COLOURS)}.")
    marks = []
    for name, colour in COLOURS.items():
        if name not in given:
            continue
        mask = given[name]
        data = mask.data if isinstance(mask, LabelVolume) else mask
        if data.shape != study.image.grid_shape:
            raise DataError(
                f"{study.patient}: the {name} has shape {data.shape}, the image "
                f"{study.image.grid_shape}.",
                "Choose the mask that belongs to this image.",
            )
        marks.append(Mark(name, data, colour))
    return tuple(marks)


def shown_modality(study: Study, modality: Modality | None = None) -> Modality:
    """Choose the modality to draw: the one asked for, else FLAIR, else the first that is there.

    Raises
    ------
    DataError
        If the one asked for is missing.
    """
    if modality is not None:
        if modality in study.missing_modalities:
            raise DataError(
                f"{study.patient} has no {modality}.", "Choose a modality that the patient has."
            )
        return modality
    order = (Modality.FLAIR, *KAGGLE_ORDER)
    return next((m for m in order if m not in study.missing_modalities), Modality.FLAIR)


def name_of(modality: Modality, tissue: Tissue) -> str:
    """Name what is shown: CT in the place of a sequence is no sequence."""
    return "CT" if tissue.hounsfield else str(modality)


class SliceDrawing:
    """Draws the slices of one modality of a study, one at a time.

    Parameters
    ----------
    study : Study
    marks : sequence of Mark
        Masks to draw, see `marks_of`.
    modality : Modality, optional
        See `shown_modality`.
    side_px : int
        Least length of the longer side; pixels of the image are enlarged by a whole factor.
    fit : bool
        Bring the longer side to `side_px` exactly, smaller or larger.
    cropped : bool
        Leave the dark rim around the head out.

    Attributes
    ----------
    modality : Modality
    name : str
        What readers call it, see `name_of`.
    size : tuple of int
        (width, height) of a picture in pixels; by the spacing where it is known, so that a head
        has its true shape.
    mm_per_px : float or None
        Width of a pixel of the picture; ``None`` where the spacing is unknown.
    letters : tuple of str or None
        Patient's sides at the top, bottom, left and right edge.
    """

    def __init__(
        self,
        study: Study,
        marks: Sequence[Mark] = (),
        *,
        modality: Modality | None = None,
        side_px: int = SIDE_PX,
        fit: bool = False,
        cropped: bool = False,
    ) -> None:
        self.study = study
        self.marks = tuple(marks)
        self.modality = shown_modality(study, modality)
        self._volume = study.shown(self.modality)
        tissue = tissue_of(self._volume)
        self._window = EightBit(*tissue.auto)
        self.name = name_of(self.modality, tissue)
        self._part = self._head() if cropped else (slice(None), slice(None))
        geometry = study.image.geometry
        rows, columns = self._volume[0][self._part].shape
        _, tall, wide = geometry.spacing_mm or (1.0, 1.0, 1.0)
        finest = min(tall, wide)
        longest = max(rows * tall, columns * wide) / finest
        factor = side_px / longest if fit else float(max(1, -(-side_px // round(longest))))
        self.size = (
            max(1, round(columns * wide / finest * factor)),
            max(1, round(rows * tall / finest * factor)),
        )
        self.mm_per_px = None if geometry.spacing_mm is None else finest / factor
        down, right = (axis_letters(geometry.affine_lps, axis) for axis in (1, 2))
        self.letters = None if down is None or right is None else (*down, *right)

    def __len__(self) -> int:
        return int(self._volume.shape[0])

    def grey(self, z: int) -> NDArray[np.uint8]:
        """Grey values of a slice, (height, width); one window for all slices, so they compare."""
        from PIL import Image

        plane = np.nan_to_num(self._volume[z][self._part])
        picture = Image.fromarray(np.ascontiguousarray(self._window.encode(plane)))
        if picture.size != self.size:
            smaller = self.size[0] < picture.width or self.size[1] < picture.height
            how = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
            picture = picture.resize(self.size, how)
        return np.asarray(picture)

    def lesion(self, z: int, mark: Mark) -> NDArray[np.bool_]:
        """Mask of a slice, (height, width): voxels keep their corners, small ones stay seen."""
        from PIL import Image

        plane = np.ascontiguousarray(mark.data[z][self._part] != 0)
        if plane.shape[::-1] == self.size:
            return plane
        picture = Image.fromarray(plane.astype(np.uint8) * 255)
        if self.size[0] >= picture.width and self.size[1] >= picture.height:
            return np.asarray(picture.resize(self.size, Image.Resampling.NEAREST)) > 0
        # Where several voxels share a pixel, one with lesion is enough.
        return np.asarray(picture.resize(self.size, Image.Resampling.BOX)) > 0

    def outlines(self, z: int, names: Sequence[str] | None = None) -> NDArray[np.uint8]:
        """Draw a slice with the outlines of its masks, RGB (height, width, 3).

        Lines that coincide stay visible: those under the truth's are wider. Beside others the
        prediction's has gaps, for readers who see no colours and for grey print.
        """
        painted = np.repeat(self.grey(z)[..., None], 3, axis=-1)
        chosen = [m for m in self.marks if names is None or m.name in names]
        unit = 2 if max(self.size) >= THICK_FROM_PX else 1
        for place, mark in enumerate(chosen):
            width = unit * (len(chosen) - place)
            lesion = self.lesion(z, mark)
            line = _line(lesion, width)
            if len(chosen) > 1 and self._is_dashed(mark):
                line &= ~_gaps(lesion, unit)
            painted[line] = mark.colour
        return painted

    def filled(self, z: int, name: str) -> NDArray[np.uint8]:
        """Draw a slice with one mask tinted and outlined, RGB (height, width, 3)."""
        painted = np.repeat(self.grey(z)[..., None], 3, axis=-1)
        for mark in self.marks:
            if mark.name == name:
                lesion = self.lesion(z, mark)
                blend = (1 - FILL) * painted[lesion] + FILL * np.array(mark.colour)
                painted[lesion] = blend.round().astype(np.uint8)
                painted[inner_outline(lesion)] = mark.colour
        return painted

    def slice_name(self, z: int) -> str:
        """``slice 12 (3 of 20)``: the files' number, and the place in the stack."""
        return f"slice {self.study.slice_numbers[z]} ({z + 1} of {len(self)})"

    def legend(self, model: str | None = None, *, filled: bool = False) -> tuple[Key, ...]:
        """Entries of the legend, the truth first; of `filled` masks, no outline has gaps."""
        several = len(self.marks) > 1 and not filled
        return tuple(
            mark.key(model, dashed=several and self._is_dashed(mark))
            for mark in reversed(self.marks)
        )

    def _is_dashed(self, mark: Mark) -> bool:
        return mark.name == "prediction" and max(self.size) >= DASHED_FROM_PX

    def _head(self) -> tuple[slice, slice]:
        brightest = np.zeros(self._volume.shape[1:], np.uint8)
        lesions = np.zeros(self._volume.shape[1:], bool)
        for z in range(len(self)):
            np.maximum(brightest, self._window.encode(self._volume[z]), out=brightest)
            for mark in self.marks:
                lesions |= mark.data[z] != 0
        return head_extent(brightest, lesions, dark=AIR)


def annotate(
    picture: Image.Image,
    drawing: SliceDrawing,
    letter_px: int,
    *,
    sides: Literal["all", "across"] = "all",
    bar: bool = True,
) -> None:
    """Write what is known onto a picture: the patient's sides, and a scale bar in mm.

    Where orientation or spacing is unknown, nothing is written.

    Parameters
    ----------
    picture : Image
        RGB, of the size of the drawing; written on.
    drawing : SliceDrawing
        What it was drawn by.
    letter_px : int
        Height of the letters.
    sides : {'all', 'across'}
        Letters at all four edges, or at the left and right one only.
    bar : bool
        Whether to draw a scale bar.
    """
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    rim = letter_px // 3
    if drawing.letters is not None:
        top, bottom, left, right = drawing.letters
        if sides == "all":
            outlined(draw, (width / 2, rim), top, letter_px, "ma")
            outlined(draw, (width / 2, height - rim), bottom, letter_px, "md")
        outlined(draw, (rim, height / 2), left, letter_px, "lm")
        outlined(draw, (width - rim, height / 2), right, letter_px, "rm")
    if bar and drawing.mm_per_px is not None:
        _bar(draw, (width, height), drawing.mm_per_px, letter_px)


def _bar(draw: ImageDraw.ImageDraw, size: tuple[int, int], mm_per_px: float, px: int) -> None:
    width, height = size
    length = next((mm for mm in BAR_MM if mm / mm_per_px <= BAR_SHARE * width), None)
    if length is None:
        return
    rim, thick = px // 2, max(2, px // 7)
    left, low = width - rim - length / mm_per_px, height - rim
    draw.rectangle((left - 1, low - thick - 1, width - rim + 1, low + 1), fill=(0, 0, 0))
    draw.rectangle((left, low - thick, width - rim, low), fill=(240, 240, 240))
    outlined(draw, (width - rim, low - thick - rim // 2), f"{length} mm", round(px * 0.8), "rd")


def _line(lesion: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Inner outline, `width` pixels wide."""
    line = inner_outline(lesion)
    for _ in range(width - 1):
        line |= inner_outline(lesion & ~line)
    return line


def _gaps(lesion: NDArray[np.bool_], unit: int) -> NDArray[np.bool_]:
    """Pixels to leave out of an outline, so that it is dashed; small islands stay whole."""
    from scipy import ndimage
    from skimage.measure import find_contours

    gaps = np.zeros(np.add(lesion.shape, 2), bool)
    dash, period = DASH_PX * unit, (DASH_PX + GAP_PX) * unit
    around: NDArray[np.float64] = np.pad(lesion, 1).astype(np.float64)
    contours: list[NDArray[np.float64]] = find_contours(around, 0.5)  # type: ignore[no-untyped-call]
    for contour in contours:
        steps = np.hypot(*np.diff(contour, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        if along[-1] >= 3 * period:
            places = contour[along % period > dash].round().astype(int)
            gaps[places[:, 0], places[:, 1]] = True
    return ndimage.binary_dilation(gaps, iterations=2 * unit)[1:-1, 1:-1]
