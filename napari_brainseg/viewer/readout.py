"""What the status bar says of the place under the mouse: where it is, and how bright.

napari tells of the active layer, which here is the correction: its label, not the intensity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.viewer.spacing import canvas_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

    from napari_brainseg.core.imaging import Geometry, Modality
    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["Readout", "place_words"]

_SIDES = (("R", "L"), ("A", "P"), ("I", "S"))
"""Towards lower and higher values of patient coordinates (x, y, z) in LPS."""


class Readout:
    """Lets a viewer's status bar tell of the image on show, while slices of a case are shown.

    napari asks from a thread of its own; nothing here is changed there.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    view : CaseView
        Which case is shown, and how.
    """

    def __init__(self, viewer: Viewer, view: CaseView) -> None:
        self._viewer, self._view = viewer, view
        self._case = view.case
        # napari offers no way to say something else there.
        self._of_napari = viewer._calc_status_from_cursor  # noqa: SLF001
        object.__setattr__(viewer, "_calc_status_from_cursor", self._status)

    def close(self) -> None:
        """Leave the status bar to napari."""
        if vars(self._viewer).get("_calc_status_from_cursor") == self._status:
            object.__delattr__(self._viewer, "_calc_status_from_cursor")

    def follow(self) -> None:
        """Say nothing of a patient who is not on show any more."""
        if self._view.case is not self._case:
            self._case = self._view.case
            self._viewer.status = ""

    def tell(self, voxel: Sequence[float], modality: Modality | None = None) -> None:
        """Say it of a place on a plane beside the canvas; see `words`."""
        words = self.words(voxel, modality)
        if words:
            self._viewer.status = _line(words)

    def words(self, voxel: Sequence[float], modality: Modality | None = None) -> str:
        """Return what is said of a place, e.g. ``R 12.3  A 40.1  S 22.0 mm    FLAIR 532``.

        Parameters
        ----------
        voxel : sequence of float
            (z, y, x) in voxels.
        modality : Modality, optional
            Whose intensity; that of what is on show otherwise.
        """
        case, display = self._view.case, self._view.display
        if case is None or len(voxel) != len(case.shape):
            return ""
        words = place_words(case.study.image.geometry, voxel)
        index = tuple(int(i) for i in np.rint(voxel))
        if not all(0 <= i < n for i, n in zip(index, case.shape, strict=True)):
            return words
        shown = (modality or display.modality,)
        if display.composite and modality is None:
            shown = tuple(m for m in display.modalities if not display.is_missing(m))
        values = [self._value(modality, case.study.shown(modality)[index]) for modality in shown]
        return "    ".join([words, *values])

    def _value(self, modality: Modality, value: Any) -> str:
        if self._view.display.is_ct(modality):
            return f"CT {_number(float(value))} HU"
        return f"{modality} {_number(float(value))}"

    def _status(self) -> tuple[str | dict[str, Any], str] | None:
        found: tuple[str | dict[str, Any], str] | None = self._of_napari()
        if found is None or self._viewer.dims.ndisplay != 2:
            return found
        case, position = self._view.case, self._viewer.cursor.position
        if case is None or len(position) != len(case.shape):
            return found
        scale = canvas_scale(case.study.image.geometry)
        words = self.words([at / size for at, size in zip(position, scale, strict=True)])
        return (_line(words), found[1]) if words else found


def place_words(geometry: Geometry, voxel: Sequence[float]) -> str:
    """Say where a place lies in the patient, in mm; in the slice where that is not known.

    Parameters
    ----------
    geometry : Geometry
        Of the volume.
    voxel : sequence of float
        (z, y, x); the centre of the first voxel is (0, 0, 0).
    """
    z, y, x = (float(v) for v in voxel)
    if geometry.affine_lps is not None:
        place = (np.array(geometry.affine_lps, float) @ (z, y, x, 1.0))[:3]
        parts = [f"{_SIDES[k][int(mm > 0)]} {abs(mm):.1f}" for k, mm in enumerate(place)]
        return "  ".join(parts) + " mm"
    if geometry.spacing_mm is not None:
        _, along_y, along_x = geometry.spacing_mm
        return f"x {x * along_x:.1f}  y {y * along_y:.1f} mm"
    return f"x {x:.0f}  y {y:.0f} px"


def _line(words: str) -> dict[str, Any]:
    # As coordinates it gets the whole line, as those of napari do.
    return {"layer_base": "", "source_type": "", "plugin": "", "coordinates": words}


def _number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"
