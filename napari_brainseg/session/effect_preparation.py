"""Reads a patient and has both versions predict it, for an effect review.

Thread-safety: `Preparation.make` belongs to one thread; progress comes from that of the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import CancelledError, DataError
from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.session.effect_picture import Activity, EffectPicture, Work
from napari_brainseg.session.prediction_job import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Progress
    from napari_brainseg.session.effect_cases import EffectCase
    from napari_brainseg.session.prediction import PredictionJob, PredictionService
    from napari_brainseg.session.prediction_store import PredictionStore
    from napari_brainseg.session.prefetch import LoadedCase

__all__ = ["Preparation"]

_POLL_S = 0.05


class Preparation:
    """Makes the pictures of a review.

    Parameters
    ----------
    candidate, current : Bundle
        The new version, and the one in use.
    service : PredictionService
        Predicts what the store does not hold.
    store : PredictionStore
        Where predictions are kept.
    is_wanted : callable
        Tells of a patient, by its place, whether it is still to be prepared.
    is_on_show : callable
        Tells of a patient, by its place, whether a person waits for it.
    tell : callable
        Gets each `Activity`.
    """

    def __init__(
        self,
        candidate: Bundle,
        current: Bundle,
        service: PredictionService,
        store: PredictionStore,
        *,
        is_wanted: Callable[[int], bool],
        is_on_show: Callable[[int], bool],
        tell: Callable[[Activity | None], None],
    ) -> None:
        self._candidate, self._current = candidate, current
        self._service, self._store = service, store
        self._is_wanted, self._is_on_show, self._tell = is_wanted, is_on_show, tell
        self._job: tuple[PredictionJob, int, Work] | None = None
        service.progress.connect(self._on_progress)

    def close(self) -> None:
        """Follow the service no more."""
        self._service.progress.disconnect(self._on_progress)

    def make(self, index: int, case: EffectCase) -> EffectPicture:
        """Read and predict a patient.

        Raises
        ------
        CancelledError
            If it is not wanted any more.
        BrainSegError
            If it cannot be read or predicted.
        """
        from napari_brainseg.core.formats import open_again
        from napari_brainseg.session.prefetch import can_predict, load_case

        self._tell(Activity(index, Work.READING))
        loaded = load_case(open_again(case.path, case.patient), workers=1)
        if not can_predict(loaded.study):
            raise DataError(
                f"{loaded.study.patient} has no FLAIR images; no model can predict it.",
                "Go on with the next patient.",
            )
        # The store keeps figures against the ground truth, and a correction stands in its place
        # here: such predictions are not kept.
        store = None if case.is_correction else self._store
        old = self._predicted(index, loaded, self._current, Work.CURRENT, store)
        new = self._predicted(index, loaded, self._candidate, Work.CANDIDATE, store)
        return EffectPicture.of(loaded.study, old, new)

    def _predicted(
        self,
        index: int,
        loaded: LoadedCase,
        bundle: Bundle,
        work: Work,
        store: PredictionStore | None,
    ) -> NDArray[np.uint8]:
        if not self._is_wanted(index):
            raise CancelledError("Another patient is on show.")
        self._tell(Activity(index, work))
        kept = self._store.load(loaded.sha, bundle.version)
        if kept is not None and kept.mask.shape == loaded.study.image.grid_shape:
            return kept.mask
        job = self._finished(index, loaded, bundle, work, store)
        if job.prediction is not None:
            return job.prediction.mask
        if job.reason is FinishReason.CANCELLED:
            raise DataError(f"The prediction of {loaded.study.patient} was stopped.", "Try again.")
        raise job.error or DataError(f"{loaded.study.patient} could not be predicted.")

    def _finished(
        self,
        index: int,
        loaded: LoadedCase,
        bundle: Bundle,
        work: Work,
        store: PredictionStore | None,
    ) -> PredictionJob:
        """Ask for a prediction and wait for it; it gets urgent once a person waits as well."""
        asked: list[Priority] = []

        def ask(priority: Priority) -> PredictionJob:
            asked.append(priority)
            return self._service.predict(
                loaded.study, bundle, priority=priority, sha=loaded.sha, store=store
            )

        job = ask(Priority.FOREGROUND if self._is_on_show(index) else Priority.PREFETCH)
        self._job = (job, index, work)
        try:
            while not job.wait(_POLL_S):
                if not self._is_wanted(index):
                    for priority in asked:
                        self._service.release(job, priority)
                    raise CancelledError("Another patient is on show.")
                if self._is_on_show(index) and Priority.FOREGROUND not in asked:
                    again = ask(Priority.FOREGROUND)
                    if again is not job:
                        # It ended in between.
                        self._service.release(again, Priority.FOREGROUND)
        finally:
            self._job = None
        return job

    def _on_progress(self, job: PredictionJob, progress: Progress) -> None:
        ours = self._job
        if ours is not None and ours[0] is job:
            self._tell(Activity(ours[1], ours[2], progress.done, progress.total))
