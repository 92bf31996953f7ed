"""Measurements over a picture, and the mouse and keys that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from qtpy.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPolygonF
from qtpy.QtWidgets import QLabel, QToolTip, QWidget

from napari_brainseg.session.measurements import Kind
from napari_brainseg.widgets.measure_figures import Figure
from napari_brainseg.widgets.measure_layout import lay_out, text_font
from napari_brainseg.widgets.measure_words import intensity_words
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.viewer.measuring import Measuring

__all__ = ["MeasureOverlay", "Pane"]

_STILL = 4.0
"""Pixels that a mouse may move between press and release of a click."""
_NEAR = 7.0
"""Pixels within which a press takes hold of a point or a line."""


class Pane(Protocol):
    """A widget that shows a plane, and knows where voxels lie on it."""

    axis: int
    """0 axial, 1 coronal, 2 sagittal."""

    @property
    def modality(self) -> Modality | None:
        """Whose intensities it shows; `None` for the modality on show."""

    @property
    def widget(self) -> QWidget:
        """Draws the plane."""

    @property
    def plane(self) -> int | None:
        """Index of the plane on show, `None` while there is none."""

    def to_widget(self, row: float, column: float) -> QPointF:
        """Where a place of the plane lies on the widget."""

    def to_plane(self, point: QPointF) -> tuple[float, float]:
        """(row, column) at a point of the widget."""


class MeasureOverlay(QWidget):
    """Draws the measurements of the plane on show, and takes the left button for them.

    With a brush in hand it takes nothing. The right button keeps window and level; while Space is
    held the left one moves the picture.

    Parameters
    ----------
    pane : Pane
        What lies under it; its widget is the parent.
    measuring : Measuring
        What is measured.
    has_keys : bool
        Whether keys pressed on the widget are for measuring too.
    """

    def __init__(self, pane: Pane, measuring: Measuring, *, has_keys: bool = True) -> None:
        super().__init__(pane.widget)
        self._pane, self._measuring, self._has_keys = pane, measuring, has_keys
        self._figures: list[Figure] = []
        self._pressed_at: QPointF | None = None
        self._dragged = False
        self._space = False
        self._cursor_before = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFont(text_font(self.font()))
        self.hide()
        pane.widget.setMouseTracking(True)
        pane.widget.installEventFilter(self)
        self._ties = ties = Subscriptions(self)
        ties.add(measuring.changed, self._on_changed)
        self.follow()

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What is drawn."""
        return tuple(self._figures)

    def follow(self) -> None:
        """Draw what belongs to the plane on show where it lies now."""
        pane, measuring = self._pane, self._measuring
        plane = pane.plane
        self._figures = []
        if plane is not None and measuring.is_shown:
            room = QRectF(pane.widget.rect()).adjusted(4, 4, -4, -4)
            self._figures = lay_out(self._wanted(plane), self.font(), room, self._written())
        if not self._figures:
            self.hide()
            return
        room = self._figures[0].room
        for figure in self._figures[1:]:
            room = room.united(figure.room)
        self.setGeometry(room.toAlignedRect().intersected(pane.widget.rect()))
        self.setVisible(not self.geometry().isEmpty())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw them."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(-QPointF(self.pos()))
        painter.setFont(self.font())
        for figure in self._figures:
            figure.draw(painter)
        for figure in self._figures:
            figure.write(painter)
        painter.end()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take what measures; all else goes on to the picture."""
        if watched is not self._pane.widget:
            return False
        kind = event.type()
        if kind in (QEvent.Type.Resize, QEvent.Type.Show):
            self.follow()
        elif kind == QEvent.Type.FocusOut:
            # The key may be let go in another window.
            self._space = False
        elif isinstance(event, QKeyEvent):
            return self._has_keys and self._on_key(event)
        elif kind == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            return self._on_tip(event)
        elif isinstance(event, QMouseEvent):
            if kind == QEvent.Type.MouseMove:
                return self._on_move(event)
            if event.button() == Qt.MouseButton.LeftButton:
                if kind == QEvent.Type.MouseButtonRelease:
                    return self._on_release(event)
                return self._on_press(event)
        return False

    # what is drawn ----------------------------------------------------------------------------

    def _wanted(self, plane: int) -> list[Figure]:
        pane, measuring = self._pane, self._measuring
        chosen = measuring.chosen
        figures = []
        for item in measuring.items_on(pane.axis, plane):
            rest = [axis for axis in range(3) if axis != pane.axis]
            points = tuple(pane.to_widget(p[rest[0]], p[rest[1]]) for p in item.points)
            text = item.text if not item.label else f"{item.label}  {item.text}"
            is_chosen = chosen is not None and chosen.id == item.id
            if is_chosen:
                under = intensity_words(measuring.intensities_of(item, pane.modality))
                text += f"\n{under}" if under else ""
            figures.append(Figure(item.kind, points, text, True, is_chosen, item.id))
        draft = measuring.draft
        if draft is not None and (draft.axis, draft.plane) == (pane.axis, plane) and draft.places:
            points = tuple(pane.to_widget(*place) for place in draft.places)
            figures.append(Figure(draft.kind, points, draft.text, draft.closed, True))
        return figures

    def _written(self) -> list[QRectF]:
        """Where other texts stand on the picture."""
        direct = Qt.FindChildOption.FindDirectChildrenOnly
        labels = self._pane.widget.findChildren(QLabel, options=direct)
        return [QRectF(label.geometry()) for label in labels if not label.isHidden()]

    # mouse ------------------------------------------------------------------------------------

    def _on_press(self, event: QMouseEvent) -> bool:
        measuring, pane, at = self._measuring, self._pane, QPointF(event.pos())
        plane = pane.plane
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if (
            self._space
            or plane is None
            or not measuring.is_shown
            or not measuring.is_hand_free
            or modifiers != Qt.KeyboardModifier.NoModifier
        ):
            return False
        twice = event.type() == QEvent.Type.MouseButtonDblClick
        if twice and measuring.tool is Kind.AREA and measuring.is_drawing:
            # Its first click has set the last corner.
            measuring.close()
            return True
        taken = not measuring.is_drawing and self._take_hold(at)
        if not taken:
            if measuring.tool is None or not measuring.can_measure_on(pane.axis):
                measuring.choose(None)
                return False
            measuring.press(pane.axis, plane, pane.to_plane(at))
        self._pressed_at, self._dragged = at, False
        if self._has_keys:
            pane.widget.setFocus()
        return True

    def _take_hold(self, at: QPointF) -> bool:
        """Take the point of a measurement in hand, or choose the one at a place."""
        measuring = self._measuring
        for figure in reversed(self._figures):
            item = None if figure.id is None else measuring.measurements.find(figure.id)
            if item is None or not figure.has_handles:
                continue
            if measuring.tool is not None and not figure.chosen:
                # Drawing may begin near another one; its ends are not to be seen.
                continue
            for index, point in enumerate(figure.points):
                if (point - at).manhattanLength() <= _NEAR:
                    measuring.grab(item, index)
                    return True
        figure = self._figure_at(at)
        if figure is None or measuring.tool is not None:
            return False
        measuring.choose(figure.id)
        return True

    def _on_move(self, event: QMouseEvent) -> bool:
        measuring, at = self._measuring, QPointF(event.pos())
        pressed = bool(event.buttons() & Qt.MouseButton.LeftButton)
        if self._pressed_at is not None:
            if not pressed:
                # The release went to another window.
                self._pressed_at = None
                measuring.cancel()
                return False
            if not self._dragged:
                self._dragged = (at - self._pressed_at).manhattanLength() > _STILL
        draft = measuring.draft
        if draft is not None and (draft.axis, draft.plane) == (self._pane.axis, self._pane.plane):
            measuring.move(self._pane.to_plane(at), pressed=pressed and self._dragged)
        return self._pressed_at is not None

    def _on_release(self, event: QMouseEvent) -> bool:
        if self._pressed_at is None:
            return False
        self._pressed_at = None
        self._measuring.release(self._pane.to_plane(QPointF(event.pos())), dragged=self._dragged)
        return True

    def _figure_at(self, at: QPointF) -> Figure | None:
        """Find the measurement whose line or text is at a place, the latest first."""
        for figure in reversed(self._figures):
            if figure.id is None:
                continue
            if figure.plate is not None and figure.plate.contains(at):
                return figure
            ends = (*figure.points[1:], figure.points[0])
            if any(_distance(at, a, b) <= _NEAR for a, b in zip(figure.points, ends, strict=True)):
                return figure
        return None

    def _on_tip(self, event: QHelpEvent) -> bool:
        at, measuring = QPointF(event.pos()), self._measuring
        if not measuring.is_hand_free or measuring.is_drawing:
            return False
        figure = self._figure_at(at)
        if figure is None:
            inside = (
                f
                for f in reversed(self._figures)
                if f.kind is Kind.AREA
                and f.id is not None
                and QPolygonF(f.points).containsPoint(at, Qt.FillRule.OddEvenFill)
            )
            figure = next(inside, None)
        item = None
        if figure is not None and figure.id is not None:
            item = measuring.measurements.find(figure.id)
        words = ""
        if item is not None:
            words = intensity_words(measuring.intensities_of(item, self._pane.modality))
        if item is None or not words:
            return False
        QToolTip.showText(event.globalPos(), f"{item.text}\n{words}", self._pane.widget)
        return True

    # keys -------------------------------------------------------------------------------------

    def _on_key(self, event: QKeyEvent) -> bool:
        key, kind = Qt.Key(event.key()), event.type()
        if key == Qt.Key.Key_Space:
            if kind == QEvent.Type.KeyPress:
                self._space = True
            elif kind == QEvent.Type.KeyRelease and not event.isAutoRepeat():
                self._space = False
            return False
        measuring = self._measuring
        drawing = measuring.is_drawing
        acts = {
            Qt.Key.Key_Return: (drawing, measuring.close),
            Qt.Key.Key_Enter: (drawing, measuring.close),
            Qt.Key.Key_Backspace: (drawing, measuring.back),
            Qt.Key.Key_Delete: (
                not drawing and measuring.chosen is not None and measuring.is_hand_free,
                measuring.remove_chosen,
            ),
            Qt.Key.Key_Escape: (
                drawing
                or measuring.tool is not None
                or (measuring.chosen is not None and measuring.is_hand_free),
                measuring.escape,
            ),
        }
        taken, act = acts.get(key, (False, measuring.close))
        if not taken or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        if kind == QEvent.Type.KeyPress:
            act()
        # Menus must not have it either.
        event.accept()
        return True

    def _on_changed(self, what: str) -> None:
        if what == "tool":
            self._space = False
            self._pressed_at = None
            widget = self._pane.widget
            # The last one that is installed is asked first: before crosshair and camera.
            widget.removeEventFilter(self)
            widget.installEventFilter(self)
            if self._has_keys:
                self._point_with_cross(on=self._measuring.tool is not None)
        self.follow()

    def _point_with_cross(self, *, on: bool) -> None:
        widget = self._pane.widget
        if on and self._cursor_before is None:
            self._cursor_before = widget.cursor()
            widget.setCursor(Qt.CursorShape.CrossCursor)
            widget.setFocus()
        elif not on and self._cursor_before is not None:
            widget.setCursor(self._cursor_before)
            self._cursor_before = None


def _distance(point: QPointF, a: QPointF, b: QPointF) -> float:
    """From a point to the piece of a line between two others, in pixels."""
    along, to = b - a, point - a
    square = along.x() ** 2 + along.y() ** 2
    share = 0.0 if square == 0 else (to.x() * along.x() + to.y() * along.y()) / square
    off = to - along * min(max(share, 0.0), 1.0)
    return float((off.x() ** 2 + off.y() ** 2) ** 0.5)
