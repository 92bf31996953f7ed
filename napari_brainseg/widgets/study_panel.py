"""Which study is open, what is known of it, and the way to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
)

from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError, Study
    from napari_brainseg.session.case import Case
    from napari_brainseg.viewer.workbench import Workbench

__all__ = ["StudyPanel"]


class StudyPanel(Panel):
    """Opens studies and says what is open.

    Parameters
    ----------
    workbench : Workbench
        Opens them in a worker.
    """

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(workbench.desk, parent)
        self.heading.setText(self.tr("Study"))
        self._workbench = workbench
        self.empty = hint_label(
            self.tr(
                "Drop a patient's folder of TIFF slices here, or a folder of patients, "
                "or try a phantom study from the worklist."
            )
        )
        self.facts = hint_label()
        self.notices = QLabel(wordWrap=True)
        self.notices.setMinimumWidth(1)
        self.notices.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self.notices, "notice")
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.open_button = QPushButton(self.tr("Open study…"))
        self.open_button.setToolTip(self.tr("Choose a patient's folder, or a folder of patients"))
        self.open_button.clicked.connect(self.choose_folder)
        self.head(self.open_button)
        for widget in (self.empty, self.facts, self.progress, self.notices):
            self.body.addWidget(widget)

        self._loading = ""
        self.ties.add(workbench.loading, self._on_loading)
        self.ties.add(workbench.loading_failed, self._on_failed)
        self.ties.add(self.desk.opened, self._on_opened)
        self.ties.add(self.desk.closed, self.refresh)
        self.ties.add(self.desk.status_changed, lambda _status: self.refresh())
        self.refresh()

    @property
    def is_loading(self) -> bool:
        """Whether a study is on its way."""
        return bool(self._loading)

    def choose_folder(self) -> None:
        """Ask for a folder and open it."""
        start = "" if self.desk.studies is None else str(self.desk.studies.root)
        folder = QFileDialog.getExistingDirectory(
            self, self.tr("Folder of a patient, or of patients"), start
        )
        if folder:
            self._workbench.open(Path(folder))

    def refresh(self) -> None:
        """Follow the desk."""
        case = self.desk.case
        self.progress.setVisible(self.is_loading)
        self.empty.setVisible(case is None and not self.is_loading)
        self.facts.setVisible(case is not None or self.is_loading)
        self.open_button.setText(self.tr("Open study…") if case is None else self.tr("Open…"))
        opening = self.tr("Opening {what}…").format(what=self._loading)
        if case is None:
            self.facts.setText(opening)
            self.notices.hide()
            return
        self.facts.setText(opening if self.is_loading else self._describe(case))
        lines = [*self._missing(case.study), *case.notes, *self._unreadable()]
        self.notices.setText("\n".join(lines))
        self.notices.setVisible(bool(lines))

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        mark_next(self.open_button, act is Act.OPEN)

    def _describe(self, case: Case) -> str:
        z, y, x = case.shape
        spacing = case.study.image.geometry.spacing_mm
        parts = [self.tr("{z} slices of {y} × {x}").format(z=z, y=y, x=x)]
        if spacing is None:
            parts.append(self.tr("spacing unknown"))
        else:
            parts.append("{:.2g} × {:.2g} × {:.2g} mm".format(*reversed(spacing)))
        if case.truth is None:
            parts.append(self.tr("no ground truth"))
        return ", ".join(parts)

    def _missing(self, study: Study) -> list[str]:
        text = self.tr("{modality} is missing; the FLAIR stands in for it.")
        return [text.format(modality=str(m).capitalize()) for m in study.missing_modalities]

    def _unreadable(self) -> list[str]:
        faults = () if self.desk.studies is None else self.desk.studies.faults
        if not faults:
            return []
        text = self.tr("{n} of the folder's patients cannot be read; the worklist says why.")
        return [text.format(n=len(faults))]

    def _on_loading(self, what: str) -> None:
        self._loading = what
        self.fault.clear()
        self.refresh()

    def _on_failed(self, error: BrainSegError) -> None:
        self._loading = ""
        self.fault.show_error(error)
        self.refresh()

    def _on_opened(self, _case: Case) -> None:
        self._loading = ""
        self.refresh()
