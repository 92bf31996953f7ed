"""What the health line means, item by item, with what can be mended from here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
)

from napari_brainseg.session.health import Finding, Health, Level
from napari_brainseg.session.workspace import WORKSPACE_VARIABLE, Workspace
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.health_line import HealthLine

__all__ = ["HealthPopup", "clear_cache", "use_workspace"]

_MIB = 2**20
_LETTERS = 64  # least width


def clear_cache(workspace: Workspace) -> int:
    """Delete the files below a workspace's cache; return how many bytes that freed.

    Predictions kept there are made again when they are needed.
    """
    freed = 0
    for entry in list(workspace.cache.iterdir()) if workspace.cache.is_dir() else []:
        if entry.is_symlink() or not entry.is_dir():
            freed += entry.lstat().st_size
            entry.unlink(missing_ok=True)
        else:
            freed += sum(f.stat().st_size for f in entry.rglob("*") if f.is_file())
            shutil.rmtree(entry, ignore_errors=True)
    return freed


def use_workspace(folder: Path) -> Workspace:
    """Keep studies that are opened from now on in another workspace, until BrainSeg is closed.

    Raises
    ------
    ConfigError
        If the folder cannot be written.
    """
    workspace = Workspace(folder.resolve()).create()
    os.environ[WORKSPACE_VARIABLE] = str(workspace.root)
    return workspace


class HealthPopup(QFrame):
    """Explains a `Health`.

    Parameters
    ----------
    line : HealthLine
        Whose click opens it.
    desk : Desk
        Whose workspace it may change.
    """

    def __init__(self, line: HealthLine, desk: Desk) -> None:
        super().__init__(line, Qt.WindowType.Popup)
        self.setObjectName("brainseg-health-popup")
        set_role(self, "popup")
        self._desk = desk
        self._line = line
        self._health: Health | None = None
        self._width = 0
        self._background = Background(desk, Subscriptions(self))
        self.rows = QGridLayout()
        self.rows.setColumnStretch(1, 1)
        self.rows.setVerticalSpacing(6)
        self.rows.setHorizontalSpacing(8)
        self.outcome = QLabel()
        self.outcome.setWordWrap(True)
        self.outcome.hide()
        self.workspace_button = QPushButton(self.tr("Choose another workspace…"))
        self.workspace_button.clicked.connect(self._choose_workspace)
        self.cache_button = QPushButton(self.tr("Clear cache"))
        self.cache_button.setToolTip(
            self.tr("Deletes kept predictions; they are made again when needed")
        )
        self.cache_button.clicked.connect(self._clear_cache)
        self.report_button = QPushButton(self.tr("Copy report"))
        self.report_button.clicked.connect(self._copy_report)
        buttons = QHBoxLayout()
        for button in (self.report_button, self.cache_button, self.workspace_button):
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        layout.addLayout(self.rows)
        layout.addWidget(self.outcome)
        layout.addLayout(buttons)

    def show_health(self, health: Health | None) -> None:
        """Show what was found; `None` while it is being looked at."""
        self._health = health
        while (item := self.rows.takeAt(0)) is not None:
            item.widget().hide()
            item.widget().deleteLater()
        if health is None:
            self.rows.addWidget(QLabel(self.tr("Looking at this machine…"), self), 0, 0)
        else:
            for number, finding in enumerate(health.findings):
                self._add(number, finding)
        self.report_button.setEnabled(health is not None)
        self._fit_in_place()

    def hideEvent(self, event: QHideEvent) -> None:
        """Forget what was said: it is old when the popup opens again."""
        super().hideEvent(event)
        self.outcome.hide()

    def show_above(self, corner: QPoint, width: int) -> None:
        """Open above a line of some width that begins at a point of the screen."""
        self._width = width
        self._fit()
        screen = QApplication.screenAt(corner) or QApplication.primaryScreen()
        area = screen.availableGeometry()
        x = min(corner.x() + width, area.right()) - self.width()
        y = corner.y() - self.height()
        self.move(max(x, area.left()), max(y, area.top()))
        self.show()

    def _add(self, number: int, finding: Finding) -> None:
        sign = {
            Level.OK: self.tr("✓ ok"),
            Level.NOTE: self.tr("✓ ok"),
            Level.WARNING: self.tr("⚠ attention"),
            Level.FAULT: self.tr("✕ fault"),
        }[finding.level]
        mark = QLabel(sign, self)
        set_role(mark, "fault" if finding.level is Level.FAULT else "hint")
        text = QLabel(self.tr("{name}: {found}").format(name=self.tr(finding.name).capitalize(),
                                                        found=finding.found))  # fmt: skip
        if finding.mend:
            text.setText(text.text() + "\n" + finding.mend)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.rows.addWidget(mark, number, 0, Qt.AlignmentFlag.AlignTop)
        self.rows.addWidget(text, number, 1)
        # In a popup that is open they count for its size only when they are shown.
        mark.show()
        text.show()

    def _fit_in_place(self) -> None:
        """Grow upwards: the line below stays in sight."""
        if self.isVisible():
            bottom = self.geometry().bottom()
            self._fit()
            self.move(self.x(), max(bottom - self.height() + 1, 0))

    def _fit(self) -> None:
        """Take the height that the wrapped texts need; Qt works it out for one width only."""
        layout = self.layout()
        layout.activate()
        least = _LETTERS * self.fontMetrics().averageCharWidth()
        width = max(self._width, least, layout.minimumSize().width())
        height = layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else 0
        self.setFixedSize(width, max(height, layout.totalMinimumSize().height()))

    def _copy_report(self) -> None:
        if self._health is not None:
            QApplication.clipboard().setText(self._health.report())
            self._say(self.tr("Copied: paste it into a message."))

    def _clear_cache(self) -> None:
        def done(freed: Any) -> None:
            self._say(self.tr("{n} MB are free again.").format(n=f"{freed / _MIB:.0f}"))
            self._line.examine()

        self._background.run(lambda: clear_cache(self._desk.workspace), done, self._failed)

    def _choose_workspace(self) -> None:
        self.hide()
        folder = QFileDialog.getExistingDirectory(
            self._line.window(), self.tr("Folder for the workspace"), str(Path.home())
        )
        if folder:
            self.take_workspace(Path(folder))
            self._line.explain()

    def take_workspace(self, folder: Path) -> None:
        """Use a folder as workspace of the studies opened from now on."""

        def done(workspace: Any) -> None:
            self._say(
                self.tr(
                    "Studies opened from now on are kept in {folder}, until BrainSeg is closed. "
                    "To keep it so, set {variable}."
                ).format(folder=workspace.root, variable=WORKSPACE_VARIABLE)
            )

        self._background.run(lambda: use_workspace(folder), done, self._failed)

    def _failed(self, error: BrainSegError) -> None:
        self._say(f"{error.message} {error.hint}".strip())

    def _say(self, text: str) -> None:
        self.outcome.setText(text)
        self.outcome.show()
        self._fit_in_place()
