"""What stands where the list has nothing to show, or while it is being looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.widgets.fault_box import FaultBox
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.worklist_row import WorklistRow
    from napari_brainseg.widgets.worklist_names import Names

__all__ = ["EmptyNote", "NoMatchNote", "RootFault", "RowFault", "SurveyLine"]


class EmptyNote(QWidget):
    """Nothing is open: how to begin.

    Parameters
    ----------
    choose_folder : callable
        Asks for a folder.
    open_phantoms : callable, optional
        Opens synthetic patients.
    """

    def __init__(
        self,
        choose_folder: Callable[[], None],
        open_phantoms: Callable[[], None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.words = hint_label()
        self.open_button = QPushButton(self.tr("Open folder…"))
        self.open_button.setToolTip(self.tr("Choose a patient's folder, or a folder of patients"))
        self.open_button.clicked.connect(lambda: choose_folder())
        self.phantom_button = QPushButton(self.tr("Phantom study"))
        self.phantom_button.setToolTip(self.tr("Synthetic patients, to try things out"))
        self.phantom_button.setVisible(open_phantoms is not None)
        if open_phantoms is not None:
            self.phantom_button.clicked.connect(lambda: open_phantoms())
        self.show_loading("")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self.open_button)
        layout.addWidget(self.phantom_button)
        layout.addStretch(1)

    def show_loading(self, what: str) -> None:
        """Say what is being opened; how to begin for an empty text."""
        opening = self.tr("Opening {what}…").format(what=what)
        self.words.setText(
            opening if what else self.tr("Drop a folder of patients here, or open one.")
        )
        for button in (self.open_button, self.phantom_button):
            button.setEnabled(not what)


class NoMatchNote(QWidget):
    """The search finds nobody.

    Parameters
    ----------
    clear : callable
        Ends the search.
    """

    def __init__(self, clear: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = hint_label()
        self.clear_button = QPushButton(self.tr("Clear"))
        self.clear_button.setToolTip(self.tr("Show all patients again (Esc in the search field)"))
        self.clear_button.clicked.connect(lambda: clear())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self.clear_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)

    def tell(self, search: str, kind: str) -> None:
        """Say what was searched for; `kind` is empty where all kinds are shown."""
        if search and kind:
            text = self.tr("No patient among “{kind}” matches “{search}”.")
        elif search:
            text = self.tr("No patient matches “{search}”.")
        else:
            text = self.tr("No patient under “{kind}”.")
        self.words.setText(text.format(search=search, kind=kind))


class SurveyLine(QWidget):
    """How far the look at the pixels is; the list can be used meanwhile."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = hint_label()
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of looking at the patients"))
        set_role(self.progress, "thin")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self.words)
        layout.addWidget(self.progress)
        self.hide()

    def show_progress(self, done: int, total: int) -> None:
        """Show how many of the patients were looked at; hidden when all were."""
        self.setVisible(done < total)
        self.words.setText(self.tr("Looking at {done} of {total}").format(done=done, total=total))
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(done)


class RootFault(FaultBox):
    """The folder of patients cannot be reached.

    Parameters
    ----------
    try_again : callable
        Looks for it once more.
    """

    def __init__(self, try_again: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.again_button = QPushButton(self.tr("Try again"))
        self.again_button.setToolTip(self.tr("Look for the folder once more"))
        self.again_button.clicked.connect(lambda: try_again())
        row = QHBoxLayout()
        row.addWidget(self.again_button)
        row.addStretch(1)
        self.layout().addLayout(row)

    def show_state(self, error: BrainSegError | None) -> None:
        """Show the fault, or nothing."""
        if error is None:
            self.clear()
        else:
            self.show_error(error)


class RowFault(QWidget):
    """Why the selected patient cannot be read, and the mend; folded to a line at first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame = QFrame()
        set_role(frame, "fault")
        self.message, self.hint = QLabel(wordWrap=True), hint_label()
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setMinimumWidth(1)
        inside = QVBoxLayout(frame)
        inside.setContentsMargins(8, 4, 4, 4)
        inside.setSpacing(2)
        for label in (self.message, self.hint):
            inside.addWidget(label)
        self.fold = Fold(self.tr("Why it cannot be read"), frame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self.hide()

    def show_row(self, row: WorklistRow | None, names: Names) -> None:
        """Show the fault of a row; hidden where there is none."""
        is_faulty = row is not None and bool(row.fault) and not row.vanished
        self.setVisible(is_faulty)
        if row is not None and is_faulty:
            self.message.setText(_breakable(names.scrub(row.fault or "")))
            self.hint.setText(_breakable(names.scrub(row.hint or "")))
            self.hint.setVisible(bool(row.hint))


def _breakable(text: str) -> str:
    """Let long names of files wrap, which have no spaces."""
    return text.replace("_", "_\u200b").replace("/", "/\u200b")
