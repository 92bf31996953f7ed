"""What the canvas says in 3D: that a surface is being made, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel

from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.viewer.views import Views

__all__ = ["SceneOverlay"]

_STILL_MS = 300
"""So long the camera rests before the head is drawn again."""
_PATIENCE_MS = 200
"""Surfaces that are there sooner need no words."""


class SceneOverlay(QLabel):
    """A line of text in the middle of the canvas; and the head hidden while the camera turns.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    views : Views
        Which view is on.
    canvas : QWidget
        Widget of the picture.
    """

    def __init__(self, viewer: Viewer, views: Views, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._views, self._canvas = views, canvas
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setStyleSheet(
            "color: #e8e8e8; background: rgba(0, 0, 0, 170); padding: 8px 14px; font-size: 11pt;"
        )
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_STILL_MS)
        self._rest.timeout.connect(lambda: views.scene.set_moving(False))
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_PATIENCE_MS)
        self._later.timeout.connect(self._say)
        canvas.installEventFilter(self)
        self._ties = ties = Subscriptions(self)
        ties.add(views.scene.changed, lambda _state: self.refresh())
        ties.add_napari(viewer.scene.camera.events.angles, self._on_turn)
        ties.add_napari(viewer.scene.camera.events.zoom, self._on_turn)
        self.refresh()

    def refresh(self) -> None:
        """Follow the state of the scene."""
        if self._views.scene.state == "making":
            self._later.start()
        else:
            self._later.stop()
            self._say()

    def _say(self) -> None:
        text = {
            "making": self.tr("Making the surface…"),
            "empty": self.tr(
                "Nothing to show in 3D: no mask has voxels here.\n"
                "Predict first, or choose another mask."
            ),
            "failed": self.tr("The surface could not be made. The log says why."),
        }.get(self._views.scene.state, "")
        self.setText(text)
        self.setVisible(bool(text))
        self._centre()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the middle."""
        if event.type() == QEvent.Type.Resize:
            self._centre()
        return False

    def _centre(self) -> None:
        self.adjustSize()
        self.move(
            (self._canvas.width() - self.width()) // 2,
            (self._canvas.height() - self.height()) // 2,
        )

    def _on_turn(self) -> None:
        if self._views.scene.state == "shown" and self._views.show_volume:
            self._views.scene.set_moving(True)
            self._rest.start()
