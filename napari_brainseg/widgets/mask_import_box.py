"""A mask from a file into the correction: which file, which segment, what it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.mask_import import LoadedMask, load_mask
from napari_brainseg.widgets.background import Background
from napari_brainseg.widgets.editor_field import EditorField
from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.numbers import voxels
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from napari_brainseg.core.editing import Edit
    from napari_brainseg.core.formats.masks import MaskInfo
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.stroke import Stroke

__all__ = ["MakesChange", "MaskImportBox"]

MakesChange = Callable[["Edit", str, Mapping[str, object]], "Stroke | None"]
"""Makes the change of a tool, on the thread that paints."""


class MaskImportBox(QWidget):
    """Loads a mask as one action of the open case's correction.

    Parameters
    ----------
    desk : Desk
        Whose case.
    make : callable, optional
        As for `MaskExportView`.

    Attributes
    ----------
    file_button, folder_button, take_button : QPushButton
    resample : QCheckBox
    segment : QComboBox
        Shown where a file has several.
    """

    def __init__(
        self, desk: Desk, make: MakesChange | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.desk = desk
        self.make = make
        self._path: Path | None = None
        self._busy = False
        self.ties = Subscriptions(self)
        self._background = Background(desk, self.ties)
        title = QLabel(self.tr("Load a mask"))
        set_role(title, "title")
        self.hint = hint_label(
            self.tr(
                "Into the correction, as one action that undo takes back: a NIfTI file, a DICOM "
                "SEG or a folder of TIFF masks, on the grid of this patient."
            )
        )
        self.file_button = QPushButton(self.tr("From a file…"))
        self.file_button.clicked.connect(self.choose_file)
        self.folder_button = QPushButton(self.tr("From a folder…"))
        self.folder_button.setToolTip(self.tr("A folder of TIFF masks, PATIENT_N_mask.tif"))
        self.folder_button.clicked.connect(self.choose_folder)
        self.resample = QCheckBox(self.tr("Bring it onto this grid if it has another"))
        self.resample.setToolTip(
            self.tr("By the nearest voxel; only where both say where they lie in space")
        )
        self.segment = QComboBox()
        self.segment.setAccessibleName(self.tr("Segment to load"))
        self.take_button = QPushButton(self.tr("Load"))
        self.take_button.clicked.connect(self._take)
        self._segments = QWidget()
        row = QHBoxLayout(self._segments)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.segment, 1)
        row.addWidget(self.take_button)
        self.editor_field = EditorField()
        self.result = hint_label()
        self.fault = FaultBox()
        buttons = QHBoxLayout()
        buttons.addWidget(self.file_button, 1)
        buttons.addWidget(self.folder_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(title)
        layout.addWidget(self.hint)
        layout.addLayout(buttons)
        layout.addWidget(self.resample)
        for widget in (self._segments, self.editor_field, self.result, self.fault):
            layout.addWidget(widget)
        self._segments.hide()
        self.result.hide()
        self.ties.add(desk.opened, lambda _case: self._start_anew())
        self.ties.add(desk.closed, self._start_anew)
        self.refresh()

    def refresh(self) -> None:
        """Follow the desk."""
        can = self.desk.case is not None and not self._busy
        for button in (self.file_button, self.folder_button, self.take_button):
            button.setEnabled(can)

    def choose_file(self) -> None:
        """Ask for a file, then load it."""
        chosen, _filter = QFileDialog.getOpenFileName(
            self,
            self.tr("Load a mask"),
            "",
            self.tr("Masks (*.nii *.nii.gz *.dcm);;All files (*)"),
        )
        if chosen:
            self.load(Path(chosen))

    def choose_folder(self) -> None:
        """Ask for a folder of TIFF masks, then load it."""
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder of TIFF masks"))
        if chosen:
            self.load(Path(chosen))

    def load(self, path: Path) -> None:
        """Load a mask; of a file with several segments, ask first which one."""

        def look() -> MaskInfo:
            from napari_brainseg.core.formats.masks import describe_mask

            return describe_mask(path)

        self._start_anew()
        self._path = path
        self._run(look, self._on_looked)

    # inside -----------------------------------------------------------------------------------

    def _on_looked(self, info: MaskInfo) -> None:
        self._busy = False
        self.refresh()
        if info.path != self._path:
            return
        self.segment.clear()
        self.segment.addItem(
            self.tr("All {n} segments together").format(n=len(info.segments)), None
        )
        for each in info.segments:
            self.segment.addItem(each.label or str(each.number), each.number)
        if len(info.segments) > 1:
            self._segments.show()
        else:
            self._take()

    def _take(self, name: str | None = None) -> None:
        case, path = self.desk.case, self._path
        if case is None or path is None:
            return
        editor = name or self.desk.editor
        if editor is None:
            self.editor_field.ask(self._take)
            return
        segment, resample = self.segment.currentData(), self.resample.isChecked()

        def act() -> LoadedMask:
            if name:
                self.desk.editor = name
            return load_mask(case, path, editor, segment=segment, resample=resample)

        self._run(act, self._on_loaded)

    def _on_loaded(self, loaded: LoadedMask) -> None:
        self._busy = False
        self._segments.hide()
        self.refresh()
        if loaded.case is not self.desk.case:
            return
        if loaded.edit() is None:
            self._say(self.tr("The correction holds this mask already."))
            return
        try:
            stroke = loaded.apply(self.make)
        except BrainSegError as error:
            self._show_fault(error)
            return
        if stroke is None:
            self._say(self.tr("Nothing was changed: finish the stroke first, then load again."))
            return
        self._say(
            self.tr(
                "Loaded: {added} voxels added, {removed} removed. Ctrl+Z takes it back."
            ).format(added=voxels(stroke.added), removed=voxels(stroke.removed))
        )

    def _run(self, act: Callable[[], object], done: Callable[..., None]) -> None:
        self.fault.clear()
        self.result.hide()
        self._busy = True
        self.refresh()
        self._background.run(act, done, self._on_failed)

    def _on_failed(self, error: BrainSegError) -> None:
        self._busy = False
        self.refresh()
        self._show_fault(error)

    def _show_fault(self, error: BrainSegError) -> None:
        names = Names(
            (row.patient for row in self.desk.worklist.rows),
            hidden=bool(self.desk.preferences.get("hide_identifiers")),
        )
        self.fault.show_fault(names.scrub(error.message), names.scrub(error.hint))

    def _say(self, text: str) -> None:
        self.result.setText(text)
        self.result.show()

    def _start_anew(self) -> None:
        self._path = None
        self._segments.hide()
        self.segment.clear()
        self.editor_field.put_away()
        self.fault.clear()
        self.result.hide()
        self.refresh()
