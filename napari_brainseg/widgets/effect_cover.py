"""Lays an effect review over the picture of a window and takes it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QRect, Qt, Signal
from qtpy.QtGui import QKeyEvent

from napari_brainseg.widgets.effect_view import EffectView
from napari_brainseg.widgets.effect_words import names_of
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.effect_review import EffectReview
    from napari_brainseg.viewer.workbench import Workbench

__all__ = ["EffectCover"]

_KEYS = (QEvent.Type.KeyPress, QEvent.Type.KeyRelease)
_MOVES = (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide)


class EffectCover(QObject):
    """Shows one review at a time over the canvas and what belongs to it.

    What lies below keeps its size, its layers and its case. Keys that nobody uses would go to the
    canvas: they are held back, for they act on a case that is not seen. Another case that is
    opened ends the review.

    Parameters
    ----------
    viewer : napari.Viewer
        A real window.
    workbench : Workbench
        Its state.
    over : sequence of QWidget
        What is covered beside the canvas and its planes, e.g. the slice strip.
    rests : sequence of QWidget
        What cannot be used meanwhile: buttons and panels that act on the open case.
    """

    began = Signal(object)
    """`EffectReview` that is shown."""
    ended = Signal(object)
    """`Reviewed`: how far the review came."""

    def __init__(
        self,
        viewer: Viewer,
        workbench: Workbench,
        *,
        over: Sequence[QWidget] = (),
        rests: Sequence[QWidget] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        window: Any = viewer.window
        # napari offers no public way to its window, canvas and what lies around it.
        self._window: QWidget = window._qt_window  # noqa: SLF001
        qt_viewer: QWidget = window._qt_viewer  # noqa: SLF001
        centre = qt_viewer.parentWidget()
        self._viewer, self._workbench = viewer, workbench
        self._over = (centre if centre is not None else qt_viewer, *over)
        self.rests = tuple(rests)
        self._rested: list[QWidget] = []
        self._before: QWidget | None = None
        self.view: EffectView | None = None
        self._ties = Subscriptions(self)
        self._ties.add(workbench.desk.opened, lambda _case: self.end())
        self._ties.add_napari(viewer.events.theme, self._dress)

    @property
    def is_on(self) -> bool:
        """Whether a review is shown."""
        return self.view is not None

    def begin(self, review: EffectReview) -> EffectView:
        """Show a review; one that is shown ends."""
        self.end()
        preferences = self._workbench.desk.preferences
        self.view = view = EffectView(
            review,
            self._window,
            modality=self._workbench.view.display.modality,
            windows=preferences.get("windows"),
            names=names_of(review, self._workbench.desk),
        )
        view.done.connect(self.end)
        self._before = self._window.focusWidget()
        self._rested = [widget for widget in self.rests if widget.isEnabled()]
        for widget in self._rested:
            widget.setEnabled(False)
        for widget in self._over:
            widget.installEventFilter(self)
        self._window.installEventFilter(self)
        self._dress()
        self._place()
        view.show()
        view.raise_()
        view.setFocus(Qt.FocusReason.OtherFocusReason)
        self.began.emit(review)
        return view

    def end(self) -> None:
        """Take the review away; everything is as it was before."""
        view, self.view = self.view, None
        if view is None:
            return
        for widget in (*self._over, self._window):
            widget.removeEventFilter(self)
        for widget in self._rested:
            widget.setEnabled(True)
        self._rested = []
        view.hide()
        before, self._before = self._before, None
        if before is not None:
            before.setFocus(Qt.FocusReason.OtherFocusReason)
        review = view.review
        view.deleteLater()
        review.close()
        self.ended.emit(review.reviewed)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay over what is covered, and keep the keys from the case below."""
        view = self.view
        if view is None:
            return False
        if watched is self._window and event.type() in _KEYS and isinstance(event, QKeyEvent):
            view.use_key(event)
            event.accept()
            return True
        if event.type() in _MOVES:
            self._place()
        return False

    def _place(self) -> None:
        if self.view is None:
            return
        room = QRect()
        for widget in self._over:
            if widget.isVisible():
                corner = widget.mapTo(self._window, widget.rect().topLeft())
                room = room.united(QRect(corner, widget.size()))
        self.view.setGeometry(room)

    def _dress(self) -> None:
        if self.view is not None:
            self.view.dress(self._viewer.theme)
