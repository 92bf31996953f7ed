"""Windows that a person chose: exactly for each patient, as shares of the tissue for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.session.preferences import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.viewer.contrast import Tissue

__all__ = ["WindowMemory"]

_CT = "CT"
"""CT is remembered apart: its bone window would leave MR, shown as the same modality, flat grey."""


class WindowMemory:
    """Remembers windows.

    Parameters
    ----------
    shares : mapping
        Modality to window as kept in the preferences.
    """

    def __init__(self, shares: Mapping[str, Window]) -> None:
        self._shares = dict(shares)
        self._exact: dict[tuple[str, Modality], tuple[float, float]] = {}

    @property
    def shares(self) -> dict[str, Window]:
        """What the preferences should keep."""
        return dict(self._shares)

    def recall(self, patient: str, modality: Modality, tissue: Tissue) -> tuple[float, float]:
        """Return the window for a patient's modality, the automatic one by default."""
        exact = self._exact.get((patient, modality))
        if exact is not None:
            return exact
        kept = self._shares.get(_kind(modality, tissue))
        return tissue.auto if kept is None else tissue.window((kept.low, kept.high))

    def remember(
        self, patient: str, modality: Modality, window: tuple[float, float], tissue: Tissue
    ) -> None:
        """Keep a window that was chosen."""
        low, high = tissue.shares(window)
        self._exact[patient, modality] = window
        self._shares[_kind(modality, tissue)] = Window(low=low, high=high)

    def forget(self, modality: Modality, tissue: Tissue | None) -> None:
        """Go back to the automatic window of a modality for all patients."""
        self._shares.pop(_kind(modality, tissue), None)
        for key in [key for key in self._exact if key[1] is modality]:
            del self._exact[key]


def _kind(modality: Modality, tissue: Tissue | None) -> str:
    return _CT if tissue is not None and tissue.hounsfield else modality
