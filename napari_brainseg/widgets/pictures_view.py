"""Pictures to hand on: what to draw, of whom, where to, how far it is, and where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices, QGuiApplication, QImage
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

from napari_brainseg.core.imaging import KAGGLE_ORDER, BrainSegError, ConfigError
from napari_brainseg.core.reporting.study_pictures import PictureKind
from napari_brainseg.session.pictures import PictureExport, PictureState, PictureWish
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.case import Case
    from napari_brainseg.session.desk import Desk

__all__ = ["PicturesView"]

_STEPS = 1000
_COUNT_MS = 300
_NAMED = 3
"""Patients named in a result; the others are counted."""


class PicturesView(QWidget):
    """Draws pictures of the open patient or of all, in the background.

    Parameters
    ----------
    desk : Desk
        What is drawn.
    slice_on_show : callable, optional
        Gives the index of the slice on the canvas; without it no slice can be copied.

    Attributes
    ----------
    export : PictureExport
        What draws.
    kinds : dict of PictureKind to QCheckBox
    here, everyone : QRadioButton
        Of whom.
    as_folder, as_archive : QRadioButton
        Where to.
    modality : QComboBox
    draw_button, stop_button, folder_button, copy_button : QPushButton
    fault : FaultBox
    """

    def __init__(
        self,
        desk: Desk,
        slice_on_show: Callable[[], int] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.desk = desk
        self.slice_on_show = slice_on_show
        self.export = PictureExport(desk)
        self._place: Path | None = None
        self._wish: PictureWish | None = None
        self._count = 0
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        self._make()
        self._lay_out()
        self.ties.add(self.export.changed, self.show_state)
        for signal in (desk.opened, desk.prediction_ready, desk.correction_started):
            self.ties.add(signal, lambda _news: self.refresh())
        self.ties.add(desk.closed, self.refresh)
        counting = Throttle(self._count_patients, self, _COUNT_MS)
        self.ties.add(desk.worklist.changed, lambda *_: counting.ask())
        self.ties.add(desk.worklist.reset, counting.ask)
        self.destroyed.connect(lambda _gone, export=self.export: export.close())
        self._count_patients()
        self.refresh()
        self.show_state(self.export.state)

    @property
    def chosen(self) -> list[PictureKind]:
        """Kinds that are ticked."""
        return [kind for kind, box in self.kinds.items() if box.isChecked() and not box.isHidden()]

    def refresh(self) -> None:
        """Follow the open case and its masks."""
        case = self.desk.case
        self.here.setEnabled(case is not None)
        if case is None and self._count:
            self.everyone.setChecked(True)
        before = self.modality.currentData()
        missing = () if case is None else case.study.missing_modalities
        self.modality.clear()
        for modality in sorted(KAGGLE_ORDER, key=lambda m: m.name != "FLAIR"):
            if modality not in missing:
                self.modality.addItem(str(modality), modality)
        self.modality.setCurrentIndex(max(0, self.modality.findData(before)))
        self.masks.setText("" if case is None else self._describe(case))
        self._update()

    def choose(self) -> None:
        """Ask where to, then draw."""
        start = "" if self._place is None else str(self._place.parent)
        if self.as_archive.isChecked():
            case = self.desk.case
            hidden = bool(self.desk.preferences.get("hide_identifiers"))
            single = case is not None and not self.everyone.isChecked() and not hidden
            name = f"{case.patient}-pictures.zip" if single else "pictures.zip"
            chosen, _filter = QFileDialog.getSaveFileName(
                self,
                self.tr("Save pictures"),
                str(Path(start) / name),
                self.tr("Zip archives (*.zip)"),
            )
            if chosen and not chosen.lower().endswith(".zip"):
                chosen += ".zip"
        else:
            chosen = QFileDialog.getExistingDirectory(
                self, self.tr("Folder for the pictures"), start
            )
        if chosen:
            self.draw(Path(chosen))

    def draw(self, place: Path) -> None:
        """Draw what is ticked into a folder, or into a zip archive."""
        self._place = place
        wish = PictureWish(
            place=place,
            kinds=tuple(self.chosen),
            archive=self.as_archive.isChecked(),
            everyone=self.everyone.isChecked(),
            modality=self.modality.currentData(),
        )
        self._wish = wish
        self.fault.clear()
        self._background.run(lambda: self.export.start(wish), _ignore, self.fault.show_error)

    def copy_slice(self) -> None:
        """Put the slice on show with its outlines on the clipboard."""
        case = self.desk.case
        if case is None or self.slice_on_show is None:
            self.fault.show_error(ConfigError("No slice is on show.", "Open a patient first."))
            return
        z, modality = self.slice_on_show(), self.modality.currentData()

        def drawn() -> Any:
            from napari_brainseg.session.pictures import current_slice

            return current_slice(case, z, modality)

        self.fault.clear()
        self._background.run(drawn, self._to_clipboard, self.fault.show_error)

    def show_state(self, state: PictureState) -> None:
        """Show how far it is, or how it ended."""
        self.progress.setVisible(state.running)
        self.stop_button.setVisible(state.running)
        self.draw_button.setVisible(not state.running)
        if state.running:
            self.progress.setValue(round(state.share * _STEPS))
            self.folder_button.hide()
            self.result.setText(self._progress_words(state))
        else:
            self._show_end(state)
        self.result.setVisible(bool(self.result.text()))
        self._update()

    # inside ---------------------------------------------------------------------------------------

    def _make(self) -> None:
        self.kinds = {}
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
            box.toggled.connect(self._update)
            self.kinds[kind] = box
        self.here = QRadioButton(self.tr("The open patient"))
        self.everyone = QRadioButton()
        self.everyone.setToolTip(
            self.tr(
                "With the predictions and corrections that there are; nothing is predicted anew."
            )
        )
        self.as_folder = QRadioButton(self.tr("A folder"))
        self.as_archive = QRadioButton(self.tr("One zip archive"))
        self._groups = []
        for first, second in ((self.here, self.everyone), (self.as_folder, self.as_archive)):
            group = QButtonGroup(self)
            group.addButton(first)
            group.addButton(second)
            first.setChecked(True)
            self._groups.append(group)
        self.everyone.toggled.connect(self._update)
        self.modality = QComboBox()
        self.modality.setAccessibleName(self.tr("Modality to draw"))
        self.masks = hint_label()
        self.draw_button = QPushButton(self.tr("Draw pictures…"))
        self.draw_button.setProperty("next", True)
        self.draw_button.clicked.connect(self.choose)
        self.copy_button = QPushButton(self.tr("Copy this slice"))
        self.copy_button.setToolTip(
            self.tr("Puts the slice on show, with outlines and legend, on the clipboard")
        )
        self.copy_button.clicked.connect(self.copy_slice)
        self.stop_button = QPushButton(self.tr("Stop"))
        self.stop_button.clicked.connect(self.export.cancel)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setRange(0, _STEPS)
        self.progress.setAccessibleName(self.tr("Progress of the pictures"))
        set_role(self.progress, "thin")
        self.result = hint_label()
        self.folder_button = QPushButton(self.tr("Open folder"))
        self.folder_button.clicked.connect(self._open_folder)
        self.folder_button.hide()
        self.fault = FaultBox()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
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
            for button in pair:
                layout.addWidget(button)
        layout.addSpacing(6)
        buttons = QHBoxLayout()
        for button in (self.draw_button, self.stop_button, self.copy_button):
            buttons.addWidget(button, 1)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.result)
        layout.addWidget(self.folder_button)
        layout.addWidget(self.fault)
        layout.addWidget(
            hint_label(
                self.tr(
                    "Pictures and their names carry the name of the study, but neither name nor "
                    "birth date of a DICOM patient. “Not for diagnosis” stands on each."
                )
            )
        )
        layout.addStretch(1)

    def _update(self) -> None:
        self.kinds[PictureKind.CHART].setVisible(self.everyone.isChecked())
        can = self._count > 0 if self.everyone.isChecked() else self.desk.case is not None
        self.draw_button.setEnabled(can and bool(self.chosen))
        self.copy_button.setVisible(self.slice_on_show is not None)
        self.copy_button.setEnabled(self.desk.case is not None)

    def _count_patients(self) -> None:
        self._count = sum(row.fault is None and not row.vanished for row in self.desk.worklist.rows)
        self.everyone.setText(
            self.tr("All {n} patients of the list").format(n=self._count)
            if self._count != 1
            else self.tr("All patients of the list (1)")
        )
        self.everyone.setEnabled(self._count > 0)
        self._update()

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

    def _progress_words(self, state: PictureState) -> str:
        if state.total <= 1:
            return self.tr("Drawing: {share} %").format(share=int(state.share * 100))
        at = min(state.done + 1, state.total)
        return self.tr("Drawing patient {at} of {total}").format(at=at, total=state.total)

    def _show_end(self, state: PictureState) -> None:
        self.folder_button.hide()
        if state.error is not None:
            self.result.clear()
            self._fault(state.error)
            return
        if state.cancelled:
            is_zip = self._wish is not None and self._wish.archive
            self.result.setText(
                self.tr("Stopped; no archive was written.")
                if is_zip
                else self.tr("Stopped; the patients that were done are in the folder.")
                if state.total > 1
                else self.tr("Stopped; nothing was written.")
            )
            return
        made = state.made
        if made is None:
            self.result.clear()
            return
        place = made.archive or made.folder
        parts = [
            self.tr("{files} pictures of {patients} patients: {place}").format(
                files=made.files, patients=len(made.patients), place=place
            )
            if len(made.patients) != 1
            else self.tr("{files} pictures: {place}").format(files=made.files, place=place)
        ]
        if made.unmarked:
            parts.append(
                self.tr("Without any mask, drawn as they are: {names}.").format(
                    names=self._named(made.unmarked)
                )
            )
        self.result.setText("\n".join(parts))
        self.folder_button.setVisible(bool(made.files))
        if made.faults:
            first = next(iter(made.faults.values()))
            message = self.tr("Could not be drawn: {names}. {why}").format(
                names=self._named(list(made.faults)), why=self._names().scrub(first.message)
            )
            self.fault.show_fault(message, self._names().scrub(first.hint))

    def _named(self, patients: list[str]) -> str:
        names = self._names()
        shown = ", ".join(names.short(patient) for patient in patients[:_NAMED])
        more = len(patients) - _NAMED
        if more <= 0:
            return shown
        return self.tr("{names} and {n} more").format(names=shown, n=more)

    def _names(self) -> Names:
        rows = self.desk.worklist.rows
        return Names(
            (row.patient for row in rows),
            hidden=bool(self.desk.preferences.get("hide_identifiers")),
        )

    def _fault(self, error: BrainSegError) -> None:
        names = self._names()
        self.fault.show_fault(names.scrub(error.message), names.scrub(error.hint))

    def _open_folder(self) -> None:
        if self._place is not None:
            folder = self._place.parent if self._place.is_file() else self._place
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _to_clipboard(self, picture: Any) -> None:
        height, width, _ = picture.shape
        image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        # A copy: the bytes end with this method.
        QGuiApplication.clipboard().setImage(image.copy())
        self.result.setText(self.tr("The slice is on the clipboard."))
        self.result.show()


def _title(text: str) -> QLabel:
    label = QLabel(text)
    set_role(label, "title")
    return label


def _ignore(_result: Any) -> None:
    return None
