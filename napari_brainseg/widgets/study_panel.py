"""Which study is open, what is known of it, and the way to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
)

from napari_brainseg.core.imaging import CancelledError, Modality, StudyFormat
from napari_brainseg.viewer.shortcuts import key_text
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.next_act import Act, is_flair_to_choose
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_brainseg.core.imaging import BrainSegError, Study
    from napari_brainseg.session.case import Case
    from napari_brainseg.viewer.workbench import Workbench
    from napari_brainseg.widgets.series_view import SeriesView

__all__ = ["StudyPanel"]

_IDENTITY_SHOWN = 3
"""Name, patient ID and birth date; the rest stands in the tooltip."""


class StudyPanel(Panel):
    """Opens studies and says what is open.

    Parameters
    ----------
    workbench : Workbench
        Opens them in a worker.
    """

    export_wanted = Signal()
    """The user wants to export something."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(workbench.desk, parent)
        self.heading.setText(self.tr("Study"))
        self._workbench = workbench
        self.empty = hint_label(
            self.tr(
                "Drop a patient here: a folder of DICOM files or TIFF slices, a NIfTI file, a "
                "zip archive, or a folder of patients. Or try a phantom study from the worklist."
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
        self.file_button = QPushButton(self.tr("File…"))
        self.file_button.setToolTip(self.tr("Choose a NIfTI file, a DICOM file or a zip archive"))
        self.file_button.clicked.connect(self.choose_file)
        self.export_button = QPushButton(self.tr("Export…"))
        self.export_button.setToolTip(
            self.tr("Masks, pictures and the patient's report, for other programs ({key})").format(
                key=key_text("export")
            )
        )
        self.export_button.clicked.connect(lambda _on: self.export_wanted.emit())
        self.head(self.file_button, self.open_button, self.export_button)
        self.stop_button = QPushButton(self.tr("Stop"))
        self.stop_button.setToolTip(self.tr("Stop looking through the files"))
        self.stop_button.clicked.connect(lambda _on: self.desk.stop_finding())
        finding = QHBoxLayout()
        finding.addWidget(self.progress, 1)
        finding.addWidget(self.stop_button)
        self.identity = hint_label()
        self.body.addWidget(self.empty)
        self.body.addWidget(self.identity)
        self.body.addWidget(self.facts)
        self.body.addLayout(finding)
        self.body.addWidget(self.notices)
        self.series: SeriesView | None = None
        self.series_fold: Fold | None = None
        self._files = 0
        self._asked_for: Case | None = None
        self._unfolded_for_her = False

        self._loading = ""
        self.ties.add(self.desk.finding, self._on_finding)
        self.ties.add(self.desk.preferences.changed, self._on_preference)
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

    def choose_file(self) -> None:
        """Ask for a file and open it."""
        start = "" if self.desk.studies is None else str(self.desk.studies.root.parent)
        kinds = self.tr("Images and archives") + " (*.nii *.nii.gz *.dcm *.ima *.zip)"
        everything = self.tr("All files") + " (*)"
        path, _ = QFileDialog.getOpenFileName(
            self, self.tr("NIfTI file, DICOM file or zip archive"), start, f"{kinds};;{everything}"
        )
        if path:
            self._workbench.open(Path(path))

    def refresh(self) -> None:
        """Follow the desk."""
        case = self.desk.case
        self.progress.setVisible(self.is_loading)
        self.stop_button.setVisible(self.is_loading and self._files > 0)
        self.export_button.setVisible(case is not None)
        self.file_button.setVisible(not self.is_loading)
        self._show_identity(case)
        self._show_series(case)
        self.empty.setVisible(case is None and not self.is_loading)
        self.facts.setVisible(case is not None or self.is_loading)
        self.open_button.setText(self.tr("Open study…") if case is None else self.tr("Open…"))
        opening = self.tr("Opening {what}…").format(what=self._loading)
        if self._files:
            opening = self.tr("Opening {what}: {n} files looked at…").format(
                what=self._loading, n=self._files
            )
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
        study = case.study
        spacing = case.study.image.geometry.spacing_mm
        # In the order of the spacing; what belongs together stays on one line.
        size = self.tr("1 slice of {x} × {y}") if z == 1 else self.tr("{z} slices of {x} × {y}")
        parts = [size.format(z=z, y=y, x=x)]
        if spacing is None:
            parts.append(self.tr("spacing unknown"))
        else:
            sizes = "{:.2g} × {:.2g} × {:.2g} mm".format(*reversed(spacing))
            parts.append(sizes.replace(" ", "\u00a0"))
        if case.truth is None:
            parts.append(self.tr("no ground truth"))
        if study.format is not StudyFormat.KAGGLE_3M:
            parts.insert(0, str(study.format))
        return ", ".join(parts)

    def _show_identity(self, case: Case | None) -> None:
        hidden = self.desk.preferences.get("hide_identifiers")
        known = {} if case is None or hidden else case.study.identity
        # Two lines at most; the tooltip says which is what.
        born = self.tr("born {date}")
        shown = [
            born.format(date=value) if name == "Birth date" else value
            for name, value in list(known.items())[:_IDENTITY_SHOWN]
        ]
        self.identity.setText(" · ".join(shown))
        self.identity.setToolTip("\n".join(f"{name}: {value}" for name, value in known.items()))
        self.identity.setVisible(bool(known))

    def _show_series(self, case: Case | None) -> None:
        there = case is not None and bool(case.study.series)
        if there and self.series_fold is None:
            from napari_brainseg.widgets.series_view import SeriesView

            self.series = SeriesView()
            self.series.chosen.connect(self._choose_series)
            self.series.reset.connect(self._forget_series)
            self.series_fold = Fold(self.tr("Series"), self.series)
            self.body.addWidget(self.series_fold)
        if self.series_fold is not None and self.series is not None:
            self.series_fold.setVisible(there)
            if there and case is not None:
                wanted = is_flair_to_choose(case.study)
                button = self.series_fold.button
                if wanted and self._asked_for is not case:
                    self._unfolded_for_her = not button.isChecked()
                    button.setChecked(True)
                elif self._unfolded_for_her and not wanted:
                    # The next patient lacks nothing: the room belongs to the rest again.
                    self._unfolded_for_her = False
                    button.setChecked(False)
                self._asked_for = case if wanted else None
                self.series.show_study(case.study, case.study.truth_key)

    def _choose_series(self, roles: dict[Modality, str], truth: str) -> None:
        self.run(lambda: self.desk.choose_series(roles, truth))

    def _forget_series(self) -> None:
        self.run(self.desk.forget_series)

    def _missing(self, study: Study) -> list[str]:
        missing = study.missing_modalities
        if Modality.FLAIR in missing:
            # The list of series asks for it as well, where there is one.
            if study.series:
                return [self.tr("No FLAIR, so nothing can be predicted. See Series below.")]
            return [self.tr("No FLAIR, so nothing can be predicted.")]
        text = self.tr("No {sequence}: FLAIR stands in for it.")
        return [text.format(sequence=str(m)) for m in missing]

    def _unreadable(self) -> list[str]:
        faults = () if self.desk.studies is None else self.desk.studies.faults
        if not faults:
            return []
        text = self.tr("{n} of the folder's patients cannot be read; the worklist says why.")
        return [text.format(n=len(faults))]

    def _on_finding(self, files: int) -> None:
        self._files = files if self._loading else 0
        self.refresh()

    def _on_preference(self, name: str) -> None:
        if name == "hide_identifiers":
            self._show_identity(self.desk.case)

    def _on_loading(self, what: str) -> None:
        self._loading = what
        self._files = 0
        self.fault.clear()
        self.refresh()

    def _on_failed(self, error: BrainSegError) -> None:
        self._loading = ""
        self._files = 0
        # Who stopped it knows.
        if not isinstance(error, CancelledError):
            self.fault.show_error(error)
        self.refresh()

    def _on_opened(self, _case: Case) -> None:
        self._loading = ""
        self._files = 0
        self.refresh()
