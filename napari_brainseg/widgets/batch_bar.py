"""Prediction of all patients in the background: how far, how long, pause and stop."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtCore import Signal as QtSignal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QResizeEvent

    from napari_brainseg.session.batch import BatchPrediction, BatchState

__all__ = ["BatchBar", "time_left"]

_FAULTS_NAMED = 200
_LINES = 6
"""Seen at once of the list of faults; the others are scrolled to."""


class BatchBar(QWidget):
    """Starts, shows and stops the prediction of the whole worklist.

    Parameters
    ----------
    batch : BatchPrediction
        What predicts.
    run : callable
        Runs an act in a worker; faults of it stand in the panel.
    names : callable, optional
        Gives what patients are called.
    needs_disagreement : callable, optional
        Whether the mirrored view is predicted too, because cases are ordered by it.
    """

    predicting = QtSignal(str)
    """The patient that is being predicted; empty for none."""
    fault_chosen = QtSignal(str)
    """A patient that could not be predicted was clicked."""

    def __init__(
        self,
        batch: BatchPrediction,
        run: Callable[[Callable[[], Any]], None],
        names: Callable[[], Names] = Names,
        needs_disagreement: Callable[[], bool] = bool,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._batch = batch
        self._needs_disagreement = needs_disagreement
        self._run = run
        self._names = names
        self.state: BatchState | None = None
        self.start_button = QPushButton(self.tr("Predict all"))
        self.start_button.setToolTip(
            self.tr(
                "Predict every patient that the model in use has not predicted yet, in the "
                "background; what you open goes first. Where the next case is chosen by "
                "test-time disagreement, the mirrored view is predicted too: twice the time."
            )
        )
        self.start_button.clicked.connect(self.start)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        set_role(self.progress, "thin")
        self.progress.setAccessibleName(self.tr("Progress of the prediction of all patients"))
        self.words = hint_label()
        self.pause_button = QPushButton()
        self.pause_button.clicked.connect(self._on_pause)
        self.cancel_button = QPushButton(self.tr("Stop"))
        self.cancel_button.setToolTip(self.tr("Stop now; what is predicted stays"))
        self.cancel_button.clicked.connect(lambda: batch.cancel())
        self.fault_list = QLabel(wordWrap=True)
        self.fault_list.setMinimumWidth(1)
        self.fault_list.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.fault_list.linkActivated.connect(self.fault_chosen)
        self.fault_list.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.faults = Fold("", _Scrolled(self.fault_list))
        row = QHBoxLayout()
        row.setSpacing(3)
        for button in (self.start_button, self.pause_button, self.cancel_button):
            row.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.words)
        layout.addWidget(self.progress)
        layout.addLayout(row)
        layout.addWidget(self.faults)
        self._colour = ""
        self.ties = Subscriptions(self)
        self.ties.add(batch.changed, self.show_state)
        self.show_state(getattr(batch, "state", None))

    def start(self) -> None:
        """Predict all patients."""
        mirrored = self._needs_disagreement()
        self._run(lambda: self._batch.start(None, with_disagreement=mirrored))

    @property
    def is_running(self) -> bool:
        """Whether patients are being predicted, or are waiting in a pause."""
        return self.state is not None and bool(self.state.running)

    def dress(self, colour: str) -> None:
        """Take the colour of text."""
        self._colour = colour
        self._list_faults()

    def set_patients(self, number: int) -> None:
        """Tell how many patients there are to predict."""
        self.start_button.setEnabled(number > 0)

    def show_state(self, state: BatchState | None) -> None:
        """Show how far it is."""
        self.state = state
        running, failed = self.is_running, 0 if state is None else len(state.failed)
        self.start_button.setVisible(not running)
        for widget in (self.progress, self.pause_button, self.cancel_button):
            widget.setVisible(running)
        self.words.setText(self._describe())
        self.words.setVisible(bool(self.words.text()))
        if state is not None:
            self.progress.setRange(0, max(1, state.total))
            self.progress.setValue(state.done)
            paused = state.paused
            self.pause_button.setText(self.tr("Go on") if paused else self.tr("Pause"))
            self.pause_button.setToolTip(
                self.tr("Go on with the next patient")
                if paused
                else self.tr("Wait after the patient that is being predicted")
            )
        self.faults.setVisible(bool(failed))
        self._list_faults()
        current = state.current if state is not None and running and not state.paused else None
        self.predicting.emit(current or "")

    def _describe(self) -> str:
        state = self.state
        if state is None or not state.total:
            return ""
        part = self.tr("{done} of {total}").format(done=state.done, total=state.total)
        if not state.running:
            if state.cancelled:
                return self.tr("Stopped at {part}").format(part=part)
            done = state.total - len(state.failed)
            return self.tr("{done} of {total} predicted").format(done=done, total=state.total)
        if state.paused:
            return self.tr("Paused at {part}").format(part=part)
        left = time_left(state.seconds_left)
        if not left:
            return self.tr("Predicting {part}").format(part=part)
        return self.tr("{part}, about {time} left").format(part=part, time=left)

    def _list_faults(self) -> None:
        failed = {} if self.state is None else self.state.failed
        if not failed:
            return
        one = self.tr("1 could not be predicted")
        many = self.tr("{n} could not be predicted").format(n=len(failed))
        self.faults.button.setText(one if len(failed) == 1 else many)
        names = self._names()
        lines = []
        for patient, error in list(failed.items())[:_FAULTS_NAMED]:
            link = f'<a href="{escape(patient)}" style="color: {self._colour};">'
            head = f"{link}{escape(names.short(patient))}</a>"
            lines.append(f"{head}: {escape(names.scrub(str(error)))}")
        more = len(failed) - _FAULTS_NAMED
        if more > 0:
            lines.append(self.tr("and {n} more").format(n=more))
        self.fault_list.setText("<br>".join(lines))

    def _on_pause(self) -> None:
        if self.state is not None and self.state.paused:
            self._batch.resume()
        else:
            self._batch.pause()


class _Scrolled(QScrollArea):
    """A text that is as high as it needs to be, up to some lines."""

    def __init__(self, text: QLabel) -> None:
        super().__init__()
        self._text = text
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.setWidget(text)

    def sizeHint(self) -> QSize:
        needed = self._text.heightForWidth(self.viewport().width())
        return QSize(1, min(needed, _LINES * self._text.fontMetrics().lineSpacing()) + 2)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.updateGeometry()


def time_left(seconds: float | None) -> str:
    """Return a rough time, as it is said: 40 s, 4 min, 2 h 10 min; empty for `None`."""
    if seconds is None:
        return ""
    if seconds < 55:
        return f"{max(5, round(seconds / 5) * 5)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{max(1, minutes)} min"
    hours, rest = divmod(round(minutes / 5) * 5, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
