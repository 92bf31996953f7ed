"""The desk: the one object that viewer and widgets talk to.

Thread-safety: methods may be called from any thread. A method that the user waits for raises its
`BrainSegError`; what runs in the background reports it by `fault`. Signals are emitted in the
thread in which the thing happened, often a worker: a widget connects with ``thread="main"`` so
that results reach Qt on the main thread only.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from psygnal import Signal

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.effects import Effects
from napari_brainseg.session.errands import Errands
from napari_brainseg.session.foreground import ForegroundPredictions
from napari_brainseg.session.gate_measuring import GateMeasuring
from napari_brainseg.session.memory import give_large_blocks_back
from napari_brainseg.session.opened_case import OpenedCase
from napari_brainseg.session.prediction import PredictionService
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.reading import Reading
from napari_brainseg.session.review import Review
from napari_brainseg.session.shelf import Shelf
from napari_brainseg.session.trainings import Trainings

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.core.imaging import BrainSegError, Modality, Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.gate import GateEvidence
    from napari_brainseg.session.batch import BatchPrediction
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.correction import Correction, CorrectionBase
    from napari_brainseg.session.fine_tuning import FineTuningPlan
    from napari_brainseg.session.gates import GateRecord, Gates
    from napari_brainseg.session.locked_patients import LockedPatients
    from napari_brainseg.session.model_registry import ModelRegistry
    from napari_brainseg.session.ordering import Suggestion
    from napari_brainseg.session.prediction import PredictionJob, Predictor
    from napari_brainseg.session.prefetch import Prefetcher
    from napari_brainseg.session.run_handle import RunHandle
    from napari_brainseg.session.run_log import RunRecord
    from napari_brainseg.session.worklist import Worklist
    from napari_brainseg.session.workspace import Workspace

__all__ = ["Desk"]

_T = TypeVar("_T")


class Desk:
    """State and use cases of one viewer.

    Parameters
    ----------
    workspace : Workspace, optional
        In use for all studies; by default each study root has its own.
    predictor : Predictor, optional
        What runs predictions instead of the kernel's engines.
    bundled : callable, optional
        Gives the bundles that ship with the package.
    trainer_command : sequence of str, optional
        Start of the trainer's command line.
    preferences : Preferences, optional
        Those of the user if left out.

    Attributes
    ----------
    preferences : Preferences
    predictions : PredictionService
        Runs predictions of the open case and of the background.
    review : Review
        Checks before signing the open case off, and decisions on it.
    trainings : Trainings
        Fine-tuning runs: preflight, start, pause, stop, resume.
    gate_measuring : GateMeasuring
        Measures versions against the one in use that no run has measured.
    effects : Effects
        What a candidate would change, patient by patient.
    """

    finding = Signal(int)
    """Number of files looked at so far, of what is being opened."""
    opened = Signal(object)
    """`Case`: a patient is open; its saved correction and prediction, if any, are in it."""
    closed = Signal()
    """No patient is open any more."""
    prediction_started = Signal(object)
    """`PredictionJob` of the open case."""
    prediction_progress = Signal(object)
    """`Progress`."""
    prediction_ready = Signal(object)
    """`Prediction` of the open case that came after it was opened, and may be shown."""
    prediction_finished = Signal(object)
    """`PredictionJob` of a case that is or was open: ended, or nobody waits for it any more."""
    correction_started = Signal(object)
    """`Correction` of the open case."""
    corrected = Signal(object)
    """`Meter`, after each stroke, undo or redo."""
    status_changed = Signal(str)
    """`CaseStatus` of the open case."""
    exported = Signal(object)
    """`ManifestEntry`."""
    training_started = Signal(object)
    """`TrainerProcess`."""
    training_event = Signal(object)
    """`Event` of the trainer."""
    training_finished = Signal(object)
    """`RunOutcome`; a completed run's bundle is already among the versions."""
    training_paused = Signal(bool)
    """Whether the run rests because a person asked for it."""
    locked_changed = Signal()
    """There is another set of locked patients."""
    models_changed = Signal()
    """Versions, their figures, or the one in use changed."""
    editor_changed = Signal(str)
    """Name of the editor."""
    fault = Signal(object)
    """`BrainSegError` of something that ran in the background."""

    def __init__(
        self,
        workspace: Workspace | None = None,
        *,
        predictor: Predictor | None = None,
        bundled: Callable[[], tuple[Bundle, ...]] | None = None,
        trainer_command: Sequence[str] | None = None,
        preferences: Preferences | None = None,
    ) -> None:
        give_large_blocks_back()
        self.preferences = Preferences() if preferences is None else preferences
        self._shelf = Shelf(workspace, bundled=bundled)
        self.trainings = Trainings(
            self._shelf, command=trainer_command, gates=lambda: self._shelf.gates
        )
        self.predictions = PredictionService(predictor)
        self._foreground = ForegroundPredictions(self.predictions)
        self.trainings.give_way(self._foreground)
        self._reading = Reading(self._shelf, self.predictions, self.preferences)
        self._opened = OpenedCase(self._shelf, self._reading, self._foreground, self.preferences)
        self.review = Review(self._opened, self._shelf, self.preferences, self.worklist)
        self.gate_measuring = GateMeasuring(self._shelf, command=trainer_command)
        self.effects = Effects(
            self._shelf,
            self.predictions,
            evidence=self._evidence_of,
            locked=lambda: self._shelf.locked.current(),
        )
        self._errands = Errands()
        self._stop_finding = threading.Event()
        self._relay()

    # state ------------------------------------------------------------------------------------

    @property
    def workspace(self) -> Workspace:
        """Workspace in use; its folders exist."""
        return self._shelf.workspace

    @property
    def catalogue(self) -> Catalogue:
        """Catalogue of the workspace; `DataError` if it cannot be opened."""
        return self._shelf.catalogue

    @property
    def catalogue_notice(self) -> BrainSegError | None:
        """A backup was opened in place of a catalogue; opens nothing."""
        return self._shelf.notice

    @property
    def registry(self) -> ModelRegistry:
        """Model versions of the workspace."""
        return self._shelf.registry

    @property
    def gates(self) -> Gates:
        """What candidates were measured with against the version in use."""
        return self._shelf.gates

    @property
    def locked(self) -> LockedPatients:
        """Patients that never train and that the gate measures with."""
        return self._shelf.locked

    @property
    def studies(self) -> Discovery | None:
        """What the opened path holds, as of the last look; patients come and go."""
        return self._reading.studies

    @property
    def case(self) -> Case | None:
        """The open case."""
        return self._opened.case

    @property
    def worklist(self) -> Worklist:
        """Patients of the opened root."""
        return self._reading.worklist

    @property
    def batch(self) -> BatchPrediction:
        """Prediction of the whole worklist."""
        return self._reading.batch

    @property
    def prefetcher(self) -> Prefetcher:
        """What is loaded and predicted ahead."""
        return self._reading.prefetcher

    @property
    def suggestion(self) -> Suggestion | None:
        """Why the open case should be read; `None` where nothing is left to do about it."""
        return self._opened.suggestion

    @property
    def trainer(self) -> RunHandle | None:
        """The latest run of this session, which may have ended."""
        return self.trainings.trainer

    @property
    def editor(self) -> str | None:
        """Name of the person who corrects, `None` until it was asked for."""
        return self._shelf.editor

    @editor.setter
    def editor(self, name: str) -> None:
        self._shelf.editor = name

    # studies ----------------------------------------------------------------------------------

    def open(
        self, path: os.PathLike[str] | str, *, listed: Callable[[], None] | None = None
    ) -> Case:
        """Open a patient, or the first patient of a folder of patients.

        Takes a part of a second for a patient: call it by `submit` from a window. Thousands of
        DICOM files take seconds; `finding` tells how far it is, `stop_finding` ends it.

        Parameters
        ----------
        path : path-like
            The folder, or a NIfTI file, a DICOM file or a zip archive.
        listed : callable, optional
            Called when the worklist stands, before the patient is read.

        Raises
        ------
        DataError
            If the path holds no readable patient.
        ConfigError
            If the workspace would lie inside it.
        CancelledError
            If `stop_finding` was called meanwhile.
        """
        from napari_brainseg.core.formats import discover

        self._stop_finding.clear()
        found = discover(
            Path(path), progress=self.finding.emit, cancelled=self._stop_finding.is_set
        )
        if not found.folders:
            raise found.faults[0].error
        with self._reading.opening():
            self._enter(found)
            if listed is not None:
                listed()
            case = self._open_folder(found.folders[0])
        # A training that goes on without a window is found by the next one.
        self.submit(self.trainings.follow)
        return case

    def stop_finding(self) -> None:
        """Stop looking through the files of what is being opened."""
        self._stop_finding.set()

    def choose_series(self, roles: Mapping[Modality, str], truth: str = "") -> Case:
        """Put the open NIfTI or DICOM patient together from other series, and remember it.

        Parameters
        ----------
        roles : mapping of Modality to str
            Key of the series for each modality there is.
        truth : str
            Key of the mask that is the ground truth; empty for none.

        Raises
        ------
        DataError
            If no such patient is open, or the series do not make a study.
        """
        from napari_brainseg.core.formats import load_study
        from napari_brainseg.session.series_choices import SeriesChoices

        case = self._need_case()
        folder = self._reading.folder(case.patient).with_roles(roles, truth)
        # Before it is remembered: a choice that cannot be read must not stand in the way.
        load_study(folder)
        SeriesChoices().choose(folder, dict(roles), truth)
        return self.select(case.patient)

    def forget_series(self) -> Case:
        """Put the open patient together from the series that were recognised."""
        from napari_brainseg.session.series_choices import SeriesChoices

        case = self._need_case()
        SeriesChoices().forget(self._reading.folder(case.patient))
        return self.select(case.patient)

    def select(self, patient: str) -> Case:
        """Open another patient of `studies`.

        Raises
        ------
        DataError
            If nothing is open, or it holds no such patient, or it cannot be read.
        """
        with self._reading.opening():
            return self._open_folder(self._reading.folder(patient))

    def next_case(self) -> Suggestion | None:
        """Which patient to read after the open one, and why; `None` when all are done."""
        return self._reading.next_case(None if self.case is None else self.case.patient)

    def open_suggested(self) -> Case | None:
        """Open the patient of `next_case`; `None` if there is none. See `select`."""
        suggestion = self.next_case()
        return None if suggestion is None else self.select(suggestion.patient)

    def open_next(self) -> Case | None:
        """Open the next readable patient in worklist order; `None` at the end. See `select`."""
        return self._open_neighbour(1)

    def open_previous(self) -> Case | None:
        """Open the patient before in worklist order; `None` at the start. See `select`."""
        return self._open_neighbour(-1)

    def active(self) -> None:
        """Note that the user does something, which keeps the clock of the case running.

        Costs a microsecond: a window calls it at every key and movement.
        """
        self._reading.active()

    def open_study(self, study: Study) -> Case:
        """Open a study that is already in memory, e.g. one that napari's reader loaded."""
        from napari_brainseg.core.formats import discover

        studies = self.studies
        if study.path is not None and (
            studies is None or study.path not in {f.path for f in studies.folders}
        ):
            self._enter(discover(study.path))
        from napari_brainseg.session.prefetch import LoadedCase

        return self._opened.show(LoadedCase.of(study))

    def close_case(self) -> None:
        """Close the open case. Paint that was not committed is committed."""
        self._opened.close()

    # predictions ------------------------------------------------------------------------------

    def predict(
        self, *, bundle: Bundle | None = None, device: str = "auto", tta: bool = False
    ) -> PredictionJob:
        """Predict the open case in the background; another prediction of it is stopped.

        Parameters
        ----------
        bundle : Bundle, optional
            The model in use if left out.
        device : str
            ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        tta : bool
            Average with the mirrored volume.

        Raises
        ------
        DataError
            If no case is open.
        ModelError
            If the model in use cannot be opened.
        """
        case = self._need_case()
        chosen = self.registry.current if bundle is None else bundle
        return self._foreground.predict(
            case, chosen, device=device, tta=tta, store=self._shelf.store
        )

    def cancel_prediction(self) -> None:
        """Stop predicting the open case; what runs in the background goes on."""
        self._foreground.cancel()

    # corrections ------------------------------------------------------------------------------

    def start_correction(self, base: CorrectionBase = "prediction") -> Correction:
        """Return the correction of the open case: the saved one, else a new one.

        Raises
        ------
        DataError
            If no case is open, no editor is named, or the base is not at hand.
        """
        from napari_brainseg.session.series_choices import hold_series

        case = self._need_case()
        correction = case.start_correction(base, self._need_editor())
        hold_series(case.study)
        return correction

    def export(self) -> ManifestEntry:
        """Sign the correction off into the training set of the workspace.

        Takes about a second: call it by `submit` from a window. `Review.approve` is the same
        with a note; here, what the checks find is let pass and recorded.

        Raises
        ------
        DataError
            If there is no correction, or what was read back differs.
        """
        return self.review.approve(findings=self.review.checks())

    def waiting_corrections(self) -> int:
        """How many corrections of the training set wait for training; see `Review.waiting`."""
        return self.review.waiting()

    # training ---------------------------------------------------------------------------------

    def plan_fine_tuning(self, **changes: Any) -> FineTuningPlan:
        """Tell what `start_fine_tuning` would do; nothing is written. See `session.fine_tuning`."""
        return self.trainings.plan(self.studies, **changes)

    def start_fine_tuning(self, **changes: Any) -> RunHandle:
        """Fine-tune the model in use on the exported corrections.

        Takes a tenth of a second: call it by `submit` from a window.

        Parameters
        ----------
        **changes
            Fields of `RunConfig` that the user set, e.g. ``epochs=3``.

        Raises
        ------
        DataError
            If there is nothing to train on or to validate with.
        ConfigError
            If a run is under way, or a field does not fit.
        """
        return self.trainings.start(self.studies, **changes)

    def resume_run(self, run_id: str) -> RunHandle:
        """Go on with a run that was stopped, failed or crashed, from its last checkpoint.

        Raises
        ------
        ConfigError
            If there is no such run, it cannot be resumed, or another one is under way.
        """
        return self.trainings.resume(run_id)

    def stop_training(self) -> None:
        """Ask the run to write a checkpoint and end."""
        self.trainings.stop()

    def measure_gate(self, version: str) -> GateRecord:
        """Measure a version against the one in use; see `GateMeasuring.measure`."""
        studies = self.studies
        return self.gate_measuring.measure(version, () if studies is None else (studies.root,))

    def runs(self) -> tuple[RunRecord, ...]:
        """List the runs of the workspace, the latest first; those that can be resumed say so."""
        return self.trainings.runs()

    # in the background, and the end -----------------------------------------------------------

    def submit(self, action: Callable[[], _T]) -> Future[_T]:
        """Run something off the GUI thread, one after another.

        Whatever it raises is reported by `fault`, and kept in the future too.
        """
        return self._errands.submit(action)

    def close(self, timeout: float = 3.0) -> None:
        """End everything: predictions stop, a training run checkpoints and leaves by itself.

        Parameters
        ----------
        timeout : float
            Seconds to wait for the run; one that needs longer is found again at the next start.
        """
        self._stop_finding.set()
        self.close_case()
        self.effects.close()
        self.gate_measuring.cancel()
        self.batch.close()
        self.predictions.close()
        self._errands.close()
        # What was being opened at that moment is open now.
        self.close_case()
        self._reading.close()
        self.trainings.close(timeout)
        self._shelf.close()

    # inside -----------------------------------------------------------------------------------

    def _enter(self, found: Discovery) -> None:
        self._shelf.enter(found)
        self._reading.enter(found)

    def _open_folder(self, folder: StudyFolder) -> Case:
        return self._opened.show(self._reading.bring(folder))

    def _open_neighbour(self, step: int) -> Case | None:
        current = None if self.case is None else self.case.patient
        patient = self._reading.neighbour(current, step)
        return None if patient is None else self.select(patient)

    def _need_case(self) -> Case:
        case = self.case
        if case is None:
            raise DataError("No patient is open.", "Open a patient's folder first.")
        return case

    def _need_editor(self) -> str:
        name = self.editor
        if name is None:
            raise DataError("Nobody is named as editor.", "Give your name or your initials first.")
        return name

    def _relay(self) -> None:
        """Pass the news of all parts on."""
        opened, foreground, trainings = self._opened, self._foreground, self.trainings
        for source, target in (
            (opened.opened, self.opened),
            (opened.closed, self.closed),
            (opened.prediction_ready, self.prediction_ready),
            (opened.correction_started, self.correction_started),
            (opened.corrected, self.corrected),
            (opened.status_changed, self.status_changed),
            (opened.fault, self.fault),
            (self.review.exported, self.exported),
            (self.review.fault, self.fault),
            (foreground.started, self.prediction_started),
            (foreground.progress, self.prediction_progress),
            (foreground.finished, self.prediction_finished),
            (foreground.fault, self.fault),
            (trainings.started, self.training_started),
            (trainings.event, self.training_event),
            (trainings.finished, self.training_finished),
            (trainings.paused_changed, self.training_paused),
            (trainings.fault, self.fault),
            (self._errands.fault, self.fault),
            (self._shelf.fault, self.fault),
            (self.worklist.fault, self.fault),
        ):
            source.connect(target.emit)
        self._shelf.models_changed.connect(self._on_models_changed)
        self._shelf.locked_changed.connect(self._on_locked_changed)
        self._shelf.editor_changed.connect(self._on_editor_changed)

    def _evidence_of(self, candidate: str, current: str) -> GateEvidence | None:
        gate = self.gates.latest(candidate, current)
        return None if gate is None else gate.evidence

    def _on_models_changed(self) -> None:
        self._reading.change_model()
        self.models_changed.emit()

    def _on_locked_changed(self) -> None:
        self.locked_changed.emit()

    def _on_editor_changed(self, name: str) -> None:
        self._reading.name_editor(name)
        self.editor_changed.emit(name)
