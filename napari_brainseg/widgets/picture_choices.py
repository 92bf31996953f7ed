"""What pictures are to be drawn: kinds, modality, of whom, into what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.core.imaging import KAGGLE_ORDER, Modality
from napari_brainseg.core.reporting.study_pictures import PictureKind
from napari_brainseg.session.pictures import PictureWish
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.session.case import Case

__all__ = ["PictureChoices"]


class PictureChoices(QWidget):
    """Boxes to tick; knows the open case only as far as it is told.

    Attributes
    ----------
    kinds : dict of PictureKind to QCheckBox
    modality : QComboBox
    here, everyone : QRadioButton
        Of whom.
    as_folder, as_archive : QRadioButton
        Where to.
    masks : QLabel
        Which outlines the open patient has.
    """

    changed = Signal()
    """Something was chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._has_case = False
        self._patients = 0
        self._make_kinds()
        self.modality = QComboBox()
        self.modality.setAccessibleName(self.tr("Modality to draw"))
        self.masks = hint_label()
        self.here = QRadioButton(self.tr("The open patient"))
        self.everyone = QRadioButton()
        self.everyone.setToolTip(
            self.tr(
                "With the predictions and corrections that there are; nothing is predicted anew."
            )
        )
        self.as_folder = QRadioButton(self.tr("A folder"))
        self.as_archive = QRadioButton(self.tr("One zip archive"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(_title(self.tr("Draw")))
        for box in self.kinds.values():
            layout.addWidget(box)
        row = QHBoxLayout()
        row.addWidget(QLabel(self.tr("Modality")))
        row.addWidget(self.modality, 1)
        layout.addLayout(row)
        layout.addWidget(self.masks)
        for title, pair in (
            (self.tr("Of"), (self.here, self.everyone)),
            (self.tr("Into"), (self.as_folder, self.as_archive)),
        ):
            layout.addSpacing(4)
            layout.addWidget(_title(title))
            group = QButtonGroup(self)
            for button in pair:
                group.addButton(button)
                layout.addWidget(button)
            pair[0].setChecked(True)
        self.everyone.toggled.connect(self._follow)
        self.set_patients(0)
        self._follow()

    @property
    def chosen(self) -> tuple[PictureKind, ...]:
        """Kinds that are ticked and fit."""
        everyone = self.everyone.isChecked()
        return tuple(
            kind
            for kind, box in self.kinds.items()
            if box.isChecked() and (everyone or kind is not PictureKind.CHART)
        )

    @property
    def can_draw(self) -> bool:
        """Whether there is something to draw."""
        has_patient = self._patients > 0 if self.everyone.isChecked() else self._has_case
        return has_patient and bool(self.chosen)

    def wish(self, place: Path) -> PictureWish:
        """Put the choices together with a place."""
        return PictureWish(
            place=place,
            kinds=self.chosen,
            archive=self.as_archive.isChecked(),
            everyone=self.everyone.isChecked(),
            modality=self.modality.currentData(),
        )

    def set_case(self, case: Case | None) -> None:
        """Follow the open case and its masks."""
        self._has_case = case is not None
        self.here.setEnabled(self._has_case)
        if case is None and self._patients:
            self.everyone.setChecked(True)
        before = self.modality.currentData()
        missing = () if case is None else case.study.missing_modalities
        self.modality.clear()
        for modality in sorted(KAGGLE_ORDER, key=lambda m: m is not Modality.FLAIR):
            if modality not in missing:
                self.modality.addItem(str(modality), modality)
        self.modality.setCurrentIndex(max(0, self.modality.findData(before)))
        self.masks.setText("" if case is None else self._describe(case))
        self.changed.emit()

    def set_patients(self, count: int) -> None:
        """Tell how many patients of the list can be read."""
        self._patients = count
        self.everyone.setText(
            self.tr("All patients of the list (1)")
            if count == 1
            else self.tr("All {n} patients of the list").format(n=count)
        )
        self.everyone.setEnabled(count > 0)
        self.changed.emit()

    def _follow(self) -> None:
        self.kinds[PictureKind.CHART].setVisible(self.everyone.isChecked())
        self.changed.emit()

    def _make_kinds(self) -> None:
        self.kinds: dict[PictureKind, QCheckBox] = {}
        for kind, text, tip in (
            (
                PictureKind.OVERLAY,
                self.tr("Every slice with outlines (PNG)"),
                self.tr("A picture for each slice"),
            ),
            (
                PictureKind.TRIPTYCH,
                self.tr("Key slices side by side (PNG)"),
                self.tr(
                    "Image, ground truth, prediction and correction of the slice with the largest "
                    "lesion, and of the one where the masks differ most"
                ),
            ),
            (
                PictureKind.GIF,
                self.tr("Animation of the lesion (GIF)"),
                self.tr("The slices with lesion, one after the other"),
            ),
            (
                PictureKind.SHEET,
                self.tr("All slices on one sheet (PNG)"),
                self.tr("With slice numbers"),
            ),
            (
                PictureKind.CHART,
                self.tr("DSC of all patients as bars (PNG)"),
                self.tr("Of patients with ground truth"),
            ),
        ):
            box = QCheckBox(text)
            box.setToolTip(tip)
            box.setChecked(True)
            box.toggled.connect(lambda _on: self.changed.emit())
            self.kinds[kind] = box

    def _describe(self, case: Case) -> str:
        """Tell which masks are drawn."""
        words = []
        if case.truth is not None:
            words.append(self.tr("ground truth green"))
        if case.prediction is not None:
            words.append(self.tr("prediction red"))
        if case.correction is not None:
            words.append(self.tr("correction blue"))
        if not words:
            return self.tr("This patient has no mask yet: the slices are drawn as they are.")
        return self.tr("Outlines of this patient: {masks}.").format(masks=", ".join(words))


def _title(text: str) -> QLabel:
    label = QLabel(text)
    set_role(label, "title")
    return label
