"""The strip under the picture: every slice at a glance, and the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_brainseg.session.slice_facts import SliceFacts
from napari_brainseg.viewer.display import PREDICTION_NAME
from napari_brainseg.viewer.shortcuts import key_text, keys_changed
from napari_brainseg.widgets.look import stylesheet
from napari_brainseg.widgets.numbers import voxels
from napari_brainseg.widgets.seen_watch import SeenWatch
from napari_brainseg.widgets.strip_drawing import StripLook
from napari_brainseg.widgets.strip_picture import StripPicture
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.viewer import Viewer

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.history import Stroke
    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.viewer.display import Display

__all__ = ["SliceStrip"]

_LINES = 5.4
"""Height in lines of text."""
RECOUNT_MS = 120
"""So often at most while the threshold moves."""


class SliceStrip(QWidget):
    """Shows the facts of all slices and jumps between them.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose slice is shown, and whose theme.
    view : CaseView
        Whose case is shown.
    display : Display
        Whose prediction, at the threshold on show, is counted.
    desk : Desk
        Where it is kept which slices were seen.

    Attributes
    ----------
    facts : SliceFacts or None
        Figures of the open case.
    """

    def __init__(self, viewer: Viewer, view: CaseView, display: Display, desk: Desk) -> None:
        super().__init__()
        self.setObjectName("brainseg-slice-strip")
        self._viewer, self._view, self._display, self._desk = viewer, view, display, desk
        self.facts: SliceFacts | None = None
        # Told by events: a screen without a window manager never calls a window active.
        self._in_front = True
        self._case: Case | None = None
        self._correction: Correction | None = None
        self._taken: tuple[Any, Any, Any] = (None, None, None)
        self._recount = Throttle(lambda: self._take_masks(moved=True), self, RECOUNT_MS)
        self.watch = SeenWatch(desk, lambda: view.slice_index, self._is_looking, self)
        self.picture = StripPicture(self)
        self.buttons = {
            "previous_lesion": self._button(self.tr("◂ Lesion"), self.previous_lesion),
            "next_lesion": self._button(self.tr("Lesion ▸"), self.next_lesion),
            "next_worst": self._button(self.tr("Worst"), self.next_worst),
            "next_unseen": self._button(self.tr("Unseen"), self.next_unseen),
        }
        grid = QGridLayout()
        grid.setSpacing(2)
        for number, button in enumerate(self.buttons.values()):
            grid.addWidget(button, number // 2, number % 2)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 1, 4, 2)
        layout.setSpacing(6)
        layout.addWidget(self.picture, 1)
        layout.addLayout(grid)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.ties = Subscriptions(self)
        self.ties.add(view.shown, self.refresh)
        self.ties.add(display.changed, self._on_display)
        self.ties.add(desk.closed, self._leave)
        self.ties.add(desk.status_changed, self._on_status)
        self.ties.add(keys_changed, self._name_keys)
        self.ties.add_napari(viewer.dims.events.current_step, self._on_slice)
        self.ties.add_napari(viewer.events.theme, self.dress)
        self._name_keys()
        self.dress()
        self.refresh()

    def sizeHint(self) -> QSize:
        """As high as its rows need in the font of the screen."""
        return QSize(400, round(_LINES * self.fontMetrics().height()))

    def minimumSizeHint(self) -> QSize:
        """Narrow windows get narrow columns."""
        return QSize(200, self.sizeHint().height())

    def dress(self) -> None:
        """Take the colours of the viewer's theme."""
        theme = get_theme(self._viewer.theme)
        dark = sum(theme.background.as_rgb_tuple()[:3]) < 3 * 128
        self.setStyleSheet(stylesheet(self._viewer.theme) + "QToolButton { padding: 1px 6px; }")
        self.picture.take_look(
            StripLook(
                QColor(theme.background.as_hex()),
                QColor(theme.text.as_hex()),
                QColor("#a9afb9" if dark else "#55585f"),
                QColor(theme.foreground.as_hex()),
            )
        )

    @property
    def slice_index(self) -> int:
        """Index of the slice on show, 0-based."""
        return self._view.slice_index

    # where to look next -----------------------------------------------------------------------

    def next_lesion(self) -> None:
        """Show the next slice with a lesion."""
        self._jump("next_lesion", self.tr("No lesion in the slices that follow."))

    def previous_lesion(self) -> None:
        """Show the slice with a lesion before this one."""
        self._jump("previous_lesion", self.tr("No lesion in the slices before."))

    def next_worst(self) -> None:
        """Show the slice that is next worst."""
        facts = self.facts
        known = facts is not None and (
            facts.disagreement is not None or facts.uncertainty is not None
        )
        self._jump(
            "next_worst",
            self.tr("Nothing differs, nothing is doubtful.")
            if known
            else self.tr("Not known before there is a prediction or a correction."),
        )

    def next_unseen(self) -> None:
        """Show the next slice that nobody has looked at."""
        self._jump("next_unseen", self.tr("All other slices were seen."))

    def go_to(self, index: int) -> None:
        """Show a slice (0-based), or the nearest there is."""
        if self.facts is not None:
            self._view.go_to(min(max(index, 0), len(self.facts) - 1))

    def step(self, by: int) -> None:
        """Show the slice so many further on."""
        self.go_to(self._view.slice_index + by)

    def describe(self, index: int) -> str:
        """Figures of a slice (0-based) in a sentence."""
        facts = self.facts
        if facts is None:
            return ""
        parts = [
            self.tr("{what} {n} voxels").format(what=what, n=voxels(int(areas[index])))
            for what, areas in (
                (self.tr("prediction"), facts.prediction),
                (self.tr("truth"), facts.truth),
                (self.tr("mine"), facts.correction),
            )
            if areas is not None
        ]
        if facts.disagreement is not None:
            differing = voxels(int(facts.disagreement[index]))
            parts.append(self.tr("disagreement {n} voxels").format(n=differing))
        if facts.doubtful is not None:
            doubtful = voxels(int(facts.doubtful[index]))
            parts.append(self.tr("doubtful {n} voxels").format(n=doubtful))
        parts.append(self.tr("seen") if facts.seen[index] else self.tr("not seen yet"))
        if facts.edited[index]:
            parts.append(self.tr("edited"))
        return self.tr("slice {i}: {figures}").format(i=index + 1, figures=", ".join(parts))

    @property
    def notice(self) -> str:
        """What the strip says instead of figures; empty if it has some."""
        if self.facts is None:
            return self.tr("The slices of the patient show here: lesion, doubt, what was seen.")
        if self.facts.prediction is None and self._case is not None and not self._case.is_blind:
            return self.tr("Not predicted yet")
        return ""

    # following --------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Follow the case on show."""
        case = self._view.case
        if case is not self._case:
            self._leave()
            self._case = case
            if case is not None:
                self.facts = SliceFacts(case.shape)
                self.facts.changed.connect(self._on_facts)
                self.facts.set_truth(case.truth)
                self.watch.enter(case, self.facts)
        self._take_masks()
        for button in self.buttons.values():
            button.setEnabled(self.facts is not None)
        self.picture.renew()

    def changeEvent(self, event: QEvent) -> None:
        """Follow fonts."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        """Count the time anew when the window comes to the front."""
        if event.type() == QEvent.Type.WindowActivate:
            self._in_front = True
            self.watch.look()
        elif event.type() == QEvent.Type.WindowDeactivate:
            self._in_front = False
        return bool(super().event(event))

    def _leave(self) -> None:
        if self._case is None:
            return
        self.watch.leave()
        self._follow_strokes(None)
        self._case = self.facts = None
        self._taken = (None, None, None)
        self.picture.renew()

    def _take_masks(self, *, moved: bool = False) -> None:
        """Count what is new; hiding a mask or choosing its width is not."""
        facts, case = self.facts, self._case
        if facts is None or case is None:
            return
        correction = case.correction
        now = (self._display.mask(PREDICTION_NAME), self._display.doubt, correction)
        before, self._taken = self._taken, now
        if moved or now[0] is not before[0]:
            facts.set_prediction(now[0])
        if now[1] is not before[1]:
            facts.set_uncertainty(now[1])
        if correction is not before[2]:
            self._follow_strokes(correction)
            if correction is None:
                facts.set_correction(None)
            else:
                facts.set_correction(correction.data, correction.base_mask)

    def _follow_strokes(self, correction: Correction | None) -> None:
        before, self._correction = self._correction, correction
        if before is not None:
            for signal in (before.committed, before.undone, before.redone):
                signal.disconnect(self._on_stroke)
        if correction is not None:
            for signal in (correction.committed, correction.undone, correction.redone):
                signal.connect(self._on_stroke, thread="main")

    def _on_stroke(self, stroke: Stroke) -> None:
        if self.facts is not None:
            _, height, width = self.facts.shape
            self.facts.touch(np.unique(stroke.indices // (height * width)).tolist())

    def _on_display(self, what: str) -> None:
        if what == "masks":
            self._take_masks()
        elif what == "threshold":
            # Counting all slices takes longer than redrawing one: the picture comes first.
            self._recount.ask()

    def _on_status(self, _status: str) -> None:
        # A blind case shows its prediction from now on.
        self._take_masks()
        self.picture.update()

    def _on_facts(self, _slices: Any) -> None:
        self.picture.renew()

    def _on_slice(self) -> None:
        self.watch.look()
        self.picture.update()

    def _is_looking(self) -> bool:
        return self._in_front and self.isVisible() and self._viewer.dims.ndisplay == 2

    def _jump(self, name: str, otherwise: str) -> None:
        if self.facts is None:
            return
        index = getattr(self.facts, name)(self._view.slice_index)
        if index is None:
            self.picture.say(otherwise)
        else:
            self.go_to(index)

    def _button(self, text: str, act: Callable[[], None]) -> QToolButton:
        button = QToolButton(text=text)
        button.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(act)
        return button

    def _name_keys(self) -> None:
        titles = {
            "previous_lesion": self.tr("Previous slice with a lesion"),
            "next_lesion": self.tr("Next slice with a lesion"),
            "next_worst": self.tr("Next worst slice: most disagreement, then most doubt"),
            "next_unseen": self.tr("Next slice not seen yet, those with a lesion first"),
        }
        for name, button in self.buttons.items():
            key = key_text(name)
            button.setToolTip(f"{titles[name]} ({key})" if key else titles[name])
            button.setAccessibleName(titles[name])
