"""Window and level of each modality of the case on show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.viewer.contrast import Tissue, tissue_of
from napari_brainseg.viewer.window_level import dragged
from napari_brainseg.viewer.window_memory import WindowMemory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_brainseg.core.imaging import Modality, Study
    from napari_brainseg.session.preferences import Window
    from napari_brainseg.viewer.modality_layers import ModalityLayers

__all__ = ["Windows"]

_FINE = 0.25
"""A drag changes windows of CT by this share of what it does in MR."""


class Windows:
    """Sets windows of the image layers and remembers what was chosen.

    Parameters
    ----------
    images : ModalityLayers
        The layers.
    shares : mapping
        Modality to window as kept in the preferences.
    """

    def __init__(self, images: ModalityLayers, shares: Mapping[str, Window]) -> None:
        self._images = images
        self._memory = WindowMemory(shares)
        self._study: Study | None = None
        self._start: dict[Modality, tuple[float, float]] = {}

    @property
    def shares(self) -> dict[str, Window]:
        """What the preferences should keep."""
        return self._memory.shares

    def enter(self, study: Study) -> dict[Modality, tuple[float, float]]:
        """Measure another study and return the windows that it should be shown under."""
        self._study = study
        self._start = {}
        self._images.measure(study)
        return {
            modality: self._memory.recall(study.patient, modality, tissue)
            for modality in study.image.modalities
            if (tissue := self._tissue(modality)) is not None
        }

    def leave(self) -> None:
        """Let go of the study."""
        self._study = None
        self._start = {}

    def get(self, modality: Modality) -> tuple[float, float]:
        """Return (low, high) in intensities."""
        return self._images.window(modality)

    def set(self, modality: Modality, window: tuple[float, float]) -> None:
        """Show a window, as far as there is room, and remember it."""
        tissue = self._tissue(modality)
        if self._study is not None and tissue is not None:
            self._images.set_window(modality, window)
            self._memory.remember(self._study.patient, modality, self.get(modality), tissue)

    def presets(self, modality: Modality) -> dict[str, tuple[float, float]]:
        """Windows by name; none without a study."""
        tissue = self._tissue(modality)
        return {} if tissue is None else tissue.presets()

    def fit(self, modality: Modality, slice_index: int) -> None:
        """Fit the window to the tissue of one slice, if it has any."""
        if self._study is not None:
            image = self._study.shown(modality)[slice_index]
            if image.max() > 0:
                self.set(modality, tissue_of(image).auto)

    def reset(self, modality: Modality) -> None:
        """Go back to the automatic window, for all patients."""
        tissue = self._tissue(modality)
        self._memory.forget(modality, tissue)
        if tissue is not None:
            self._images.set_window(modality, tissue.auto)

    def start_drag(self, modalities: Iterable[Modality]) -> bool:
        """Begin a drag of some modalities; whether there is anything to drag."""
        self._start = {m: self.get(m) for m in modalities if self._tissue(m) is not None}
        return bool(self._start)

    def drag(self, right: float, down: float) -> None:
        """Follow the drag by its shares of the room; back at the start all is as it was."""
        for modality, window in self._start.items():
            tissue = self._tissue(modality)
            if tissue is not None:
                # The room of CT is air to bone; what is looked at is a fiftieth of it.
                share = _FINE if tissue.hounsfield else 1.0
                self.set(modality, dragged(window, tissue.room, share * right, share * down))

    def _tissue(self, modality: Modality) -> Tissue | None:
        return self._images.tissue(modality)
