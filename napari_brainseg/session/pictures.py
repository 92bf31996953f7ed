"""Pictures of the open case and of the whole worklist, drawn in the background.

What is there is drawn: corrections and predictions are read from catalogue and cache, nothing is
predicted anew.

Thread-safety: every method may be called from any thread; `PictureExport.changed` is emitted in
the thread that draws, or in the one that starts it.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal

from napari_brainseg.core.imaging import BrainSegError, CancelledError, ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Modality, Study
    from napari_brainseg.core.reporting.root_pictures import (
        MadePictures,
        PictureCase,
        PictureProgress,
    )
    from napari_brainseg.core.reporting.study_pictures import PictureKind
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["PictureExport", "PictureState", "PictureWish", "case_pictures", "current_slice"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PictureWish:
    """What is to be drawn, and where to.

    Parameters
    ----------
    place : Path
        A folder, or the zip archive itself.
    kinds : collection of PictureKind
    archive : bool
        Whether `place` is an archive.
    everyone : bool
        All patients of the worklist, or the open one.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    """

    place: Path
    kinds: Collection[PictureKind]
    archive: bool = False
    everyone: bool = False
    modality: Modality | None = None


@dataclass(frozen=True, slots=True)
class PictureState:
    """How far the drawing is.

    Parameters
    ----------
    running : bool
        Under way.
    done, total : int
        Patients.
    patient : str
        At work.
    share : float
        Of the whole, 0 to 1.
    made : MadePictures or None
        What was made, at the end.
    error : BrainSegError or None
        Why it ended early.
    cancelled : bool
        Somebody stopped it.
    """

    running: bool = False
    done: int = 0
    total: int = 0
    patient: str = ""
    share: float = 0.0
    made: MadePictures | None = None
    error: BrainSegError | None = None
    cancelled: bool = False


class PictureExport:
    """Draws pictures in a thread of its own; one order at a time.

    Parameters
    ----------
    desk : Desk
        Whose cases, worklist, catalogue and predictions are drawn.
    """

    changed = Signal(object)
    """`PictureState`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._state = PictureState()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def state(self) -> PictureState:
        """How far it is now, or how the last order ended."""
        return self._state

    def start(self, wish: PictureWish) -> None:
        """Begin to draw; returns at once.

        What is painted on the open case later on is not in the pictures.

        Raises
        ------
        ConfigError
            If another order is under way, or nothing was chosen.
        DataError
            If no patient is open, or the worklist is empty.
        """
        if not wish.kinds:
            raise ConfigError("No kind of picture was chosen.", "Choose at least one.")
        names, load = self._patients(wish)
        with self._lock:
            if self._state.running:
                raise ConfigError("Pictures are being drawn.", "Wait for the end, or stop it.")
            if self._closed:
                raise ConfigError("The window is closing; nothing is drawn any more.")
            self._stop.clear()
            self._state = PictureState(running=True, total=len(names))
            self._thread = threading.Thread(
                target=self._work, args=(wish, names, load), name="brainseg-pictures", daemon=True
            )
            self._thread.start()

    def cancel(self) -> None:
        """Stop at the next slice; a folder keeps the patients that are done, a zip nothing."""
        self._stop.set()

    def close(self, timeout: float = 10.0) -> None:
        """Stop, and wait for the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self.cancel()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _patients(self, wish: PictureWish) -> tuple[Sequence[str], Callable[[str], PictureCase]]:
        case = self._desk.case
        here = None if case is None else case_pictures(case)
        if not wish.everyone:
            if here is None:
                raise DataError("No patient is open.", "Open a patient first.")
            return (here.study.patient,), lambda _patient: here
        rows = [row for row in self._desk.worklist.rows if row.fault is None and not row.vanished]
        if not rows:
            raise DataError("There are no patients to draw.", "Open a folder of patients first.")
        paths = {row.patient: row.path for row in rows}
        versions = {row.patient: row.model_version for row in rows}

        def load(patient: str) -> PictureCase:
            if here is not None and here.study.patient == patient:
                return here
            from napari_brainseg.core.formats import open_again

            return self._stored(open_again(paths[patient], patient), versions[patient])

        return tuple(paths), load

    def _stored(self, folder: StudyFolder, version: str | None) -> PictureCase:
        """Read a patient and what is known of it; a case that is open elsewhere is let be."""
        from napari_brainseg.core.reporting.root_pictures import PictureCase
        from napari_brainseg.session.prefetch import load_case
        from napari_brainseg.session.recorded_work import case_of, recorded_work

        loaded = load_case(folder)
        study, catalogue = loaded.study, self._desk.catalogue
        prediction = self._prediction(loaded.sha, study, version)
        case_id = case_of(catalogue, study.patient, loaded.sha)
        correction = (
            None
            if case_id is None
            else recorded_work(catalogue, case_id, study.image.grid_shape).mask
        )
        return PictureCase(
            study,
            {"prediction": None if prediction is None else prediction.mask,
             "correction": correction},
            None if prediction is None else prediction.model_version,
        )  # fmt: skip

    def _prediction(self, sha: str, study: Study, known: str | None) -> Prediction | None:
        """Find what the model in use said, else the one whose figures the worklist shows."""
        from napari_brainseg.session.prediction_store import PredictionStore

        store = PredictionStore(self._desk.workspace, self._desk.catalogue)
        for version in dict.fromkeys((self._desk.registry.current_version, known)):
            found = None if version is None else store.latest(sha, version)
            if found is not None and found.mask.shape == study.image.grid_shape:
                return found
        return None

    # in the thread ------------------------------------------------------------------------------

    def _work(
        self, wish: PictureWish, names: Sequence[str], load: Callable[[str], PictureCase]
    ) -> None:
        from napari_brainseg.core.reporting.root_pictures import write_root_pictures
        from napari_brainseg.session.background_loop import lower_priority

        lower_priority()
        self._tell()
        ended: dict[str, object] = {}
        try:
            made = write_root_pictures(
                names,
                load,
                folder=None if wish.archive else wish.place,
                archive=wish.place if wish.archive else None,
                kinds=wish.kinds,
                modality=wish.modality,
                progress=self._on_progress,
                cancelled=self._stop.is_set,
            )
            ended = {"made": made, "done": len(names), "share": 1.0}
        except CancelledError:
            ended = {"cancelled": True}
        except BrainSegError as error:
            ended = {"error": error}
        except Exception as error:  # noqa: BLE001 -- logged, and told
            _log.exception("Drawing pictures failed")
            ended = {
                "error": BrainSegError(
                    f"The pictures could not be drawn: {type(error).__name__}: {error}.",
                    "Please report it with the log.",
                )
            }
        self._tell(running=False, patient="", **ended)

    def _on_progress(self, progress: PictureProgress) -> None:
        share = (progress.done + progress.share) / max(1, progress.total)
        self._tell(done=progress.done, patient=progress.patient, share=share)

    def _tell(self, **changes: object) -> None:
        with self._lock:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type]
            state = self._state
        try:
            self.changed.emit(state)
        except EmitLoopError:
            _log.exception("A listener of the pictures failed")


def case_pictures(case: Case) -> PictureCase:
    """Gather the masks of an open case as they are now; of a blind one no prediction."""
    from napari_brainseg.core.reporting.root_pictures import PictureCase

    prediction, correction = case.prediction, case.correction
    return PictureCase(
        case.study,
        {"prediction": None if prediction is None else prediction.mask,
         "correction": None if correction is None else correction.saved},
        None if prediction is None else prediction.model_version,
    )  # fmt: skip


def current_slice(case: Case, z: int, modality: Modality | None = None) -> NDArray[np.uint8]:
    """Draw one slice of an open case with outlines, caption and legend, RGB (H, W, 3).

    Raises
    ------
    DataError
        If the case lacks the modality.
    """
    from napari_brainseg.core.reporting.study_pictures import slice_picture

    drawn = case_pictures(case)
    return slice_picture(drawn.study, drawn.masks, z, modality=modality, model=drawn.model)
