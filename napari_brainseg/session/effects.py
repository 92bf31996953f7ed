"""Starts effect reviews, and tells how far they came.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.session import effect_log
from napari_brainseg.session.effect_cases import WORST_LOCKED, effect_cases
from napari_brainseg.session.effect_review import EffectReview

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.dataset.locked_set import LockedSet
    from napari_brainseg.core.segmentation.gate_evidence import GateEvidence
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.prediction import PredictionService
    from napari_brainseg.session.shelf import Shelf

__all__ = ["Effects"]

_PATIENCE_S = 5.0


class Effects:
    """Effect reviews of a session, one at a time.

    Parameters
    ----------
    shelf : Shelf
        Workspace, catalogue, models and predictions.
    predictions : PredictionService
        Predicts what is not kept.
    evidence : callable, optional
        Gives what the gate measured last of (candidate, version in use), or `None`.
    locked : callable, optional
        Gives the locked set of the workspace, or `None`.
    """

    def __init__(
        self,
        shelf: Shelf,
        predictions: PredictionService,
        *,
        evidence: Callable[[str, str], GateEvidence | None] | None = None,
        locked: Callable[[], LockedSet | None] | None = None,
    ) -> None:
        self._shelf = shelf
        self._predictions = predictions
        self._evidence = evidence
        self._locked = locked
        self._lock = threading.Lock()
        self._review: EffectReview | None = None

    @property
    def review(self) -> EffectReview | None:
        """The review that is under way."""
        review = self._review
        return None if review is None or review.is_closed else review

    def start(
        self,
        candidate: str,
        *,
        evidence: GateEvidence | None = None,
        worst: int = WORST_LOCKED,
    ) -> EffectReview:
        """Begin to review a version against the one in use; an earlier review ends.

        Opens two bundles and reads the manifest: call it by `Desk.submit` from a window.

        Parameters
        ----------
        candidate : str
            Version that may be promoted.
        evidence : GateEvidence, optional
            What the gate measured; the latest that is known if left out.
        worst : int
            How many of the locked patients to look at.

        Raises
        ------
        ModelError
            If it is in use already, unknown or damaged.
        DataError
            If there is no patient to look at.
        """
        shelf, registry = self._shelf, self._shelf.registry
        current = registry.current
        if candidate == current.version:
            raise ModelError(
                f"The model {candidate} is in use already; there is nothing to compare it with.",
                "Choose a version that is not in use.",
            )
        bundle = registry.load(candidate)
        if evidence is None and self._evidence is not None:
            evidence = self._evidence(candidate, current.version)
        cases = effect_cases(
            shelf.workspace.training_set,
            bundle,
            current,
            evidence=evidence,
            locked=None if self._locked is None else self._locked(),
            worst=worst,
        )
        with self._lock:
            if self._review is not None:
                self._review.close(_PATIENCE_S)
            self._review = EffectReview(
                cases,
                candidate=bundle,
                current=current,
                service=self._predictions,
                store=shelf.store,
                catalogue=shelf.catalogue,
                editor=shelf.editor or "",
            )
            return self._review

    def reviewed(self, candidate: str, current: str | None = None) -> Reviewed:
        """Tell how far the review of a version came, by default against the one in use.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        against = self._shelf.registry.current_version if current is None else current
        return effect_log.reviewed(self._shelf.catalogue, candidate, against)

    def close(self) -> None:
        """End the review that is under way."""
        with self._lock:
            review, self._review = self._review, None
        if review is not None:
            review.close(_PATIENCE_S)
