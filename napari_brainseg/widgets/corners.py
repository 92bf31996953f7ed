"""Annotations in the four corners of the picture, orientation and scale at its edges.

Labels of Qt: napari's text overlay needs 10 ms for each letter that it has not drawn before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel

from napari_brainseg.widgets.canvas_marks import CanvasMarks
from napari_brainseg.widgets.corner_texts import (
    NEEDED,
    Line,
    bottom_left,
    bottom_right,
    top_left,
    top_right,
)
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.slice_facts import SliceFacts
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.display import Display

__all__ = ["BOTTOM_LEFT", "BOTTOM_RIGHT", "CORNERS", "TOP_LEFT", "TOP_RIGHT", "Corners"]

TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = CORNERS = (
    "top left",
    "top right",
    "bottom left",
    "bottom right",
)
_MARGIN = 8
_AMPLE, _FAIR = 560, 400
"""Least widths of a picture for all lines, and for those that are useful."""
_PLATE = "color: #f0f0f0; background: rgba(0, 0, 0, 165); padding: 2px 6px; font-size: 9pt;"


class Corners(QObject):
    """Keeps four labels over a canvas in step with the case.

    They never catch the mouse. Where the picture is small, less important lines go first.

    Parameters
    ----------
    canvas : QWidget
        Widget of the picture; the labels live and die with it.
    viewer : napari.Viewer
        Whose slice is shown.
    view : CaseView
        Whose case is shown.
    display : Display
        How it is shown.
    desk : Desk
        Its preferences, suggestion and worklist.
    facts : callable
        Gives the `SliceFacts` of the case, e.g. those of the slice strip.
    parent : QObject, optional
        The labels go with it.
    """

    def __init__(
        self,
        canvas: QWidget,
        viewer: Viewer,
        view: CaseView,
        display: Display,
        desk: Desk,
        facts: Callable[[], SliceFacts | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(canvas if parent is None else parent)
        self._canvas, self._viewer, self._view = canvas, viewer, view
        self._display, self._desk, self._facts = display, desk, facts
        self._lines: dict[str, list[Line]] = {corner: [] for corner in CORNERS}
        self.labels = {corner: _label(canvas) for corner in CORNERS}
        if parent is not None:
            for label in self.labels.values():
                parent.destroyed.connect(label.deleteLater)
        self.marks = CanvasMarks(canvas, viewer, view, self.parent())
        # One refresh for all that happens in a moment, after the facts were counted.
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self.refresh)
        canvas.installEventFilter(self)
        self.ties = ties = Subscriptions(self)
        # A window that goes takes the canvas first.
        canvas.destroyed.connect(self._soon.stop)
        canvas.destroyed.connect(self.ties.close)
        for signal in (
            view.shown, display.changed, desk.corrected, desk.status_changed, desk.opened,
            desk.prediction_ready,
        ):  # fmt: skip
            ties.add(signal, self._ask)
        ties.add(desk.worklist.reset, self._ask)
        ties.add(desk.preferences.changed, self._on_preference)
        ties.add_napari(viewer.dims.events.current_step, self._on_slice)
        ties.add_napari(viewer.dims.events.ndisplay, self._ask)
        self.refresh()

    def text(self, corner: str) -> str:
        """Return what a corner shows now, as plain text; lines that had to go are left out."""
        label = self.labels[corner]
        return str(label.property("plain")) if not label.isHidden() else ""

    def refresh(self) -> None:
        """Follow case, display and preferences."""
        case = self._view.case
        flat = self._viewer.dims.ndisplay == 2
        for corner in CORNERS:
            self._lines[corner] = []
        self._lines[BOTTOM_LEFT] = bottom_left(case)
        if case is None or not self._desk.preferences.get("annotations"):
            # What this is not stands there, whoever prefers what.
            self._lines[BOTTOM_LEFT] = [] if case is None else self._lines[BOTTOM_LEFT][-1:]
        else:
            self._lines[TOP_LEFT] = self._top_left(case, flat=flat)
            self._lines[TOP_RIGHT] = top_right(self._display, flat=flat)
            self._lines[BOTTOM_RIGHT] = bottom_right(case, self._desk, self._display, self._facts())
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the canvas when it is resized or shown."""
        if watched is self._canvas and event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._fit()
        return False

    def _ask(self, *_news: Any) -> None:
        self._soon.start()

    def _on_preference(self, name: str) -> None:
        if name in ("annotations", "hide_identifiers"):
            self._ask()

    def _on_slice(self) -> None:
        # The number of the slice follows at once, and nothing else is worked out for it.
        case = self._view.case
        if case is None or not self._lines[TOP_LEFT]:
            return
        flat = self._viewer.dims.ndisplay == 2
        self._lines[TOP_LEFT] = self._top_left(case, flat=flat)
        self._fit()
        self._ask()

    def _top_left(self, case: Case, *, flat: bool) -> list[Line]:
        modality = None if self._display.composite else self._display.modality
        return top_left(case, self._desk, self._view.slice_index, flat=flat, modality=modality)

    def _fit(self) -> None:
        """Show as many lines as the canvas has room for."""
        width, height = self._canvas.width(), self._canvas.height()
        start = 2 if width >= _AMPLE else 1 if width >= _FAIR else 0
        for level in range(start, NEEDED - 1, -1):
            for corner in CORNERS:
                self._write(corner, level)
            if level == NEEDED or self._fits(width, height):
                break
        for left, right in ((TOP_LEFT, TOP_RIGHT), (BOTTOM_LEFT, BOTTOM_RIGHT)):
            both = self.labels[left].width() + self.labels[right].width() + 3 * _MARGIN
            if both > width and not self.labels[left].isHidden():
                self.labels[right].hide()
        for corner, label in self.labels.items():
            size = label.size()
            x = _MARGIN if "left" in corner else width - size.width() - _MARGIN
            y = _MARGIN if "top" in corner else height - size.height() - _MARGIN
            label.move(x, y)
        wanted = bool(self._desk.preferences.get("annotations"))
        self.marks.show_for(wanted=wanted, others=self.labels.values())

    def _write(self, corner: str, level: int) -> None:
        label = self.labels[corner]
        lines = [line for line in self._lines[corner] if line.level <= level]
        html = "<br>".join(line.html for line in lines)
        if label.text() != html:
            label.setText(html)
            label.setProperty("plain", "\n".join(line.text for line in lines))
        label.setVisible(bool(lines))
        label.adjustSize()

    def _fits(self, width: int, height: int) -> bool:
        sizes = {c: label.size() for c, label in self.labels.items() if not label.isHidden()}

        def total(*corners: str, high: bool = False) -> int:
            found = [sizes[c] for c in corners if c in sizes]
            return sum((s.height() if high else s.width()) + _MARGIN for s in found) + _MARGIN

        # Less than half the height: the lesion must not lie under a text.
        return (
            total(TOP_LEFT, TOP_RIGHT) <= width
            and total(BOTTOM_LEFT, BOTTOM_RIGHT) <= width
            and total(TOP_LEFT, BOTTOM_LEFT, high=True) <= height // 2
            and total(TOP_RIGHT, BOTTOM_RIGHT, high=True) <= height // 2
        )


def _label(canvas: QWidget) -> QLabel:
    label = QLabel(canvas)
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setStyleSheet(_PLATE)
    label.setVisible(False)
    return label
