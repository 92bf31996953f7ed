"""Buttons for the views, and in 3D for what is shown there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from napari_brainseg.viewer.overlay_layers import CORRECTION_NAME, PREDICTION_NAME, TRUTH_NAME
from napari_brainseg.viewer.views import AXIAL, LINKED, SIDE_BY_SIDE, THREE_D
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from napari_brainseg.viewer.views import Views

__all__ = ["ViewBar"]


class ViewBar(QWidget):
    """One button a view.

    Parameters
    ----------
    views : Views
        Which view is on.
    next_key : str, optional
        The key that goes through the views, for the tooltips.
    """

    def __init__(
        self, views: Views, next_key: str | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._views = views
        names = {
            AXIAL: (self.tr("Axial"), self.tr("Axial slices alone")),
            LINKED: (
                self.tr("Linked"),
                self.tr("Axial, sagittal and coronal with a crosshair (Shift+click moves it)"),
            ),
            THREE_D: (self.tr("3D"), self.tr("Smooth surfaces of the masks")),
            SIDE_BY_SIDE: (
                self.tr("Modalities"),
                self.tr("All modalities of the slice side by side"),
            ),
        }
        self.buttons: dict[str, QToolButton] = {}
        group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(2)
        for mode, (name, tip) in names.items():
            button = QToolButton(text=name, checkable=True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            if next_key:
                tip = self.tr("{tip}\nNext view: {key}").format(tip=tip, key=next_key)
            button.setToolTip(tip)
            button.clicked.connect(lambda _on=False, m=mode: self._choose(m))
            group.addButton(button)
            row.addWidget(button, 1)
            self.buttons[mode] = button
        self.surfaces = {
            TRUTH_NAME: QCheckBox(self.tr("Truth")),
            PREDICTION_NAME: QCheckBox(self.tr("Prediction")),
            CORRECTION_NAME: QCheckBox(self.tr("Mine")),
        }
        self.head = QCheckBox(self.tr("Head"))
        self.head.setToolTip(
            self.tr("The dim head behind the surface; hidden while the picture turns")
        )
        self.scene_row = QWidget()
        below = QHBoxLayout(self.scene_row)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(2)
        for name, box in self.surfaces.items():
            box.toggled.connect(lambda on, n=name: views.show_surface(n, on))
        self.head.toggled.connect(self._on_head)
        for box in (*self.surfaces.values(), self.head):
            box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            below.addWidget(box)
        below.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.scene_row)
        self._ties = ties = Subscriptions(self)
        ties.add(views.changed, lambda _mode: self.refresh())
        ties.add(views.case_view.shown, self.refresh)
        ties.add(views.display.changed, self._on_display)
        self.refresh()

    def refresh(self) -> None:
        """Follow the view and the masks that there are."""
        views = self._views
        for mode, button in self.buttons.items():
            button.setChecked(mode == views.mode)
            button.setEnabled(views.case is not None)
        self.scene_row.setVisible(views.mode == THREE_D)
        for name, box in self.surfaces.items():
            box.setVisible(views.display.mask(name) is not None)
            with QSignalBlocker(box):
                box.setChecked(views.wants_surface(name))
        with QSignalBlocker(self.head):
            self.head.setChecked(views.show_volume)

    def _choose(self, mode: str) -> None:
        self._views.set_mode(mode)
        # A view that could not be shown must not look chosen.
        self.refresh()

    def _on_display(self, what: str) -> None:
        if what in ("masks", "case"):
            self.refresh()

    def _on_head(self, on: bool) -> None:
        self._views.show_volume = on
