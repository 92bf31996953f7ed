"""Where a correction starts from, and the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.editor_field import EditorField
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next

if TYPE_CHECKING:
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["StartPanel"]

_NAME_NEEDED = object()


class StartPanel(Panel):
    """Starts a correction, or leads to the one that was started.

    Parameters
    ----------
    desk : Desk
        Keeps the correction.
    """

    started = Signal()
    """A correction was started or is to be gone on with; emitted on the main thread."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self._starting = False
        self._act = Act.WAIT
        self.heading.setText(self.tr("Correct"))
        self.go_on_button = QPushButton(self.tr("Go on"))
        self.go_on_button.setToolTip(self.tr("Show the tools for this correction"))
        self.go_on_button.clicked.connect(lambda _on: self.started.emit())
        self.head(self.go_on_button)
        self.state = hint_label()
        self.base = QComboBox()
        self.base.setToolTip(self.tr("The mask that you start from. A saved correction goes on."))
        self.base.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.base.setMinimumContentsLength(5)
        for text, value in (
            (self.tr("Prediction"), "prediction"),
            (self.tr("Ground truth"), "truth"),
            (self.tr("Empty"), "empty"),
        ):
            self.base.addItem(text, value)
        self.start_button = QPushButton(self.tr("Correct"))
        self.start_button.setToolTip(self.tr("Start painting on a copy of this mask"))
        self.start_button.clicked.connect(self.start)
        self.editor_field = EditorField()
        self._from = QLabel(self.tr("Start from"))
        starting = QHBoxLayout()
        starting.addWidget(self._from)
        starting.addWidget(self.base, 1)
        starting.addWidget(self.start_button)
        self.body.addWidget(self.state)
        self.body.addLayout(starting)
        self.body.addWidget(self.editor_field)

        self.ties.add(desk.opened, self._on_opened)
        self.ties.add(desk.closed, self.refresh)
        self.ties.add(desk.prediction_ready, lambda _prediction: self._offer_bases("prediction"))
        self.ties.add(desk.correction_started, lambda _correction: self.refresh())
        self.ties.add(desk.corrected, lambda _meter: self._describe())
        self._offer_bases()
        self.refresh()

    def start(self) -> None:
        """Start the correction; ask for the editor's name if nobody is named yet."""
        self._start(None)

    def refresh(self) -> None:
        """Follow the desk."""
        case = self.desk.case
        correction = None if case is None else case.correction
        for widget in (self._from, self.base, self.start_button):
            widget.setVisible(case is not None and correction is None)
        self.start_button.setEnabled(not self._starting)
        self.go_on_button.setVisible(correction is not None)
        if correction is not None:
            self.editor_field.put_away()
        self._describe()

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        self._act = act
        # While the name is asked for, going on with it is what comes next.
        asking = self.editor_field.is_asking
        mark_next(self.start_button, act is Act.CORRECT and not asking)
        mark_next(self.go_on_button, act is Act.EXPORT)

    def _start(self, name: str | None) -> None:
        base: Any = self.base.currentData()

        def act() -> object:
            if name is not None:
                self.desk.editor = name
            if self.desk.editor is None:
                return _NAME_NEEDED
            return self.desk.start_correction(base)

        self._starting = True
        self.refresh()
        self.run(act, self._on_started, self._on_refused)

    def _on_started(self, result: object) -> None:
        self._starting = False
        self.refresh()
        if result is _NAME_NEEDED:
            self.editor_field.ask(self._start)
            self.show_next(self._act)
        else:
            self.started.emit()

    def _on_refused(self, error: Any) -> None:
        self._starting = False
        self.fault.show_error(error)
        self.refresh()

    def _on_opened(self, _case: Case) -> None:
        self.editor_field.put_away()
        self.fault.clear()
        self._offer_bases()
        self.refresh()

    def _offer_bases(self, best: str | None = None) -> None:
        case = self.desk.case
        offered = {
            "prediction": case is not None and case.prediction is not None,
            "truth": case is not None and case.truth is not None,
            "empty": True,
        }
        model: Any = self.base.model()
        for index in range(self.base.count()):
            model.item(index).setEnabled(offered[self.base.itemData(index)])
        if best is None:
            best = next(value for value, there in offered.items() if there)
        self.base.setCurrentIndex(self.base.findData(best))

    def _describe(self) -> None:
        case = self.desk.case
        correction = None if case is None else case.correction
        self.state.setVisible(case is None or correction is not None)
        if case is None:
            self.state.setText(self.tr("Open a study to correct its mask."))
        elif correction is not None:
            meter = correction.meter
            if meter.strokes == 0:
                self.state.setText(self.tr("Started; nothing is painted yet."))
                return
            strokes = self.tr("1 stroke") if meter.strokes == 1 else self.tr("{n} strokes").format(
                n=meter.strokes
            )  # fmt: skip
            self.state.setText(
                self.tr("{strokes} saved, {time} of work").format(
                    strokes=strokes, time=numbers.duration(meter.seconds)
                )
            )
