"""Loads and predicts ahead the cases that will probably be opened next.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.background_loop import BackgroundLoop
from napari_brainseg.session.prediction import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.prediction import PredictionJob, PredictionService
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.session.shelf import Shelf

__all__ = ["LoadedCase", "Prefetcher", "can_predict", "load_case"]

_log = logging.getLogger(__name__)
_MB = 1024 * 1024
_ALL_DONE_S = 3600.0


@dataclass(slots=True, eq=False)
class LoadedCase:
    """A patient in memory, with all that opening it needs.

    Parameters
    ----------
    study : Study
    sha : str
        Content hash of its image.
    fingerprint : str
        Of names, sizes and times of its files when they were read.
    prediction : Prediction or None
        A prediction by the model in use, if one is known.
    """

    study: Study
    sha: str
    fingerprint: str
    prediction: Prediction | None = None

    @classmethod
    def of(cls, study: Study) -> LoadedCase:
        """Wrap a study that somebody else read; nothing is known of its files."""
        from napari_brainseg.core.dataset.hashing import image_sha256

        return cls(study, image_sha256(study), "")

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        arrays = [self.study.image.data, *self.study.native.values()]
        if self.study.truth is not None:
            arrays.append(self.study.truth.data)
        if self.prediction is not None:
            made = self.prediction
            arrays += [made.probability, made.mask, made.uncertainty]
        return sum(array.nbytes for array in arrays)


def load_case(folder: StudyFolder, *, workers: int | None = None) -> LoadedCase:
    """Read a patient and hash its image.

    Raises
    ------
    DataError
        If the files cannot be read.
    """
    from napari_brainseg.core.dataset.hashing import image_sha256
    from napari_brainseg.core.formats import load_study

    # Before the pixels: files that change meanwhile must not pass for what was read.
    known = _fingerprint(folder)
    study = load_study(folder, workers=workers)
    return LoadedCase(study, image_sha256(study), known)


class Prefetcher:
    """Holds the open case, its neighbours and the one suggested next; nothing else.

    Parameters
    ----------
    service : PredictionService
        Predicts what is not in the store, after everything that a person waits for.
    shelf : Shelf
        The store and the model in use.
    preferences : Preferences
        Whether to do so, and with how much memory.
    """

    ready = Signal(str)
    """A patient that is now in memory, or whose prediction is."""

    def __init__(self, service: PredictionService, shelf: Shelf, preferences: Preferences) -> None:
        self._service = service
        self._shelf = shelf
        self._preferences = preferences
        self._changed = threading.Condition()
        self._open: Path | None = None
        self._wanted: dict[Path, Callable[[], StudyFolder]] = {}
        self._held: dict[Path, LoadedCase] = {}
        self._refused: set[Path] = set()
        self._loading: Path | None = None
        self._jobs: dict[PredictionJob, Path] = {}
        self._loop = BackgroundLoop("brainseg-prefetch", self._step, low_priority=True)
        service.finished.connect(self._on_finished)

    @property
    def nbytes(self) -> int:
        """Memory of all that is held, the open case included."""
        with self._changed:
            return sum(case.nbytes for case in self._held.values())

    @property
    def patients(self) -> frozenset[str]:
        """Patients in memory."""
        with self._changed:
            return frozenset(case.study.patient for case in self._held.values())

    @property
    def is_idle(self) -> bool:
        """Whether all that is wanted is there, or was given up."""
        with self._changed:
            return self._loading is None and not self._jobs and self._next() is None

    def take(self, folder: StudyFolder) -> LoadedCase | None:
        """Return a patient that is in memory, if its files are as they were."""
        with self._changed:
            # Reading it a second time would take longer than what is left of the first.
            self._changed.wait_for(lambda: self._loading != folder.path, timeout=10.0)
            case = self._held.get(folder.path)
        if case is None:
            return None
        try:
            unchanged = _fingerprint(folder) == case.fingerprint
        except BrainSegError:
            unchanged = False
        if not unchanged:
            with self._changed:
                self._held.pop(folder.path, None)
        return case if unchanged else None

    def settle(
        self,
        path: Path,
        case: LoadedCase | None,
        wanted: Iterable[tuple[Path, Callable[[], StudyFolder]]],
    ) -> None:
        """Tell what is open now and what may be opened next; everything else is let go.

        Parameters
        ----------
        path : Path
            Folder of the open case.
        case : LoadedCase or None
            What was opened, to be at hand for the way back.
        wanted : iterable of (Path, callable)
            Folders, the likeliest first, with what lists their files.
        """
        enabled = self._preferences.get("prefetch")
        with self._changed:
            self._open = path
            self._wanted = dict(wanted) if enabled else {}
            self._refused.clear()
            if case is not None:
                self._held[path] = case
            for other in self._held.keys() - self._wanted.keys() - {path}:
                del self._held[other]
            stale = [job for job, of in self._jobs.items() if of not in self._wanted]
        self._release(stale)
        if enabled:
            self._loop.wake()

    def note(self, path: Path, prediction: Prediction) -> None:
        """Keep a new prediction with the patient it was made for."""
        with self._changed:
            case = self._held.get(path)
            if case is not None:
                case.prediction = prediction

    def forget_predictions(self) -> None:
        """Another model is in use: what the earlier one predicted is not asked for any more."""
        with self._changed:
            for path, case in self._held.items():
                if path != self._open:
                    case.prediction = None
            self._refused.clear()
            jobs = list(self._jobs)
        self._release(jobs)
        if self._preferences.get("prefetch"):
            self._loop.wake()

    def clear(self) -> None:
        """Let everything go, e.g. when another root is opened."""
        with self._changed:
            self._open = None
            self._wanted = {}
            self._held.clear()
            jobs = list(self._jobs)
        self._release(jobs)

    def close(self) -> None:
        """End the thread and let everything go."""
        self.clear()
        self._loop.close()
        self._service.finished.disconnect(self._on_finished)

    # in the thread ------------------------------------------------------------------------------

    def _next(self) -> Path | None:
        """Find the next folder to do something for."""
        predict = self._preferences.get("predict_on_open")
        asked = set(self._jobs.values())
        for path in self._wanted:
            if path in self._refused or path in asked:
                continue
            case = self._held.get(path)
            if case is None or (predict and case.prediction is None):
                return path
        return None

    def _step(self) -> float:
        with self._changed:
            path = self._next()
            if path is None:
                return _ALL_DONE_S
            list_files = self._wanted[path]
            case = self._held.get(path)
            if case is None:
                self._loading = path
        try:
            if case is None:
                case = load_case(list_files(), workers=1)
                self._hold(path, case)
            if self._preferences.get("predict_on_open"):
                self._predict(path, case)
        except BrainSegError as error:
            # It is told when somebody opens the patient.
            _log.info("%s was not loaded ahead: %s", path, error)
            self._refuse(path)
        except Exception:
            self._refuse(path)
            raise
        finally:
            with self._changed:
                self._loading = None
                self._changed.notify_all()
        return 0.0

    def _hold(self, path: Path, case: LoadedCase) -> None:
        with self._changed:
            if path not in self._wanted and path != self._open:
                return
            self._held[path] = case
        if self._fits(path):
            self.ready.emit(case.study.patient)

    def _predict(self, path: Path, case: LoadedCase) -> None:
        with self._changed:
            if self._held.get(path) is not case:
                return
            # Opening need not wait for the prediction.
            self._loading = None
            self._changed.notify_all()
        store, bundle = self._shelf.store, self._shelf.registry.current
        kept = store.latest(case.sha, bundle.version)
        if kept is not None:
            case.prediction = kept
            if self._fits(path):
                self.ready.emit(case.study.patient)
            return
        if not can_predict(case.study):
            self._refuse(path)
            return
        job = self._service.predict(
            case.study, bundle, priority=Priority.PREFETCH, sha=case.sha, store=store
        )
        with self._changed:
            self._jobs[job] = path
        if job.is_finished:  # before it was noted
            self._on_finished(job)

    def _fits(self, path: Path) -> bool:
        """Whether memory suffices for what a folder needs now; it is let go otherwise."""
        limit = self._preferences.get("prefetch_mb") * _MB
        with self._changed:
            if self.nbytes_ahead() <= limit or path == self._open:
                return True
            self._held.pop(path, None)
            self._refused.add(path)
        return False

    def nbytes_ahead(self) -> int:
        """Memory of what is held beside the open case."""
        with self._changed:
            return sum(case.nbytes for path, case in self._held.items() if path != self._open)

    def _refuse(self, path: Path) -> None:
        with self._changed:
            self._refused.add(path)

    def _release(self, jobs: Sequence[PredictionJob]) -> None:
        for job in jobs:
            with self._changed:
                known = self._jobs.pop(job, None)
            if known is not None:
                self._service.release(job, Priority.PREFETCH)

    def _on_finished(self, job: PredictionJob) -> None:
        with self._changed:
            path = self._jobs.pop(job, None)
            case = None if path is None else self._held.get(path)
        if path is None:
            return
        if case is not None and job.prediction is not None and case.sha == job.sha:
            case.prediction = job.prediction
            if self._fits(path):
                self.ready.emit(case.study.patient)
        else:
            self._refuse(path)
        self._loop.wake()


def can_predict(study: Study) -> bool:
    """Whether a model has what it needs: the lesion is defined on FLAIR."""
    from napari_brainseg.core.imaging import Modality

    return Modality.FLAIR not in study.missing_modalities


def _fingerprint(folder: StudyFolder) -> str:
    from napari_brainseg.core.imaging import DataError
    from napari_brainseg.session.pixel_facts import fingerprint

    try:
        return fingerprint(folder)
    except OSError as error:
        raise DataError(
            f"The folder {folder.path} cannot be read: {error.strerror or error}.",
            "Check that the disk or network drive is connected, then try again.",
        ) from error
