"""All tools of a correction: those of the hand, menus of the others, undo and redo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.widgets.hand_settings import HandSettings
from napari_brainseg.widgets.hand_tools import HandTools
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.tool_flyout import ToolFlyout
from napari_brainseg.widgets.tool_parameters import ToolParameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.viewer.brushes import Brushes
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.tool_bench import ToolBench

__all__ = ["ToolsPanel"]

_TAKE = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_DROP = Qt.Key.Key_Escape


class ToolsPanel(QWidget):
    """The tools.

    Parameters
    ----------
    view : CaseView
        Has the layer and the history.
    brushes : Brushes
        What is in the hand.
    bench : ToolBench
        The tools that are not.

    Attributes
    ----------
    size : QSlider
        Diameter of the brush in voxels.
    undo, redo : QToolButton
        Of the history.
    menus : ToolFlyout
        The tools that are not in the hand.
    strip : ToolParameters
        What is asked of such a tool.
    """

    def __init__(
        self,
        view: CaseView,
        brushes: Brushes,
        bench: ToolBench,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._view, self._brushes, self._bench = view, brushes, bench
        self._ties = Subscriptions(self)
        self._canvas: QWidget | None = None
        self.hand = HandTools(brushes)
        self.settings = HandSettings(brushes, view)
        self.strip = ToolParameters(bench)
        self.undo = QToolButton(text="↶")
        self.undo.setAccessibleName(self.tr("Undo"))
        self.undo.clicked.connect(lambda: view.editor.undo())
        self.redo = QToolButton(text="↷")
        self.redo.setAccessibleName(self.tr("Redo"))
        self.redo.clicked.connect(lambda: view.editor.redo())
        back_and_forth = QWidget()
        beside = QHBoxLayout(back_and_forth)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(3)
        for button in (self.undo, self.redo):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            beside.addWidget(button)
        self.menus = ToolFlyout(bench, back_and_forth)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for part in (self.hand, self.settings, self.menus, self.strip):
            layout.addWidget(part)
        self._ties.add(view.shown, self.refresh)
        self._ties.add(bench.changed, self._on_bench)
        self.refresh()

    @property
    def size(self) -> QSlider:
        """Slider of the brush's diameter."""
        return self.settings.size

    def mode_button(self, tool: str) -> QToolButton:
        """Return the button of a tool, by its name in the history or napari's name of a mode."""
        return self.hand.button(tool)

    def take(self, tool: str) -> None:
        """Take a tool in hand, by its name in the history or napari's name of a mode."""
        self.hand.take(tool)

    def actions(self) -> dict[str, Callable[[], None]]:
        """Return what keys do: `viewer.shortcuts` id to a callable without arguments."""
        brushes = self._brushes
        return self.menus.actions_by_id() | {
            "threshold_brush": lambda: brushes.take("threshold brush"),
            "adaptive_brush": lambda: brushes.take("adaptive brush"),
            "lasso": lambda: brushes.take("lasso"),
            "polygon": lambda: brushes.take("polygon"),
            "shallower": lambda: setattr(brushes, "depth", brushes.depth - 1),
            "deeper": lambda: setattr(brushes, "depth", brushes.depth + 1),
            "window_from_mouse": self.take_window,
        }

    def take_window(self) -> None:
        """Let the threshold brush paint what is like that under the mouse."""
        point = self._bench.pointing.under_mouse()
        window = None if point is None else self._brushes.window_at(point[1], point[2])
        if window is not None:
            self._brushes.take("threshold brush")
            self._brushes.window = window

    def watch_keys(self, canvas: QWidget) -> None:
        """Let Enter and Esc on a canvas take and drop what the tool in hand would do.

        It gets the keyboard back when a tool is put away.
        """
        self._canvas = canvas
        canvas.installEventFilter(self)

    def refresh(self) -> None:
        """Follow the correction and its history."""
        case = self._view.case
        correction = None if case is None else case.correction
        reason: str | None = getattr(case, "read_only", None)
        if reason is None and correction is None:
            reason = self.tr("Start a correction first.")
        self.hand.allow(reason)
        self.settings.setEnabled(reason is None)
        for button, there, hint, nothing in (
            (
                self.undo,
                correction is not None and correction.can_undo,
                self.tr("Take the last action back, on whatever slice (Ctrl+Z)"),
                self.tr("Nothing was done yet"),
            ),
            (
                self.redo,
                correction is not None and correction.can_redo,
                self.tr("Do the action again (Ctrl+Shift+Z)"),
                self.tr("Nothing was undone"),
            ),
        ):
            button.setEnabled(there and reason is None)
            button.setToolTip(reason or (hint if there else nothing))
        self.hand.refresh()
        self.settings.refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take or drop what the tool in hand would do; other keys are napari's."""
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        if not isinstance(event, QKeyEvent) or self._brushes.regions.is_drawing:
            return False
        return self._on_key(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter and Esc work in the strip as on the canvas."""
        if not self._on_key(event):
            super().keyPressEvent(event)

    def _on_key(self, event: QKeyEvent) -> bool:
        bench = self._bench
        wanted = event.key() in _TAKE or event.key() == _DROP
        if not wanted or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        if bench.tool is None and not bench.is_busy:
            return False
        if event.type() == QEvent.Type.KeyPress:
            if event.key() == _DROP:
                bench.drop()
            else:
                bench.take()
        event.accept()
        return True

    def _on_bench(self, what: str) -> None:
        if what in ("history", "available"):
            self.refresh()
        if what == "available":
            self.menus.refresh()
        if what == "tool" and self._bench.tool is None and self._canvas is not None:
            focus = self.focusWidget()
            if focus is not None and focus.hasFocus() and self.strip.isAncestorOf(focus):
                self._canvas.setFocus()
