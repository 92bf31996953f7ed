"""The checks before signing off, made of the open case as it is now.

Thread-safety: every method may be called from any thread, and takes time: not for the GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.session.sign_off_checks import Finding, SignOffFacts, sign_off_checks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.disk_watch import SourceFiles
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.session.seen import SeenSlices
    from napari_brainseg.session.shelf import Shelf

__all__ = ["LiveChecks"]


class LiveChecks:
    """Gathers what the checks look at.

    Parameters
    ----------
    shelf : Shelf
        Catalogue in use, which knows the slices that were seen.
    preferences : Preferences
        The least size of an island.
    """

    seen_changed = Signal()
    """Another slice of the open case was looked at."""

    def __init__(self, shelf: Shelf, preferences: Preferences) -> None:
        self._shelf = shelf
        self._preferences = preferences
        self._seen: tuple[Case, SeenSlices] | None = None
        self._files: tuple[Case, SourceFiles] | None = None

    def follow_seen(self, case: Case, seen: SeenSlices) -> None:
        """Take what is seen of a case from here; the catalogue learns it some seconds later."""
        self._seen = (case, seen)
        seen.changed.connect(self._on_seen)

    def look(
        self,
        case: Case,
        correction: Correction,
        mask: NDArray[np.uint8],
        *,
        thorough: bool = False,
    ) -> tuple[Finding, ...]:
        """Check a mask of a case.

        Parameters
        ----------
        case : Case
            Whose.
        correction : Correction
            Of the case.
        mask : ndarray of uint8, shape (Z, Y, X)
            As it is to be signed off.
        thorough : bool
            Read all files of the patient again, also those with the size and time they had.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        prediction = case.prediction
        return sign_off_checks(
            SignOffFacts(
                mask=mask,
                base=correction.base_mask,
                prediction=None if prediction is None else prediction.mask,
                truth=case.truth,
                seen=self._seen_of(case),
                least_island_vox=self._preferences.get("least_island_vox"),
                unsaved=correction.unsaved,
                changed_sources=self._changed(case, thorough=thorough),
            )
        )

    def _seen_of(self, case: Case) -> NDArray[np.bool_]:
        from napari_brainseg.session.seen import SeenSlices

        flags = SeenSlices(self._shelf.catalogue, case.id, case.shape[0]).load()
        if self._seen is not None and self._seen[0] is case:
            flags |= self._seen[1].flags
        return flags

    def _changed(self, case: Case, *, thorough: bool) -> tuple[str, ...]:
        from napari_brainseg.session.disk_watch import SourceFiles

        if self._files is None or self._files[0] is not case:
            # Those of the case date from its opening, so they know what came and went since.
            self._files = (case, case.sources or SourceFiles(case.study))
        change = self._files[1].look(all_of_them=thorough)
        if change is None:
            return ()
        # Not the patient's name, which may be hidden on the screen.
        return tuple(path.name.replace(case.patient, "\u2026") for path in change.paths)

    def _on_seen(self) -> None:
        self.seen_changed.emit()
