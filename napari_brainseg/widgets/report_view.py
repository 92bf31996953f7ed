"""The patient's report: what it would stand on, what stands on top, where it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.session.report_export import (
    Outlook,
    ReportWish,
    earlier_reports,
    export_report,
    outlook,
)
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.breakable import breakable
from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.desk import Desk

__all__ = ["ReportView"]

_LOOK_MS = 500


class ReportView(QWidget):
    """Writes the report of the open case, in the background.

    Parameters
    ----------
    desk : Desk
        Whose open case is reported on.

    Attributes
    ----------
    basis : QLabel
        What a report would stand on now.
    basis_hint : QLabel
        What that means.
    heading : QLineEdit
    identifiers : QCheckBox
        Off for every patient, until it is ticked.
    html, pdf : QCheckBox
    paper : QComboBox
    write_button, choose_button, open_html, open_pdf, open_folder : QPushButton
    result : QLabel
    fault : FaultBox
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._folder: Path | None = None
        self._written: tuple[Path, ...] = ()
        self._outlook: Outlook | None = None
        self._patient: str | None = None
        self._is_writing = False
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        self._make()
        self._lay_out()
        self._look = Throttle(self._look_now, self, _LOOK_MS)
        for signal in (
            desk.opened, desk.prediction_ready, desk.correction_started, desk.corrected,
            desk.status_changed,
        ):  # fmt: skip
            self.ties.add(signal, lambda _news: self.refresh())
        self.ties.add(desk.closed, self.refresh)
        self.refresh()

    @property
    def folder(self) -> Path | None:
        """Where the report goes; ``None`` before that is known."""
        if self._folder is not None or self._outlook is None:
            return self._folder
        return self._outlook.folder

    def showEvent(self, event: QShowEvent) -> None:
        """Look anew what a report would stand on."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Follow the open case; what costs time is looked up in the background."""
        case = self.desk.case
        patient = None if case is None else case.patient
        if patient != self._patient:
            self._patient = patient
            self._outlook = None
            self.identifiers.setChecked(False)
            self._show_written(())
            self.fault.clear()
        self._show_outlook()
        if case is not None and self.isVisible():
            self._look.ask()

    def choose(self) -> None:
        """Ask for the folder."""
        start = self.folder
        if start is not None and not start.is_dir():
            start = start.parent
        chosen = QFileDialog.getExistingDirectory(
            self, self.tr("Folder for the report"), "" if start is None else str(start)
        )
        if chosen:
            self.set_folder(Path(chosen))

    def set_folder(self, folder: Path) -> None:
        """Write reports here from now on."""
        self._folder = folder
        self._name_folder()

    def write(self) -> None:
        """Write the report."""
        case, folder = self.desk.case, self.folder
        if case is None or folder is None:
            return
        wish = ReportWish(
            folder=folder,
            heading=self.heading.text(),
            identifiers=self.identifiers.isChecked(),
            html=self.html.isChecked(),
            pdf=self.pdf.isChecked(),
            paper=self.paper.currentData(),
        )
        self.fault.clear()
        self._show_written(())
        self._is_writing = True
        self.result.setText(self.tr("Writing the report…"))
        self.result.show()
        self._update()
        self._background.run(
            lambda: (bool(earlier_reports(case, wish)), export_report(self.desk, case, wish)),
            self._on_written,
            self._on_failed,
        )

    # inside ---------------------------------------------------------------------------------------

    def _make(self) -> None:
        self.basis = QLabel(wordWrap=True)
        set_role(self.basis, "figure")
        self.basis_hint = hint_label()
        self.heading = QLineEdit()
        self.heading.setPlaceholderText(self.tr("Department, study… (optional)"))
        self.heading.setAccessibleName(self.tr("Heading of the report"))
        self.identifiers = QCheckBox(self.tr("Say who the patient is"))
        self.identity_hint = hint_label()
        self.html = QCheckBox(self.tr("HTML page"))
        self.html.setToolTip(self.tr("All in one file; prints on one sheet of A4 or Letter"))
        self.pdf = QCheckBox(self.tr("PDF"))
        self.paper = QComboBox()
        self.paper.setAccessibleName(self.tr("Paper of the PDF"))
        self.paper.addItem("A4", "a4")
        self.paper.addItem("Letter", "letter")
        for box in (self.html, self.pdf):
            box.setChecked(True)
            box.toggled.connect(self._update)
        self.folder_hint = hint_label()
        self.choose_button = QPushButton(self.tr("Folder…"))
        self.choose_button.clicked.connect(self.choose)
        self.write_button = QPushButton(self.tr("Write report"))
        self.write_button.setProperty("next", True)
        self.write_button.clicked.connect(self.write)
        self.result = hint_label()
        self.open_html = QPushButton(self.tr("Open page"))
        self.open_pdf = QPushButton(self.tr("Open PDF"))
        self.open_folder = QPushButton(self.tr("Open folder"))
        self.open_html.clicked.connect(lambda: self._open(".html"))
        self.open_pdf.clicked.connect(lambda: self._open(".pdf"))
        self.open_folder.clicked.connect(lambda: self._open(""))
        self.fault = FaultBox()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(5)
        layout.addWidget(_title(self.tr("The report stands on")))
        layout.addWidget(self.basis)
        layout.addWidget(self.basis_hint)
        layout.addSpacing(6)
        layout.addWidget(_title(self.tr("Heading")))
        layout.addWidget(self.heading)
        layout.addWidget(self.identifiers)
        layout.addWidget(self.identity_hint)
        layout.addSpacing(6)
        layout.addWidget(_title(self.tr("Write")))
        kinds = QHBoxLayout()
        kinds.addWidget(self.html)
        kinds.addWidget(self.pdf)
        kinds.addWidget(self.paper)
        kinds.addStretch(1)
        layout.addLayout(kinds)
        place = QHBoxLayout()
        place.addWidget(self.folder_hint, 1)
        place.addWidget(self.choose_button)
        layout.addLayout(place)
        layout.addWidget(self.write_button)
        layout.addWidget(self.result)
        opens = QHBoxLayout()
        for button in (self.open_html, self.open_pdf, self.open_folder):
            opens.addWidget(button, 1)
        layout.addLayout(opens)
        layout.addWidget(self.fault)
        layout.addSpacing(6)
        layout.addWidget(
            hint_label(
                self.tr(
                    "One page: key slices, volume, largest diameters, who corrected and approved, "
                    "other studies of the patient. “Not for diagnosis” stands on it."
                )
            )
        )
        layout.addStretch(1)

    def _look_now(self) -> None:
        case = self.desk.case
        if case is None or not self.isVisible():
            return

        def done(found: Outlook) -> None:
            if self.desk.case is case:
                self._outlook = found
                self._show_outlook()

        self._background.run(lambda: outlook(self.desk, case), done, self.fault.show_error)

    def _show_outlook(self) -> None:
        case, found = self.desk.case, self._outlook
        if case is None:
            title, hint = self.tr("No patient is open"), ""
        elif found is None:
            title, hint = self.tr("Looking…"), ""
        elif found.basis is None:
            title, hint = self.tr("Nothing yet"), found.problem
        else:
            title = _sentence(str(found.basis))
            hint = self._meaning(found)
        self.basis.setText(title)
        self.basis_hint.setText(hint)
        self.basis_hint.setVisible(bool(hint))
        names = (
            () if case is None else tuple(n for n, value in case.study.identity.items() if value)
        )
        self.identifiers.setEnabled(bool(names))
        if names:
            told = self.tr("Adds what the files tell: {names}.").format(names=", ".join(names))
        else:
            told = "" if case is None else self.tr("The files do not tell who the patient is.")
        self.identity_hint.setText(told)
        self._name_folder()
        self._update()

    def _meaning(self, found: Outlook) -> str:
        from napari_brainseg.core.reporting.patient_report import Basis

        words = {
            Basis.APPROVED: self.tr("The mask as it was approved."),
            Basis.CORRECTION: self.tr("Approve the case first for a report that says so."),
            Basis.CHANGED: self.tr("It was painted on after its approval; approve it again."),
            Basis.PREDICTION: self.tr("What the model says, as it is; the report says so."),
            Basis.TRUTH: self.tr("Neither corrected nor predicted yet."),
        }
        meaning = words[found.basis] if found.basis is not None else ""
        return f"{_sentence(found.decided)}. {meaning}" if found.decided else meaning

    def _name_folder(self) -> None:
        place = "" if self.folder is None else str(self.folder)
        self.folder_hint.setText(breakable(place))
        self.folder_hint.setToolTip(place)

    def _update(self) -> None:
        found = self._outlook
        is_ready = self.desk.case is not None and found is not None and found.basis is not None
        wants_any = self.html.isChecked() or self.pdf.isChecked()
        self.write_button.setEnabled(is_ready and wants_any and not self._is_writing)
        self.paper.setEnabled(self.pdf.isChecked())

    def _on_written(self, done: tuple[bool, tuple[Path, ...]]) -> None:
        replaced, files = done
        self._is_writing = False
        self._show_written(files, replaced=replaced)
        self._update()

    def _on_failed(self, error: BrainSegError) -> None:
        self._is_writing = False
        self._show_written(())
        names = Names(
            (row.patient for row in self.desk.worklist.rows),
            hidden=bool(self.desk.preferences.get("hide_identifiers")),
        )
        self.fault.show_fault(names.scrub(error.message), names.scrub(error.hint))
        self._update()

    def _show_written(self, files: tuple[Path, ...], *, replaced: bool = False) -> None:
        self._written = files
        kinds = {path.suffix for path in files}
        self.open_html.setVisible(".html" in kinds)
        self.open_pdf.setVisible(".pdf" in kinds)
        self.open_folder.setVisible(bool(files))
        hidden = bool(self.desk.preferences.get("hide_identifiers"))
        names = "" if hidden else ", ".join(path.name for path in files)
        words = self.tr("Written: {names}").format(names=names) if names else self.tr("Written.")
        if replaced:
            words += "\n" + self.tr("An earlier report in this folder was replaced.")
        self.result.setText(words)
        self.result.setVisible(bool(files))

    def _open(self, suffix: str) -> None:
        for path in self._written:
            if not suffix or path.suffix == suffix:
                place = path if suffix else path.parent
                QDesktopServices.openUrl(QUrl.fromLocalFile(str(place)))
                return


def _title(text: str) -> QLabel:
    label = QLabel(text)
    set_role(label, "title")
    return label


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
