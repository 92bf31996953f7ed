"""How the patient of an effect review is looked at: slice, part, modality, window, overlay.

The review draws planes of its own over the picture and leaves napari's layers alone. Layers that
belong to the open case would have to be hidden and put back, its slider moved to another grid, its
keys told to rest; whatever goes wrong there hits a correction. Nothing of that is touched, so
there is nothing to restore: when the planes go, the case is as it was (see `session.effect_review`
for why it is not closed either).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer.contrast import Tissue, tissue_of
from napari_brainseg.viewer.effect_pictures import (
    difference_picture,
    mask_picture,
    reference_name,
)
from napari_brainseg.viewer.plane_pictures import PlanePicture
from napari_brainseg.viewer.planes import grey
from napari_brainseg.viewer.window_level import dragged
from napari_brainseg.viewer.window_memory import WindowMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.session.effect_picture import EffectPicture
    from napari_brainseg.session.effect_review import EffectReview
    from napari_brainseg.session.preferences import Window

__all__ = ["EffectScene", "Look", "Overlay"]

Look = tuple[tuple[float, float], float]
"""((row, column) in the middle, units of spacing that must fit)."""


class Overlay(StrEnum):
    """What lies on a slice."""

    DIFFERENCE = "difference"
    CURRENT = "current"
    """The mask of the version in use."""
    CANDIDATE = "candidate"
    """The mask of the new version."""


class EffectScene:
    """The patient on show in a review. Main thread only; a window calls `enter` when it changes.

    Parameters
    ----------
    review : EffectReview
        Holds the patients.
    modality : Modality
        The one to begin with.
    windows : mapping, optional
        Windows as kept in the preferences.
    """

    changed = Signal()
    """The picture is another one."""
    look_changed = Signal()
    """Another part of it is shown."""
    entered = Signal()
    """Another patient is shown, or none until it is prepared."""

    def __init__(
        self,
        review: EffectReview,
        modality: Modality = Modality.FLAIR,
        windows: Mapping[str, Window] | None = None,
    ) -> None:
        self.review = review
        self._wanted = modality
        self._memory = WindowMemory(windows or {})
        self._picture: EffectPicture | None = None
        self._shown = -1
        self._slice = 0
        self._look: Look | None = None
        self._overlay = Overlay.DIFFERENCE
        self._bare = False
        self._tissue: dict[Modality, Tissue] = {}
        self._windows: dict[Modality, tuple[float, float]] = {}
        self._start: tuple[float, float] | None = None
        self.enter()

    # what is shown ----------------------------------------------------------------------------

    @property
    def picture(self) -> EffectPicture | None:
        """What there is to see, `None` until it is prepared."""
        return self._picture

    @property
    def index(self) -> int:
        """Place of the patient in the review, 0-based."""
        return self._shown

    @property
    def slice_index(self) -> int:
        """Index of the slice, 0-based."""
        return self._slice

    @property
    def count(self) -> int:
        """How many slices there are; 0 until the patient is prepared."""
        return 0 if self._picture is None else int(self._picture.reference.shape[0])

    @property
    def spacing(self) -> tuple[float, float]:
        """Distance between rows and between columns, in mm where it is known."""
        if self._picture is None:
            return 1.0, 1.0
        _, rows, columns = self._picture.study.image.geometry.spacing_mm or (1.0, 1.0, 1.0)
        return rows, columns

    @property
    def look(self) -> Look | None:
        """The part that is shown; `None`: all of it."""
        return self._look

    @look.setter
    def look(self, look: Look | None) -> None:
        if look != self._look:
            self._look = look
            self.look_changed.emit()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those that the study has."""
        if self._picture is None:
            return ()
        study = self._picture.study
        return tuple(m for m in study.image.modalities if m not in study.missing_modalities)

    @property
    def modality(self) -> Modality:
        """The one on show; FLAIR stands in for one that the study lacks."""
        return self._wanted if self._wanted in self.modalities else Modality.FLAIR

    @property
    def overlay(self) -> Overlay:
        """What lies on the large picture."""
        return self._overlay

    @overlay.setter
    def overlay(self, overlay: Overlay) -> None:
        if overlay is not self._overlay:
            self._overlay = overlay
            self.changed.emit()

    @property
    def bare(self) -> bool:
        """Whether all masks are hidden for a moment."""
        return self._bare

    @bare.setter
    def bare(self, on: bool) -> None:
        if on != self._bare:
            self._bare = on
            self.changed.emit()

    def window(self) -> tuple[float, float]:
        """Return (low, high) in intensities of the modality on show."""
        modality = self.modality
        if modality not in self._windows:
            tissue, patient = self._tissue_of(modality), self._patient()
            self._windows[modality] = self._memory.recall(patient, modality, tissue)
        return self._windows[modality]

    def plane(self, overlay: Overlay) -> PlanePicture | None:
        """Draw the slice with an overlay; `None` until the patient is prepared."""
        found, z = self._picture, self._slice
        if found is None:
            return None
        image, window = found.study.shown(self.modality)[z], self.window()
        if self._bare:
            return PlanePicture(grey(image, window))
        name = reference_name(self.review.cases[self._shown].is_correction)
        reference = found.reference[z]
        if overlay is Overlay.DIFFERENCE:
            return difference_picture(
                image, window, found.current[z], found.candidate[z], reference, name
            )
        mask = found.current if overlay is Overlay.CURRENT else found.candidate
        return mask_picture(image, window, mask[z], reference, name)

    # steps ------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Take the patient on show in the review, at the slice with the largest difference."""
        picture, index = self.review.picture, self.review.index
        if picture is self._picture and index == self._shown:
            return
        before, self._picture = self._picture, picture
        self._shown = index
        self._tissue.clear()
        self._windows.clear()
        self._overlay, self._start = Overlay.DIFFERENCE, None
        if picture is not None:
            self._slice = picture.start
            if before is None or before.reference.shape != picture.reference.shape:
                self._look = None
        self.entered.emit()
        self.look_changed.emit()
        self.changed.emit()

    def go_to(self, slice_index: int) -> None:
        """Show a slice, 0-based; beyond the ends the first or the last."""
        wanted = min(max(slice_index, 0), max(self.count - 1, 0))
        if wanted != self._slice and self._picture is not None:
            self._slice = wanted
            self.changed.emit()

    def step(self, slices: int) -> None:
        """Go so many slices on."""
        self.go_to(self._slice + slices)

    def next_difference(self) -> None:
        """Show the next slice in which the versions differ; at the last one nothing happens."""
        later = [z for z in self._differing() if z > self._slice]
        if later:
            self.go_to(later[0])

    def previous_difference(self) -> None:
        """Show the slice before in which the versions differ; at the first one nothing happens."""
        earlier = [z for z in self._differing() if z < self._slice]
        if earlier:
            self.go_to(earlier[-1])

    def flip(self) -> None:
        """Show the other version's mask alone: first the one in use, then the new one."""
        on_current = self._overlay is Overlay.CURRENT
        self.overlay = Overlay.CANDIDATE if on_current else Overlay.CURRENT

    def next_modality(self) -> None:
        """Show the next modality that the study has."""
        there = self.modalities
        if len(there) > 1:
            self._wanted = there[(there.index(self.modality) + 1) % len(there)]
            self.changed.emit()

    def start_window_drag(self) -> bool:
        """Begin to drag the window; whether there is anything to drag."""
        self._start = self.window() if self._picture is not None else None
        return self._start is not None

    def drag_window(self, right: float, down: float) -> None:
        """Follow the drag: right widens, down darkens; both as shares of the room."""
        if self._start is not None:
            modality = self.modality
            tissue = self._tissue_of(modality)
            window = dragged(self._start, tissue.room, right, down)
            self._windows[modality] = window
            self._memory.remember(self._patient(), modality, window, tissue)
            self.changed.emit()

    # inside -----------------------------------------------------------------------------------

    def _differing(self) -> tuple[int, ...]:
        return () if self._picture is None else self._picture.slices

    def _patient(self) -> str:
        return self.review.cases[self._shown].patient

    def _tissue_of(self, modality: Modality) -> Tissue:
        if self._picture is None:
            raise RuntimeError("No patient is prepared.")
        if modality not in self._tissue:
            self._tissue[modality] = tissue_of(self._picture.study.shown(modality))
        return self._tissue[modality]
