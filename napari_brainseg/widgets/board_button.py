"""A button that opens TensorBoard for a run, in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QPushButton

from napari_brainseg.session.tensorboard import TensorBoard
from napari_brainseg.widgets.background import Background

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.subscriptions import Subscriptions

__all__ = ["BoardButton"]


class BoardButton(QPushButton):
    """Starts TensorBoard when it is first pressed; it ends with the panel.

    Parameters
    ----------
    desk : Desk
        Whose worker starts it, which takes seconds.
    ties : Subscriptions
        Of the panel.
    board : TensorBoard, optional
        What is started.
    """

    failed = Signal(object)
    """`BrainSegError`."""

    def __init__(
        self,
        desk: Desk,
        ties: Subscriptions,
        board: TensorBoard | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._background = Background(desk, ties)
        self._board = TensorBoard() if board is None else board
        self._run_dir: Path | None = None
        self.setText(self.tr("TensorBoard"))
        self.setToolTip(
            self._board.reason or self.tr("All figures of this run, in the browser; stays here")
        )
        self.setEnabled(self._board.available)
        self.clicked.connect(self._open)
        self.destroyed.connect(self._board.close)

    def show_run(self, run_dir: Path | None) -> None:
        """Open this run when pressed."""
        self._run_dir = run_dir

    def _open(self) -> None:
        run_dir = self._run_dir
        if run_dir is None:
            return
        self.setEnabled(False)
        self.setText(self.tr("Opening…"))
        self._background.run(lambda: self._board.open(run_dir), self._show, self._on_failed)

    def _show(self, url: str) -> None:
        self._rest()
        QDesktopServices.openUrl(QUrl(url))

    def _on_failed(self, error: object) -> None:
        self._rest()
        self.failed.emit(error)

    def _rest(self) -> None:
        self.setText(self.tr("TensorBoard"))
        self.setEnabled(True)
