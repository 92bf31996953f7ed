"""Lets the model in use predict the open case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QWidget,
)

from napari_brainseg.core.imaging import Modality
from napari_brainseg.core.protocol import FinishReason
from napari_brainseg.viewer.case_view import fullest_slice
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.core.segmentation.inference import Prediction, Progress
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.prediction import PredictionJob
    from napari_brainseg.viewer.case_view import CaseView

__all__ = ["PredictPanel"]


class PredictPanel(Panel):
    """Prediction with progress, stop and result.

    Parameters
    ----------
    desk : Desk
        Runs the prediction.
    view : CaseView
        Jumps to the lesion.
    """

    def __init__(self, desk: Desk, view: CaseView, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self._view = view
        self._job: PredictionJob | None = None
        self._asked = False
        self.heading.setText(self.tr("Predict"))
        self.model = hint_label()
        self.predict_button = QPushButton(self.tr("Predict"))
        self.predict_button.setToolTip(
            self.tr("Let the model in use outline the lesion. Your correction is not touched.")
        )
        self._predict_tip = self.predict_button.toolTip()
        self.predict_button.clicked.connect(self.start)
        self.progress = QProgressBar(textVisible=True)
        self.stop_button = QPushButton(self.tr("Stop"))
        self.stop_button.setToolTip(self.tr("Stop the prediction"))
        self.stop_button.clicked.connect(self._stop)
        self.result = QLabel(wordWrap=True)
        self.result.setMinimumWidth(1)
        self.go_button = QPushButton(self.tr("Show"))
        self.go_button.setToolTip(self.tr("Go to the slice where the predicted lesion is largest"))
        self.go_button.clicked.connect(self._go_to_lesion)
        self.details = hint_label()
        self.notices = QLabel(wordWrap=True)
        self.notices.setMinimumWidth(1)
        set_role(self.notices, "notice")

        self.device = QComboBox()
        for text, value in (
            (self.tr("Automatic"), "auto"),
            (self.tr("Processor (CPU)"), "cpu"),
            (self.tr("NVIDIA GPU (CUDA)"), "cuda"),
        ):
            self.device.addItem(text, value)
        self.device.setToolTip(self.tr("Automatic takes a GPU if there is one"))
        self.tta = QCheckBox(self.tr("Mirror and average"))
        self.tta.setToolTip(self.tr("Predicts the mirrored slices as well; twice the time"))
        options = QWidget()
        form = QFormLayout(options)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.tr("Runs on"), self.device)
        form.addRow(self.tta)
        self.options = Fold(self.tr("Options"), options)

        self.head(self.predict_button, self.options.button)
        running = QHBoxLayout()
        running.addWidget(self.progress, 1)
        running.addWidget(self.stop_button)
        outcome = QHBoxLayout()
        outcome.addWidget(self.result, 1)
        outcome.addWidget(self.go_button)
        self.body.addWidget(self.options)
        self.body.addLayout(running)
        self.body.addLayout(outcome)
        for widget in (self.model, self.details, self.notices):
            self.body.addWidget(widget)

        self.ties.add(desk.correction_started, lambda _correction: self.refresh())
        self.ties.add(desk.opened, self._on_opened)
        self.ties.add(desk.closed, self.refresh)
        self.ties.add(desk.models_changed, self._name_model)
        self.ties.add(desk.prediction_started, self._on_started)
        self.ties.add(desk.prediction_progress, self._on_progress)
        self.ties.add(desk.prediction_ready, lambda _prediction: self.refresh())
        self.ties.add(desk.prediction_finished, self._on_finished)
        self.refresh()
        if desk.case is not None:
            self._name_model()

    @property
    def is_busy(self) -> bool:
        """Whether a prediction was asked for and has not ended."""
        return self._asked

    def start(self) -> None:
        """Predict the open case."""
        device, tta = self.device.currentData(), self.tta.isChecked()
        self._asked = True
        self._wait(self.tr("Preparing"))
        self.run(
            lambda: self.desk.predict(device=device, tta=tta), self._on_queued, self._on_refused
        )

    def refresh(self) -> None:
        """Follow the desk."""
        case = self.desk.case
        self.predict_button.setVisible(not self._asked)
        possible = case is None or Modality.FLAIR not in case.study.missing_modalities
        self.predict_button.setEnabled(case is not None and possible)
        needed = self.tr("Needs FLAIR: the lesion is outlined on it")
        self.predict_button.setToolTip(self._predict_tip if possible else needed)
        self.progress.setVisible(self._asked)
        self.stop_button.setVisible(self._asked)
        prediction = None if case is None or self._asked else case.prediction
        for widget in (self.result, self.go_button):
            widget.setVisible(prediction is not None)
        # Who paints needs the room; the corner of the picture names the model too.
        painting = case is not None and case.correction is not None
        self.details.setVisible(prediction is not None and not painting)
        self.model.setVisible(case is not None and prediction is None)
        self.options.setVisible(not self._asked)
        self.options.button.setVisible(not self._asked)
        self.notices.setVisible(prediction is not None and bool(prediction.notes))
        blind = case is not None and case.is_blind
        if blind:
            self.model.setText(self.tr("Read without the prediction; it shows after your contour."))
        self.predict_button.setVisible(not self._asked and not blind)
        self.predict_button.setText(
            self.tr("Predict") if prediction is None else self.tr("Predict again")
        )
        if case is not None and prediction is not None:
            self._describe(case, prediction)

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        mark_next(self.predict_button, act is Act.PREDICT)

    def owns(self, error: BrainSegError) -> bool:
        """Whether a fault of the desk is one of this panel's prediction."""
        return self._job is not None and self._job.error is error

    def _describe(self, case: Case, prediction: Prediction) -> None:
        from napari_brainseg.core.segmentation.metrics import dsc

        count = int(prediction.mask.sum())
        ml = case.study.image.geometry.voxel_volume_ml
        self.go_button.setVisible(count > 0)
        if count == 0:
            text = self.tr("No lesion found")
        else:
            text = numbers.volume(count, None if ml is None else count * ml)
        if case.truth is not None:
            text += self.tr(", DSC {dsc}").format(dsc=numbers.dsc(dsc(prediction.mask, case.truth)))
        self.result.setText(text)
        seconds = prediction.timings.get("total")
        took = "" if seconds is None else f"{numbers.duration(seconds)}, "
        self.details.setText(f"{prediction.model_version}, {took}{prediction.engine}")
        self.details.setToolTip(self.tr("Why this engine: {why}").format(why=prediction.reason))
        self.result.setToolTip(f"{self.details.text()}\n{self.details.toolTip()}")
        self.notices.setText("\n".join(prediction.notes))

    def _wait(self, text: str) -> None:
        self.progress.setRange(0, 0)
        self.progress.setFormat(text)
        self.stop_button.setEnabled(True)
        self.refresh()

    def _stop(self) -> None:
        self.stop_button.setEnabled(False)
        self.progress.setFormat(self.tr("Stopping"))
        self.desk.cancel_prediction()

    def _go_to_lesion(self) -> None:
        case = self.desk.case
        if case is not None and case.prediction is not None:
            self._view.go_to(fullest_slice(case.prediction.mask, case.shape))

    def _name_model(self) -> None:
        self.run(lambda: self.desk.registry.current.version, self._show_model)

    def _show_model(self, version: str) -> None:
        self.model.setText(self.tr("Model in use: {version}").format(version=version))
        self.refresh()

    def _on_opened(self, _case: Case) -> None:
        self._name_model()
        self.refresh()

    def _on_queued(self, job: PredictionJob) -> None:
        self._job = job
        if job.is_finished:
            self._on_finished(job)

    def _on_refused(self, error: BrainSegError) -> None:
        self._asked = False
        self.fault.show_error(error)
        self.refresh()

    def _on_started(self, job: PredictionJob) -> None:
        self._job = job
        self._asked = True
        self._wait(self.tr("Preparing"))

    def _on_progress(self, progress: Progress) -> None:
        if not self._asked or not self.stop_button.isEnabled():
            return
        self.progress.setRange(0, max(progress.total, 1))
        self.progress.setValue(progress.done)
        self.progress.setFormat(f"{progress.stage} {progress.done}/{progress.total}")

    def _on_finished(self, job: PredictionJob) -> None:
        # An earlier job, stopped because this one was asked for, ends as well.
        if self._job is not None and job is not self._job:
            return
        self._asked = False
        if job.reason is FinishReason.FAILED and job.error is not None:
            self.fault.show_error(job.error)
        elif job.reason is FinishReason.CANCELLED:
            self.details.setText(self.tr("Prediction stopped."))
        self.refresh()
        if job.reason is FinishReason.CANCELLED:
            self.details.show()
