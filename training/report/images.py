"""Images of measured patients, found by name and read once for all runs."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import DataError, Modality
from napari_brainseg.core.reporting.overlay import grey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.protocol import RunConfig

__all__ = ["PatientImages", "Shown"]

MOST_KEPT = 64
"""Patients in memory at once, about 4 MB each."""


class Shown(NamedTuple):
    """A patient as pictures need it."""

    image: NDArray[np.uint8]
    """FLAIR in grey values, (Z, Y, X)."""
    truth: NDArray[np.uint8]
    """(Z, Y, X), 0 and 1."""
    slice_numbers: tuple[int, ...]


class PatientImages:
    """Looks for patients in the folders of a run, and in others.

    Parameters
    ----------
    extra : iterable of Path
        Folders of patients besides those that a run names; they need not exist.
    """

    def __init__(self, extra: Iterable[Path] = ()) -> None:
        self._extra = tuple(extra)
        self._roots: dict[Path, dict[str, StudyFolder]] = {}
        self._kept: OrderedDict[Path, Shown] = OrderedDict()

    def find(self, config: RunConfig | None, patient: str) -> StudyFolder | None:
        """Return a patient's folder, ``None`` where it is not at hand.

        Parameters
        ----------
        config : RunConfig or None
            Its folders win over the others, its corrections over its data.
        patient : str
            Full name.
        """
        own: Sequence[Path] = ()
        if config is not None:
            own = (*config.data, *((config.corrections,) if config.corrections else ()))
        hits = [f for r in (*self._extra, *own) if (f := self._listed(r).get(patient))]
        return hits[-1] if hits else None

    def load(self, folder: StudyFolder) -> Shown:
        """Read a patient.

        Raises
        ------
        DataError
            If the files cannot be read or there are no masks.
        """
        if folder.path in self._kept:
            self._kept.move_to_end(folder.path)
            return self._kept[folder.path]
        study = load_study(folder)
        if study.truth is None:
            raise DataError(f"{folder.path} has no masks.", "Give the folder that has them.")
        shown = Shown(
            grey(study.image.channel(Modality.FLAIR)), study.truth.data, study.slice_numbers
        )
        self._kept[folder.path] = shown
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return shown

    def _listed(self, root: Path) -> dict[str, StudyFolder]:
        if root not in self._roots:
            try:
                found = discover(root).folders if root.is_dir() else ()
            except DataError:
                found = ()  # a report is made without it, and says which patients it lacks
            self._roots[root] = {folder.patient: folder for folder in found}
        return self._roots[root]
