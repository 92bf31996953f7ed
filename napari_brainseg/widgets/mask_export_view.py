"""Masks to hand on: which one, in which format, where to, and where it is; and masks taken in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.core.formats.mask_kinds import MaskFormat
from napari_brainseg.core.imaging import BrainSegError, StudyFormat
from napari_brainseg.session.mask_export import (
    WhichMask,
    export_mask,
    maker_of,
    masks_of,
    why_not_export,
)
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.breakable import breakable
from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.mask_import_box import MaskImportBox
from napari_brainseg.widgets.numbers import volume
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.widgets.mask_import_box import MakesChange

__all__ = ["MaskExportView"]


class MaskExportView(QWidget):
    """Exports a mask of the open patient, and loads one into its correction.

    Parameters
    ----------
    desk : Desk
        Whose case.
    make : callable, optional
        Makes the change of a mask that is loaded: gets `Edit`, tool and parameters, returns the
        `Stroke`; one that draws it at once (`Editing.apply`) where there is a canvas.

    Attributes
    ----------
    which : QComboBox
        Only masks that are there.
    formats : dict of MaskFormat to QRadioButton
    folder : Path or None
        Where to; asked for when first needed.
    replace : QCheckBox
    export_button, place_button, open_button : QPushButton
    load : MaskImportBox
    """

    def __init__(
        self, desk: Desk, make: MakesChange | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.desk = desk
        self.folder: Path | None = None
        self._busy = False
        self._written: Path | None = None
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        self.load = MaskImportBox(desk, make)
        self._make()
        self._lay_out()
        self.ties.add(desk.opened, lambda _case: self._on_opened())
        self.ties.add(desk.prediction_ready, lambda _prediction: self.refresh())
        self.ties.add(desk.correction_started, lambda _correction: self._on_correction())
        self.ties.add(desk.closed, self.refresh)
        self.ties.add(desk.corrected, lambda _meter: self._on_stroke())
        self._suggest()
        self.refresh()

    @property
    def format(self) -> MaskFormat:
        """The format that is chosen."""
        return next(kind for kind, button in self.formats.items() if button.isChecked())

    def refresh(self) -> None:
        """Follow the open case and its masks."""
        case = self.desk.case
        there = () if case is None else masks_of(case)
        before = self.which.currentData()
        self.which.blockSignals(True)
        self.which.clear()
        words = {
            "correction": self.tr("Correction"),
            "prediction": self.tr("Prediction"),
            "truth": self.tr("Ground truth"),
        }
        for name in there:
            self.which.addItem(words[name], name)
        self.which.setCurrentIndex(max(0, self.which.findData(before)))
        self.which.blockSignals(False)
        self._follow_choice()
        self.load.refresh()

    def choose_folder(self) -> bool:
        """Ask where to; whether a folder was chosen."""
        start = "" if self.folder is None else str(self.folder)
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder for the mask"), start)
        if chosen:
            self.folder = Path(chosen)
            self._follow_choice()
        return bool(chosen)

    def export(self) -> None:
        """Write the mask, asking for a folder first where there is none yet."""
        case, which = self.desk.case, self.which.currentData()
        if case is None or which is None or (self.folder is None and not self.choose_folder()):
            return
        folder, kind, overwrite = self.folder, self.format, self.replace.isChecked()
        assert folder is not None

        def act() -> Path:
            return export_mask(
                case, folder, which, kind, catalogue=self.desk.catalogue, overwrite=overwrite
            )

        self.fault.clear()
        self._forget()
        self._busy = True
        self._follow_choice()
        self._background.run(act, self._on_written, self._on_failed)

    def showEvent(self, event: Any) -> None:
        """Catch up with strokes that were made while nobody looked."""
        super().showEvent(event)
        self.refresh()

    # inside -----------------------------------------------------------------------------------

    def _on_stroke(self) -> None:
        # Voxels are counted only where somebody reads the number.
        if self.isVisible():
            self._describe()

    def _make(self) -> None:
        self.which = QComboBox()
        self.which.setAccessibleName(self.tr("Mask to export"))
        self.which.currentIndexChanged.connect(self._follow_choice)
        self.about = hint_label()
        self.formats: dict[MaskFormat, QRadioButton] = {}
        self._group = QButtonGroup(self)
        for kind, text, tip in (
            (
                MaskFormat.NIFTI,
                self.tr("NIfTI, one file"),
                self.tr("On the grid of the patient's files: .nii.gz, 0 and 1"),
            ),
            (
                MaskFormat.TIFF,
                self.tr("TIFF, a file for each slice"),
                self.tr("As in kaggle_3m: PATIENT_N_mask.tif, 0 and 255"),
            ),
            (
                MaskFormat.DICOM_SEG,
                self.tr("DICOM SEG"),
                self.tr(
                    "Refers to the FLAIR images slice by slice and belongs to the patient's study, "
                    "with name and ID"
                ),
            ),
            (
                MaskFormat.DICOM_SEG_FRACTIONAL,
                self.tr("DICOM SEG with probabilities"),
                self.tr("Of a prediction, in 255 steps"),
            ),
        ):
            button = QRadioButton(text)
            button.setToolTip(tip)
            self._group.addButton(button)
            self.formats[kind] = button
        self.formats[MaskFormat.NIFTI].setChecked(True)
        self.reason = hint_label()
        self.place = hint_label()
        self.place_button = QPushButton(self.tr("Choose…"))
        self.place_button.setToolTip(self.tr("Folder that the mask is written to"))
        self.place_button.clicked.connect(self.choose_folder)
        self.replace = QCheckBox(self.tr("Replace a file of the same name"))
        self.replace.setToolTip(self.tr("Otherwise a number is put behind the name"))
        self.export_button = QPushButton(self.tr("Export mask"))
        self.export_button.setProperty("next", True)
        self.export_button.clicked.connect(self.export)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("The mask is being written"))
        set_role(self.progress, "thin")
        self.result = hint_label()
        self.open_button = QPushButton(self.tr("Open folder"))
        self.open_button.clicked.connect(self._open_folder)
        self.fault = FaultBox()
        for button in self.formats.values():
            button.toggled.connect(self._follow_choice)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(5)
        row = QHBoxLayout()
        row.addWidget(_title(self.tr("Mask")))
        row.addWidget(self.which, 1)
        layout.addLayout(row)
        layout.addWidget(self.about)
        layout.addSpacing(4)
        layout.addWidget(_title(self.tr("Format")))
        for button in self.formats.values():
            layout.addWidget(button)
        layout.addWidget(self.reason)
        layout.addSpacing(4)
        into = QHBoxLayout()
        into.addWidget(_title(self.tr("Into")))
        into.addWidget(self.place, 1)
        into.addWidget(self.place_button)
        layout.addLayout(into)
        layout.addWidget(self.replace)
        layout.addSpacing(4)
        layout.addWidget(self.export_button)
        layout.addWidget(self.progress)
        layout.addWidget(self.result)
        layout.addWidget(self.open_button)
        layout.addWidget(self.fault)
        layout.addSpacing(12)
        layout.addWidget(self.load)
        layout.addStretch(1)

    def _follow_choice(self) -> None:
        """Offer what this mask can be written as."""
        case = self.desk.case
        which: WhichMask | None = self.which.currentData()
        reasons: list[str] = []
        for kind, button in self.formats.items():
            reason = "" if case is None or which is None else why_not_export(case, which, kind)
            button.setEnabled(not reason)
            if reason and reason not in reasons:
                reasons.append(reason)
        if not self.formats[self.format].isEnabled():
            # The toggle comes back here.
            self.formats[MaskFormat.NIFTI].setChecked(True)
            return
        self.reason.setText(self._reason_words(case, which))
        self.reason.setVisible(bool(self.reason.text()))
        has = case is not None and which is not None
        self.which.setEnabled(has and not self._busy)
        self.export_button.setEnabled(has and not self._busy)
        self.export_button.setText(
            self.tr("Export mask") if self.folder is not None else self.tr("Export mask…")
        )
        self.progress.setVisible(self._busy)
        self.result.setVisible(bool(self.result.text()))
        self.open_button.setVisible(self._written is not None)
        self.place.setText(
            self.tr("asked for on export") if self.folder is None else breakable(str(self.folder))
        )
        self.place.setToolTip("" if self.folder is None else str(self.folder))
        self._describe()

    def _reason_words(self, case: Case | None, which: WhichMask | None) -> str:
        """Say why DICOM is not offered, in our own words."""
        if case is None or which is None:
            return ""
        if why_not_export(case, which, MaskFormat.DICOM_SEG):
            return self.tr(
                "DICOM SEG is for patients opened from DICOM: it refers to the images that it was "
                "drawn on. This patient's files are {format}."
            ).format(format=case.study.format)
        if why_not_export(case, which, MaskFormat.DICOM_SEG_FRACTIONAL):
            return self.tr("Only a prediction has probabilities.")
        return ""

    def _describe(self) -> None:
        """Tell size and origin of the mask."""
        case, which = self.desk.case, self.which.currentData()
        if case is None:
            self.about.setText(self.tr("Open a patient to export its masks."))
            return
        if which is None:
            self.about.setText(
                self.tr("This patient has no mask yet: predict, or start a correction.")
            )
            return
        try:
            self.about.setText(self._size_and_maker(case, which))
        except BrainSegError:
            # It went between two looks; the next one finds out.
            self.about.setText("")

    def _size_and_maker(self, case: Case, which: WhichMask) -> str:
        if which == "correction" and case.correction is not None:
            mask = case.correction.data
        elif which == "prediction" and case.prediction is not None:
            mask = case.prediction.mask
        else:
            mask = case.truth
        count = 0 if mask is None else int(np.count_nonzero(mask))
        voxel_ml = case.study.image.geometry.voxel_volume_ml
        words = [volume(count, None if voxel_ml is None else count * voxel_ml)]
        if which != "truth":
            maker = maker_of(case, which)
            made = {
                "MANUAL": self.tr("drawn by hand"),
                "SEMIAUTOMATIC": self.tr("corrected prediction"),
                "AUTOMATIC": self.tr("prediction as it is"),
            }
            words.append(made[maker.how] if which == "correction" else "")
            words.extend((maker.model_version, maker.editor))
        return ", ".join(word for word in words if word)

    def _on_written(self, path: Path) -> None:
        self._busy = False
        self._written = path
        names = Names(
            (row.patient for row in self.desk.worklist.rows),
            hidden=bool(self.desk.preferences.get("hide_identifiers")),
        )
        words = self.tr("Written: {path}").format(path=names.scrub(str(path)))
        self.result.setText(breakable(words))
        self._follow_choice()

    def _on_failed(self, error: BrainSegError) -> None:
        self._busy = False
        names = Names(
            (row.patient for row in self.desk.worklist.rows),
            hidden=bool(self.desk.preferences.get("hide_identifiers")),
        )
        self.fault.show_fault(names.scrub(error.message), names.scrub(error.hint))
        self._follow_choice()

    def _on_opened(self) -> None:
        self._forget()
        self.which.clear()
        self._suggest()
        self.refresh()

    def _suggest(self) -> None:
        """Offer first what the other programs of a DICOM patient's house read."""
        case = self.desk.case
        if case is not None and case.study.format is StudyFormat.DICOM:
            self.formats[MaskFormat.DICOM_SEG].setChecked(True)

    def _on_correction(self) -> None:
        """Offer what a person made first."""
        self.refresh()
        self.which.setCurrentIndex(max(0, self.which.findData("correction")))

    def _forget(self) -> None:
        """Put the last result away."""
        self._written = None
        self.result.clear()
        self.fault.clear()
        self._follow_choice()

    def _open_folder(self) -> None:
        if self._written is not None:
            folder = self._written if self._written.is_dir() else self._written.parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _title(text: str) -> QLabel:
    label = QLabel(text)
    set_role(label, "title")
    return label
