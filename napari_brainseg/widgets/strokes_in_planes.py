"""Tells which rows and columns of the slice a brush, an undo or a redo has just changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from qtpy.QtCore import QObject

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.history import Stroke
    from napari_brainseg.viewer.views import Views

__all__ = ["StrokesInPlanes"]


class StrokesInPlanes:
    """Follows what is painted, while it is painted.

    Parameters
    ----------
    views : Views
        What is shown.
    act : callable
        Gets the rows (y) and columns (x) that changed, as ranges.
    owner : QObject
        With its end, this ends.
    """

    _stroke = Signal(object)

    def __init__(self, views: Views, act: Callable[[range, range], None], owner: QObject) -> None:
        self._views = views
        self._act = act
        self._layer: Labels | None = None
        self._correction: Correction | None = None
        self._ties = ties = Subscriptions(owner)
        ties.add(self._stroke, self._on_stroke)
        ties.add(views.case_view.shown, self._follow)
        owner.destroyed.connect(self._let_go)
        self._follow()

    def _follow(self) -> None:
        layer = self._views.case_view.layers.correction
        case: Case | None = self._views.case_view.case
        correction = None if case is None else case.correction
        if layer is self._layer and correction is self._correction:
            return
        self._let_go()
        self._layer, self._correction = layer, correction
        if layer is not None:
            layer.events.labels_update.connect(self._on_brush)
        if correction is not None:
            for signal in (correction.committed, correction.undone, correction.redone):
                signal.connect(self._pass_on)

    def _let_go(self, _object: Any = None) -> None:
        layer, self._layer = self._layer, None
        correction, self._correction = self._correction, None
        if layer is not None:
            layer.events.labels_update.disconnect(self._on_brush)
        if correction is not None:
            for signal in (correction.committed, correction.undone, correction.redone):
                signal.disconnect(self._pass_on)

    def _on_brush(self, event: Any) -> None:
        top, left = (int(v) for v in event.offset[-2:])
        height, width = event.data.shape[:2]
        self._act(range(top, top + height), range(left, left + width))

    def _pass_on(self, stroke: Stroke) -> None:
        self._stroke.emit(stroke)

    def _on_stroke(self, stroke: Stroke) -> None:
        if self._correction is None or stroke.indices.size == 0:
            return
        _, rows, columns = np.unravel_index(stroke.indices, self._correction.shape)
        self._act(_span(rows), _span(columns))


def _span(places: Any) -> range:
    return range(int(places.min()), int(places.max()) + 1)
