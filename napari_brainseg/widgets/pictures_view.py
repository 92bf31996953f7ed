"""Pictures to hand on: what to draw, how far it is, and where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices, QGuiApplication, QImage
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.session.pictures import PictureExport, PictureState, PictureWish
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.breakable import breakable
from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.picture_choices import PictureChoices
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.reporting.root_pictures import MadePictures
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
    choices : PictureChoices
        What is drawn, and of whom.
    draw_button, stop_button, folder_button, copy_button : QPushButton
    result : QLabel
        How far it is, or what was made.
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
        self.choices = PictureChoices()
        self._place: Path | None = None
        self._wish: PictureWish | None = None
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        self._make()
        self.choices.changed.connect(self._update)
        self.ties.add(self.export.changed, self.show_state)
        for signal in (desk.opened, desk.prediction_ready, desk.correction_started):
            self.ties.add(signal, lambda _news: self.refresh())
        self.ties.add(desk.closed, self.refresh)
        counting = Throttle(self._count_patients, self, _COUNT_MS)
        self.ties.add(desk.worklist.changed, lambda _rows: counting.ask())
        self.ties.add(desk.worklist.reset, counting.ask)
        self.destroyed.connect(lambda _gone, export=self.export: export.close())
        self._count_patients()
        self.refresh()
        self.show_state(self.export.state)

    def refresh(self) -> None:
        """Follow the open case and its masks."""
        self.choices.set_case(self.desk.case)

    def choose(self) -> None:
        """Ask where to, then draw."""
        start = "" if self._place is None else str(self._place.parent)
        if self.choices.as_archive.isChecked():
            chosen, _filter = QFileDialog.getSaveFileName(
                self,
                self.tr("Save pictures"),
                str(Path(start) / self._archive_name()),
                self.tr("Zip archives (*.zip)"),
            )
            if chosen and not chosen.lower().endswith(".zip"):
                chosen += ".zip"
        else:
            title = self.tr("Folder for the pictures")
            chosen = QFileDialog.getExistingDirectory(self, title, start)
        if chosen:
            self.draw(Path(chosen))

    def draw(self, place: Path) -> None:
        """Draw what is ticked into a folder, or into a zip archive."""
        self._place = place
        self._wish = wish = self.choices.wish(place)
        self.fault.clear()
        self._background.run(lambda: self.export.start(wish), _ignore, self.fault.show_error)

    def copy_slice(self) -> None:
        """Put the slice on show with its outlines on the clipboard."""
        case = self.desk.case
        if case is None or self.slice_on_show is None:
            self.fault.show_error(ConfigError("No slice is on show.", "Open a patient first."))
            return
        z, modality = self.slice_on_show(), self.choices.modality.currentData()

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
        self.folder_button.setVisible(state.made is not None and state.made.files > 0)
        if state.running:
            self.progress.setValue(round(state.share * _STEPS))
            self._say(self._progress_words(state))
            return
        if state.cancelled:
            self._say(self._stopped_words(state))
            return
        names = self._names()
        is_drawn = state.made is not None and state.made.files > 0
        self._say(self._made_words(state.made, names) if is_drawn else "")
        if state.error is not None:
            self.fault.show_fault(names.scrub(state.error.message), names.scrub(state.error.hint))
        elif state.made is not None and state.made.faults:
            first = next(iter(state.made.faults.values()))
            message = self.tr("Could not be drawn: {names}. {why}").format(
                names=self._named(list(state.made.faults), names), why=names.scrub(first.message)
            )
            self.fault.show_fault(message, names.scrub(first.hint))

    # inside ---------------------------------------------------------------------------------------

    def _make(self) -> None:
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
        self.fault = FaultBox()
        buttons = QHBoxLayout()
        for button in (self.draw_button, self.stop_button, self.copy_button):
            buttons.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(5)
        layout.addWidget(self.choices)
        layout.addSpacing(6)
        layout.addLayout(buttons)
        for widget in (self.progress, self.result, self.folder_button, self.fault):
            layout.addWidget(widget)
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
        self.draw_button.setEnabled(self.choices.can_draw)
        self.copy_button.setVisible(self.slice_on_show is not None)
        self.copy_button.setEnabled(self.desk.case is not None)

    def _count_patients(self) -> None:
        rows = self.desk.worklist.rows
        self.choices.set_patients(sum(row.fault is None and not row.vanished for row in rows))

    def _archive_name(self) -> str:
        case = self.desk.case
        hidden = bool(self.desk.preferences.get("hide_identifiers"))
        if case is None or hidden or self.choices.everyone.isChecked():
            return "pictures.zip"
        return f"{case.patient}-pictures.zip"

    def _progress_words(self, state: PictureState) -> str:
        if state.total <= 1:
            return self.tr("Drawing: {share} %").format(share=int(state.share * 100))
        at = min(state.done + 1, state.total)
        return self.tr("Drawing patient {at} of {total}").format(at=at, total=state.total)

    def _stopped_words(self, state: PictureState) -> str:
        if self._wish is not None and self._wish.archive:
            return self.tr("Stopped; no archive was written.")
        if state.total > 1:
            return self.tr("Stopped; the patients that were done are in the folder.")
        return self.tr("Stopped; nothing was written.")

    def _made_words(self, made: MadePictures, names: Names) -> str:
        text = (
            self.tr("{files} pictures: {place}")
            if len(made.patients) == 1
            else self.tr("{files} pictures of {patients} patients: {place}")
        )
        place = breakable(str(made.archive or made.folder))
        words = text.format(files=made.files, patients=len(made.patients), place=place)
        if made.unmarked:
            bare = self.tr("Without any mask, drawn as they are: {names}.")
            words += "\n" + bare.format(names=self._named(made.unmarked, names))
        return words

    def _named(self, patients: list[str], names: Names) -> str:
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

    def _open_folder(self) -> None:
        if self._place is not None:
            folder = self._place.parent if self._place.is_file() else self._place
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _to_clipboard(self, picture: Any) -> None:
        height, width, _ = picture.shape
        image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        # A copy: the bytes end with this method.
        QGuiApplication.clipboard().setImage(image.copy())
        self._say(self.tr("The slice is on the clipboard."))

    def _say(self, text: str) -> None:
        self.result.setText(text)
        self.result.setVisible(bool(text))


def _ignore(_result: Any) -> None:
    return None
