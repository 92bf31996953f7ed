"""One line at the bottom of the dock: what predicts, with which model, and how much is free."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psutil
from psygnal import Signal as PsygnalSignal
from qtpy.QtCore import QPoint, Qt, QTimer, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton

from napari_brainseg.session.health import (
    GIB,
    LEAST_MEMORY,
    Finding,
    Health,
    Level,
    examine,
    see_driver,
)
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.health_popup import HealthPopup
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from qtpy.QtCore import QSize
    from qtpy.QtGui import QResizeEvent, QShowEvent
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.desk import Desk

__all__ = ["MEMORY_MS", "HealthLine"]

MEMORY_MS = 10_000
"""So often is the free memory looked at."""


class HealthLine(QToolButton):
    """Says how the machine is; a click explains, and mends what can be mended from here.

    Parameters
    ----------
    desk : Desk
        Whose model and workspace are looked at, in its worker.

    Attributes
    ----------
    health : Health or None
        What was found last.
    """

    examined = Signal()
    """Something was looked at anew."""
    _driver_seen = PsygnalSignal(object)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("brainseg-health")
        self._desk = desk
        self._text = ""
        self._asked = False
        self._studies = desk.studies
        self.health: Health | None = None
        self.popup: HealthPopup | None = None
        self.setProperty("role", "health")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        self.ties.add(self._driver_seen, self._examine)
        self.ties.add(desk.models_changed, self.examine)
        self.ties.add(desk.opened, self._on_opened)
        self._timer = QTimer(self, interval=MEMORY_MS)
        self._timer.timeout.connect(self.refresh)
        self.clicked.connect(self.explain)
        self.refresh()

    @property
    def line(self) -> str:
        """The whole line, however much of it there is room for."""
        return self._text

    def examine(self, *_news: Any) -> None:
        """Look at everything again; nothing waits for it."""
        self._asked = True
        # Not in the desk's worker: a driver that hangs would keep the patient from opening.
        threading.Thread(target=self._see_driver, name="brainseg-health", daemon=True).start()

    def refresh(self) -> None:
        """Write the line again; only the memory is looked at anew."""
        free = psutil.virtual_memory().available
        memory = self.tr("{free} GB free").format(
            free=f"{free / GIB:.0f}" if free >= 10 * GIB else f"{free / GIB:.1f}"
        )
        health = self.health
        if health is None:
            self._text = self.tr("Looking at this machine…  {memory}").format(memory=memory)
            attention = False
        else:
            model = self.tr("model {version}").format(version=health.model)
            parts = [health.device, model if health.model else self.tr("no model"), memory]
            self._text = ", ".join(parts)
            attention = free < LEAST_MEMORY or any(
                f.level in (Level.WARNING, Level.FAULT) and f.name != "memory"
                for f in health.findings
            )
        if attention:
            # A sign and a word, not a colour alone.
            self._text = self.tr("⚠ attention: {line}").format(line=self._text)
        if self.property("attention") != attention:
            self.setProperty("attention", attention)
            self.style().unpolish(self)
            self.style().polish(self)
        self.setToolTip(self.tr("{line}\nClick: what this means").format(line=self._text))
        self.setAccessibleName(self._text)
        self._elide()

    def explain(self) -> None:
        """Open the explanation above the line."""
        if self.popup is None:
            self.popup = HealthPopup(self, self._desk)
        self.examine()
        self.popup.show_health(self.health)
        corner = self.mapToGlobal(QPoint(0, 0))
        self.popup.show_above(corner, self.width())

    def minimumSizeHint(self) -> QSize:
        """Give way; the tooltip has all of the line."""
        hint = super().minimumSizeHint()
        hint.setWidth(80)
        return hint

    def showEvent(self, event: QShowEvent) -> None:
        """Look when it is first seen, then now and then."""
        super().showEvent(event)
        self._timer.start()
        if not self._asked:
            self.examine()

    def hideEvent(self, event: Any) -> None:
        """Nothing is looked at while nobody sees it."""
        super().hideEvent(event)
        self._timer.stop()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        room = max(self.width() - 14, 40)
        self.setText(self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, room))

    def _on_opened(self, _case: Any) -> None:
        # Another study root may have another workspace, with other models.
        if self._desk.studies is not self._studies:
            self._studies = self._desk.studies
            self.examine()

    def _see_driver(self) -> None:
        self._driver_seen.emit(see_driver())

    def _examine(self, driver: Finding) -> None:
        self._background.run(lambda: examine(self._desk, driver), self._take, self._failed)

    def _take(self, health: Health) -> None:
        self.health = health
        self.refresh()
        if self.popup is not None and self.popup.isVisible():
            self.popup.show_health(health)
        self.examined.emit()

    def _failed(self, error: BrainSegError) -> None:
        self.setToolTip(str(error))
