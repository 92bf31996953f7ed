"""A run as it goes: its stage, how far it is, what it costs, its curves, slices and log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.widgets.board_button import BoardButton
from napari_brainseg.widgets.curves import Curves
from napari_brainseg.widgets.example_slices import ExampleSlices
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.keep_check import keep_check
from napari_brainseg.widgets.log_view import LogView
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.run_state import RunState
from napari_brainseg.widgets.run_words import (
    facts_text,
    notice_text,
    progress_text,
    purpose_text,
    stage_text,
)
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.subscriptions import Subscriptions

__all__ = ["RunView"]

_FINE = 1000
"""Parts of the progress bar."""


class RunView(QWidget):
    """Drawn from a `RunState`; wishes leave as signals.

    Parameters
    ----------
    desk : Desk
        Whose worker reads the log.
    ties : Subscriptions
        Of the panel.

    Attributes
    ----------
    state : RunState
        What is shown.
    """

    pause_asked = Signal()
    go_on_asked = Signal()
    stop_asked = Signal()

    def __init__(self, desk: Desk, ties: Subscriptions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = RunState()
        self._running = False
        self._stopping = False
        self._names = Names()
        self._stale = False
        self.stage = hint_label()
        set_role(self.stage, "figure")
        self.count = QLabel()
        set_role(self.count, "hint")
        # Its text stands below: across the edge of the filled part it is hard to read.
        self.progress = QProgressBar(textVisible=False)
        set_role(self.progress, "thin")
        self.how_far = hint_label()
        set_role(self.how_far, "plain")
        self.purpose = hint_label()
        self.facts = hint_label()
        self.notice = hint_label()
        set_role(self.notice, "notice")
        self.pause_button = QPushButton()
        self.pause_button.clicked.connect(self._on_pause)
        self.stop_button = QPushButton(self.tr("Stop"))
        self.stop_button.setToolTip(
            self.tr("Write a checkpoint and end the run; it can be resumed")
        )
        self.stop_button.clicked.connect(self.stop_asked)
        self.keep_check = keep_check()
        self.curves = Curves()
        self.examples = ExampleSlices()
        self.log = LogView(desk, ties)
        self.log_fold = Fold(self.tr("Log"), self.log)
        self.board_button = BoardButton(desk, ties)
        self.head = QWidget()
        self.details = QWidget()
        self._lay_out()
        self.show_run(RunState(), None, running=False)

    def show_run(
        self,
        state: RunState,
        run_dir: Path | None,
        *,
        running: bool,
        stopping: bool = False,
        names: Names | None = None,
    ) -> None:
        """Show a run; drawn at once where it is seen, else when it is seen again.

        Parameters
        ----------
        state : RunState
        run_dir : Path or None
            Its folder.
        running : bool
            Whether it goes on; its curves stay when it ended.
        stopping : bool
            Whether it was asked to stop.
        names : Names, optional
            What patients are called on the screen.
        """
        self.state, self._running, self._stopping = state, running, stopping
        self._names = Names() if names is None else names
        self._stale = True
        self.log.show_run(run_dir, self._names.scrub)
        self.board_button.show_run(run_dir)
        self.head.setVisible(running)
        self.details.setVisible(running or run_dir is not None)
        if self.isVisible():
            self.draw()

    def draw(self) -> None:
        """Draw what changed since the last time."""
        if not self._stale:
            return
        self._stale = False
        state = self.state
        if self._running:
            self._draw_head(state)
        locked = None if state.started is None else len(state.started.validation_patients)
        self.curves.show_curves(state.curves, locked)
        self.examples.show_pairs(tuple(state.examples.values()), self._names.short)

    def showEvent(self, event: object) -> None:
        """Draw what happened out of sight."""
        super().showEvent(event)
        self.draw()

    def _draw_head(self, state: RunState) -> None:
        self.stage.setText(stage_text(state))
        stage = state.stage
        self.count.setText(
            ""
            if stage is None or stage.stages < 2
            else self.tr("stage {i} of {n}").format(i=stage.number, n=stage.stages)
        )
        done = state.progress
        rests = state.waiting is not None or state.is_paused or self._stopping
        if done is None and not rests:
            self.progress.setRange(0, 0)
        else:
            self.progress.setRange(0, _FINE)
            self.progress.setValue(round((done or 0.0) * _FINE))
        self.how_far.setText(progress_text(state, stopping=self._stopping))
        self.how_far.setVisible(bool(self.how_far.text()))
        self.progress.setAccessibleDescription(self.how_far.text())
        self.purpose.setText(purpose_text(state))
        self.purpose.setVisible(bool(self.purpose.text()))
        self.facts.setText(facts_text(state))
        self.facts.setVisible(bool(self.facts.text()))
        self.notice.setText(self._names.scrub(notice_text(state, stopping=self._stopping)))
        self.notice.setVisible(bool(self.notice.text()))
        paused = state.is_paused
        self.pause_button.setText(self.tr("Continue") if paused else self.tr("Pause"))
        self.pause_button.setToolTip(
            self.tr("Go on where it rests")
            if paused
            else self.tr("Write a checkpoint and rest; the memory stays in use until you stop it")
        )
        self.pause_button.setEnabled(not self._stopping and state.waiting is None)
        self.stop_button.setEnabled(not self._stopping)

    def _on_pause(self) -> None:
        self.pause_button.setEnabled(False)  # until the run says something
        if self.state.is_paused:
            self.go_on_asked.emit()
        else:
            self.pause_asked.emit()

    def _lay_out(self) -> None:
        title = QHBoxLayout()
        title.addWidget(self.stage, 1)
        title.addWidget(self.count)
        buttons = QHBoxLayout()
        buttons.addWidget(self.pause_button, 1)
        buttons.addWidget(self.stop_button, 1)
        head = QVBoxLayout(self.head)
        for item in (
            title,
            self.progress,
            self.how_far,
            self.purpose,
            self.facts,
            self.notice,
            buttons,
        ):
            if isinstance(item, QHBoxLayout):
                head.addLayout(item)
            else:
                head.addWidget(item)
        head.addWidget(self.keep_check)
        below = QHBoxLayout()
        below.addWidget(self.log_fold.button)
        below.addStretch(1)
        below.addWidget(self.board_button)
        details = QVBoxLayout(self.details)
        details.addWidget(self.curves)
        details.addWidget(self.examples)
        details.addLayout(below)
        details.addWidget(self.log_fold)
        layout = QVBoxLayout(self)
        for box in (head, details, layout):
            box.setContentsMargins(0, 0, 0, 0)
            box.setSpacing(5)
        layout.addWidget(self.head)
        layout.addWidget(self.details)
