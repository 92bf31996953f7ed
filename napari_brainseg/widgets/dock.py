"""The dock: tabs Case, Correct and Models, with one panel for each thing that can be done."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QMessageBox,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.viewer import shortcuts
from napari_brainseg.viewer.modes import LAYERS_KEY, is_reading, set_reading
from napari_brainseg.viewer.workbench import unwrapped, workbench_of
from napari_brainseg.widgets.actions import actions_of
from napari_brainseg.widgets.catalogue_notice import CatalogueNotice, is_rescue
from napari_brainseg.widgets.correct_panel import CorrectPanel
from napari_brainseg.widgets.drops import StudyDrops, open_study_folders
from napari_brainseg.widgets.effect_cover import EffectCover
from napari_brainseg.widgets.effect_panel import EffectPanel
from napari_brainseg.widgets.effort_view import EffortView
from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.health_line import HealthLine
from napari_brainseg.widgets.look import stylesheet, text_colour
from napari_brainseg.widgets.measure_set import MeasureSet
from napari_brainseg.widgets.models_panel import ModelsPanel
from napari_brainseg.widgets.next_act import Act, is_settled, next_act
from napari_brainseg.widgets.predict_panel import PredictPanel
from napari_brainseg.widgets.reading_room import (
    CANVAS_SHARE,
    DOCK_WIDTH,
    HANDLES,
    ReadingRoom,
)
from napari_brainseg.widgets.show_panel import ShowPanel
from napari_brainseg.widgets.sign_off_panel import SignOffPanel
from napari_brainseg.widgets.start_panel import StartPanel
from napari_brainseg.widgets.study_panel import StudyPanel
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.training_panel import TrainingPanel
from napari_brainseg.widgets.view_bar import ViewBar
from napari_brainseg.widgets.write_bar import WriteBar

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from qtpy.QtCore import QSize
    from qtpy.QtGui import QShowEvent

    from napari_brainseg.session.case import Case
    from napari_brainseg.widgets.export_window import ExportWindow
    from napari_brainseg.widgets.panel import Panel

__all__ = ["CASE", "CORRECT", "MODELS", "BrainSegDock"]

LEAST_WIDTH = 300
CASE, CORRECT, MODELS = range(3)
"""The tabs."""
_TURN_MS = 10


class BrainSegDock(QWidget):
    """The dock of one viewer. Closing it ends nothing: the desk lives as long as the window.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The window it belongs to.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._was_docked = False
        self.export_window: ExportWindow | None = None
        self.setObjectName("brainseg-dock")
        self._viewer = unwrapped(napari_viewer)
        self.workbench = workbench_of(self._viewer)
        desk, view = self.workbench.desk, self.workbench.view
        view.turn = _next_turn
        self.ties = Subscriptions(self)
        self.fault = FaultBox()
        self.study = StudyPanel(self.workbench)
        self.views = ViewBar(self.workbench.views, shortcuts.key_text("next_view"))
        self.views.layout().setContentsMargins(8, 6, 8, 0)
        self.show_panel = ShowPanel(view.display)
        self.predict = PredictPanel(desk, view)
        self.start = StartPanel(desk)
        self.correct = CorrectPanel(self.workbench)
        self.export = SignOffPanel(desk, view.go_to)
        self.models = ModelsPanel(desk)
        self.models.measure = desk.measure_gate
        self.training = TrainingPanel(desk, measurement=desk.trainings.measurement)
        self.effort = EffortView(desk)
        self.notice = CatalogueNotice(desk)
        self.write_bar = WriteBar(desk)
        self.room = ReadingRoom(self._viewer, self.workbench, self.study.choose_folder, self)
        canvas = self._viewer.window._qt_viewer.canvas.native  # noqa: SLF001
        self.correct.tools.watch_keys(canvas)
        self.measure = MeasureSet(self._viewer, self.workbench, canvas, self.room.planes, self)
        measure = Fold(self.tr("Measure"), self.measure.panel)
        measure.layout().setContentsMargins(8, 4, 8, 4)
        self.ties.add(
            self.measure.measuring.changed,
            lambda what: what == "tool" and self._unfold_measure(),
        )
        self._measure_fold = measure
        self.tabs = QTabWidget()
        reading = _column(
            self.study, self.views, self.show_panel, measure, self.predict, self.start
        )
        correcting = _column(self.correct, self.export)
        self.cover = EffectCover(
            self._viewer,
            self.workbench,
            over=(self.room.strip,),
            rests=(reading, correcting),
            parent=self,
        )
        self.effect = EffectPanel(desk, desk.effects, self.cover)
        models = _column(self.models, self.effect, self.training, self.effort)
        self.tabs.addTab(reading, self.tr("Case"))
        self.tabs.addTab(correcting, self.tr("Correct"))
        self.tabs.addTab(models, self.tr("Models"))
        self.layers_button = QToolButton(text=self.tr("Layers"))
        self.layers_button.setToolTip(
            self.tr("Show or hide napari's layer list and layer controls ({key})").format(
                key=LAYERS_KEY
            )
        )
        self.layers_button.clicked.connect(self._toggle_layers)
        self.keys_button = QToolButton(text="?", toolTip=self.tr("All keys (?)"))
        self.keys_button.clicked.connect(self.room.help.toggle)
        corner = QWidget()
        beside_tabs = QHBoxLayout(corner)
        beside_tabs.setContentsMargins(0, 0, 4, 4)
        beside_tabs.setSpacing(3)
        beside_tabs.addWidget(self.layers_button)
        beside_tabs.addWidget(self.keys_button)
        self.tabs.setCornerWidget(corner)
        self.health = HealthLine(desk)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(2)
        for notice in (self.fault, self.notice, self.write_bar):
            layout.addWidget(notice)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.health)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setMinimumWidth(LEAST_WIDTH)
        self._sized = False
        shortcuts.install(self._viewer, actions_of(self))
        self._dress()
        self._watch_window()
        self._follow()
        self.refresh_next()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels."""
        return (
            self.study, self.predict, self.start, self.correct, self.export,
            self.models, self.effect, self.training, self.effort,
        )  # fmt: skip

    def sizeHint(self) -> QSize:
        """As wide as the texts need; the height is the window's."""
        hint = super().sizeHint()
        hint.setWidth(DOCK_WIDTH)
        return hint

    def showEvent(self, event: QShowEvent) -> None:
        """Take a fair width when it is first seen."""
        super().showEvent(event)
        if not self._sized:
            self._sized = True
            QTimer.singleShot(0, self._take_width)

    def event(self, event: QEvent) -> bool:
        """Go when napari takes this widget out of its dock: it would live on unseen."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._was_docked = True
            elif self._was_docked:
                self.deleteLater()
        return bool(super().event(event))

    def refresh_next(self, *_news: Any) -> None:
        """Fill the button of the one obvious next act."""
        act = next_act(self.workbench.desk, loading=self.study.is_loading, more=self.room.has_next)
        if self.predict.is_busy or self.workbench.bench.previewed:
            # What a tool would do is taken or dropped first.
            act = Act.WAIT
        for panel in (self.study, self.predict, self.start, self.correct, self.export):
            panel.show_next(act)
        # Its button to open a folder is there twice, and the last tab has its own next act.
        away = act is Act.OPEN or self.tabs.currentIndex() == MODELS
        self.room.worklist.show_next(Act.WAIT if away else act)
        # Only one tab is seen at a time, so each has its own next act.
        for panel in (self.models, self.training):
            panel.show_next(Act.PROMOTE if self.models.is_better else Act.TRAIN)

    def window_left(self) -> None:
        """Show the masks again: the release of a held key goes to another window."""
        self.workbench.view.layers.reveal_masks()

    def _follow(self) -> None:
        desk, workbench = self.workbench.desk, self.workbench
        for signal in (
            workbench.loading, workbench.loading_failed, desk.opened, desk.closed,
            desk.prediction_started, desk.prediction_ready, desk.prediction_finished,
            desk.correction_started, desk.status_changed, desk.exported,
            desk.training_started, desk.training_finished,
        ):  # fmt: skip
            self.ties.add(signal, self.refresh_next)
        self.ties.add(desk.opened, self._turn_to_work)
        self.ties.add(self.start.started, self._take_brush)
        self.ties.add(self.study.export_wanted, self.show_export)
        self.ties.add(workbench.bench.changed, self._on_bench)
        self.room.worklist.next_case.suggested.connect(self.refresh_next)
        self.tabs.currentChanged.connect(self.refresh_next)
        self.models.selected_changed.connect(self.refresh_next)
        self.training.gathered.connect(self.refresh_next)
        self.training.finished_version.connect(lambda _version: self.show_versions())
        self.models.review_wanted.connect(self.effect.start)
        self.models.patient_chosen.connect(self.effect.start)
        self.effect.ended.connect(self.models.show_reviewed)
        self.ties.add(desk.fault, self._on_fault)
        self.ties.add_napari(self._viewer.events.theme, self._dress)

    def _turn_to_work(self, case: Case) -> None:
        # A correction goes on where it was left; who looks at the models stays there.
        if self.tabs.currentIndex() != MODELS and case is self.workbench.desk.case:
            begun = case.correction is not None
            going_on = begun and not is_settled(self.workbench.desk, case)
            self.tabs.setCurrentIndex(CORRECT if going_on else CASE)

    def _on_bench(self, what: str) -> None:
        if what == "tool":
            self.refresh_next()

    def _unfold_measure(self) -> None:
        # Taken by key: what is measured is listed where it can be seen.
        if self.measure.measuring.tool is not None:
            self._measure_fold.button.setChecked(True)

    def show_export(self, tab: int | None = None) -> None:
        """Open the window in which masks, pictures and the report leave."""
        if self.workbench.desk.case is None:
            return
        if self.export_window is None:
            from napari_brainseg.widgets.export_window import ExportWindow

            self.export_window = ExportWindow(
                self.workbench.desk,
                lambda: self._viewer.theme,
                make=self.workbench.view.editor.apply,
                slice_on_show=lambda: self.workbench.view.slice_index,
                parent=self.window(),
            )
        window = self.export_window
        window.show_tab(window.tabs.currentIndex() if tab is None else tab)

    def show_versions(self) -> None:
        """Bring the versions, with the gate of one that was just made, into sight."""
        page = self.tabs.widget(MODELS)
        if isinstance(page, QScrollArea):
            page.verticalScrollBar().setValue(0)

    def _take_brush(self) -> None:
        self.tabs.setCurrentIndex(CORRECT)
        self.correct.tools.take("paint")

    def _toggle_layers(self) -> None:
        set_reading(self._viewer, not is_reading(self._viewer))

    def fold_title(self) -> None:
        """Give the room of napari's title bar to the panels, in a window that is all ours."""
        dock = self._own_dock()
        if dock is not None:
            dock.setTitleBarWidget(QWidget(dock))

    @property
    def viewer(self) -> napari.viewer.Viewer:
        """The viewer itself, not the proxy that plugins get."""
        return self._viewer

    def _on_fault(self, error: BrainSegError) -> None:
        # Faults of a prediction stand in its panel, news of the catalogue in a notice.
        if not (self.predict.owns(error) or is_rescue(error)):
            self.fault.show_error(error)

    def _dress(self) -> None:
        theme = self._viewer.theme
        self.setStyleSheet(stylesheet(theme))
        self.room.dress(theme)
        if self.export_window is not None:
            self.export_window.dress()
        self.correct.history.dress(theme)
        for plot in (self.training.curves, self.effort):
            plot.set_ink(text_colour(theme))

    def _watch_window(self) -> None:
        window: Any = self._viewer.window
        qt_window = window._qt_window  # noqa: SLF001 -- napari has no public signal of its end
        qt_viewer = window._qt_viewer  # noqa: SLF001
        self._drops = [
            StudyDrops(target, self.workbench.open, self) for target in (qt_viewer, self)
        ]
        open_study_folders(qt_viewer, self.workbench.open, self)
        self.setAcceptDrops(True)
        qt_window.destroyed.connect(self.workbench.close)
        application = QApplication.instance()
        if application is not None:
            # The window may outlive the event loop, and its workers would go on.
            application.aboutToQuit.connect(self.workbench.close)
        qt_window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show the masks when a held key's release is lost; close only with everything saved."""
        if event.type() == QEvent.Type.Close and not self._may_close():
            event.ignore()
            return True
        if event.type() == QEvent.Type.WindowDeactivate:
            self.window_left()
        return super().eventFilter(watched, event)

    def _may_close(self) -> bool:
        case = self.workbench.desk.case
        correction = None if case is None else case.correction
        if case is None or correction is None or not correction.unsaved or correction.is_lost:
            return True
        with contextlib.suppress(BrainSegError):
            correction.retry()
        count = correction.unsaved
        if not count:
            return True
        answer = QMessageBox.warning(
            self,
            self.tr("Not everything is saved"),
            self.tr(
                "{n} strokes on {patient} are only in memory: the disk does not take them. They "
                "are lost if the window closes now."
            ).format(n=count, patient=case.patient),
            QMessageBox.StandardButton.Discard | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        return answer == QMessageBox.StandardButton.Discard

    def _own_dock(self) -> QDockWidget | None:
        dock: QWidget | None = self
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        return dock

    def _take_width(self) -> None:
        if not hasattr(self._viewer.window, "_qt_window"):
            return  # closed before it was this one's turn
        self.room.install()
        dock, window = self._own_dock(), self.window()
        if dock is None or not isinstance(window, QMainWindow):
            return
        spare = (1 - CANVAS_SHARE) * window.width() - self.room.take_room() - HANDLES
        if not is_reading(self._viewer):
            # The picture comes first: napari's layer list makes room, one key brings it back.
            canvas = self._viewer.window._qt_viewer.canvas.native  # noqa: SLF001
            if canvas.width() + dock.width() - CANVAS_SHARE * window.width() < LEAST_WIDTH:
                set_reading(self._viewer, True)
        width = max(LEAST_WIDTH, min(DOCK_WIDTH, int(spare)))
        window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)


def _next_turn(act: Callable[[], None]) -> None:
    # Not 0: that would come before the input and the redraw that are waiting.
    QTimer.singleShot(_TURN_MS, act)


class _Column(QScrollArea):
    """Panels above each other; scrolls up and down, never sideways."""

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        inside = self.widget()
        if inside is not None:
            bar = self.verticalScrollBar().sizeHint().width()
            hint.setWidth(inside.minimumSizeHint().width() + bar)
        return hint


def _column(*panels: QWidget) -> QScrollArea:
    inside = QWidget()
    layout = QVBoxLayout(inside)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    for panel in panels:
        layout.addWidget(panel)
    layout.addStretch(1)
    area = _Column()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    return area
