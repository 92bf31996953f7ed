"""Says when strokes do not go where they should, and what to do: a bar that is hidden otherwise.

Another window corrects the case, the disk does not take strokes, or a program changed the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.desk import Desk

__all__ = ["NoticeRow", "WriteBar"]


class NoticeRow(QFrame):
    """What happened, what it means, and at most two buttons.

    Parameters
    ----------
    role : str
        Of `look`: ``fault`` or ``note``.
    """

    def __init__(self, role: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, role)
        self.message = _label()
        self.hint = hint_label()
        self.button = QPushButton()
        self.other = QPushButton()
        buttons = QHBoxLayout()
        buttons.setContentsMargins(0, 2, 0, 0)
        buttons.addWidget(self.button)
        buttons.addWidget(self.other)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.setSpacing(2)
        layout.addWidget(self.message)
        layout.addWidget(self.hint)
        layout.addLayout(buttons)
        self.hide()

    @property
    def text(self) -> str:
        """What is shown, empty if nothing."""
        return "" if self.isHidden() else f"{self.message.text()} {self.hint.text()}".strip()

    def show_words(self, message: str, hint: str, button: str, other: str = "") -> None:
        """Show words and buttons; those without words are hidden."""
        self.message.setText(message)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self.other.setText(other)
        self.other.setVisible(bool(other))
        self.show()


class WriteBar(QWidget):
    """Follows the open case of a desk.

    Parameters
    ----------
    desk : Desk
        What it takes is done by `Desk.submit`, off the GUI thread; faults go where its go.

    Attributes
    ----------
    right : NoticeRow
        Another window corrects the case.
    unsaved : NoticeRow
        The disk does not take strokes.
    changed : NoticeRow
        Another program changed the patient's files.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._case: Case | None = None
        self._correction: Correction | None = None
        self._error: BrainSegError | None = None
        self._asking = False
        self._put_away: object = None
        self.right, self.changed = NoticeRow("note"), NoticeRow("note")
        self.unsaved = NoticeRow("fault")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for row in (self.unsaved, self.right, self.changed):
            layout.addWidget(row)
        self.right.button.clicked.connect(self._take_over)
        self.right.other.clicked.connect(self._leave_it)
        self.unsaved.button.clicked.connect(self._try_again)
        self.changed.button.clicked.connect(self._open_again)
        self.changed.other.clicked.connect(self._ignore_change)
        self._ties = Subscriptions(self)
        self._case_ties = Subscriptions(self)
        self._stroke_ties = Subscriptions(self)
        self._ties.add(desk.opened, lambda _case: self._follow())
        self._ties.add(desk.closed, self._follow)
        self._ties.add(desk.correction_started, lambda _correction: self._follow())
        self._follow()

    @property
    def text(self) -> str:
        """All that is shown."""
        rows = (self.unsaved, self.right, self.changed)
        return " ".join(row.text for row in rows if row.text)

    def refresh(self) -> None:
        """Show what there is to say of the case."""
        self._show_right()
        self._show_unsaved()
        self._show_change()
        shown = any(not row.isHidden() for row in (self.right, self.unsaved, self.changed))
        self.setVisible(shown)

    def _follow(self) -> None:
        case = self._desk.case
        if case is not self._case:
            self._case, self._asking, self._put_away = case, False, None
            self._case_ties.close()
            self._case_ties = Subscriptions(self)
            if case is not None:
                self._case_ties.add(case.write_right_changed, lambda _words: self._on_right())
                self._case_ties.add(case.sources_changed, lambda _change: self.refresh())
                self._case_ties.add(case.correction_discarded, self._follow)
        correction = None if case is None else case.correction
        if correction is not self._correction:
            self._correction, self._error = correction, None
            self._stroke_ties.close()
            self._stroke_ties = Subscriptions(self)
            if correction is not None:
                self._stroke_ties.add(correction.saving_failed, self._on_failed)
                self._stroke_ties.add(correction.saved_again, self._on_saved)
                self._stroke_ties.add(correction.history_changed, self._show_changed_count)
        self.refresh()

    def _on_right(self) -> None:
        self._asking = False
        self.refresh()

    def _on_failed(self, error: BrainSegError) -> None:
        self._error = error
        self.unsaved.button.setEnabled(True)
        self.refresh()

    def _on_saved(self) -> None:
        self._error = None
        self.unsaved.button.setEnabled(True)
        self.refresh()

    def _show_changed_count(self) -> None:
        if self._error is not None:
            self.refresh()

    # rows -------------------------------------------------------------------------------------

    def _show_right(self) -> None:
        case = self._case
        words = None if case is None else case.read_only
        if case is None or words is None:
            self.right.hide()
            return
        kept = self._kept(case.kept_strokes)
        if self._asking:
            self.right.show_words(
                self.tr("Take the case over? {words}.").format(words=words),
                self.tr(
                    "That window becomes read-only. What was done there stays; a stroke under "
                    "way there waits in its memory."
                ),
                self.tr("Take over"),
                self.tr("Leave it"),
            )
            return
        look = self.tr("You can look, and see every stroke as it is made.")
        if not case.is_held:
            look = self.tr("Nobody corrects it now.")
        self.right.show_words(f"{words}.", f"{look} {kept}".strip(), self.tr("Take over"))
        self.right.button.setEnabled(True)

    def _kept(self, count: int) -> str:
        if not count:
            return ""
        if count == 1:
            return self.tr("A stroke of yours is kept; it is laid on top when you take over.")
        words = self.tr("{n} strokes of yours are kept; they are laid on top when you take over.")
        return words.format(n=count)

    def _show_unsaved(self) -> None:
        correction, case = self._correction, self._case
        count = 0 if correction is None else correction.unsaved
        lost = correction is not None and correction.is_lost
        if not count or lost or case is None or case.read_only is not None:
            self.unsaved.hide()
            return
        why = self._reason()
        message = (
            self.tr("1 stroke is not saved yet{why}.")
            if count == 1
            else self.tr("{n} strokes are not saved yet{why}.")
        )
        hint = self.tr("Kept in memory and tried again every few seconds.")
        mend = self._mend()
        self.unsaved.show_words(
            message.format(n=count, why=f": {why}" if why else ""),
            f"{mend} {hint}".strip(),
            self.tr("Try again now"),
        )
        self.unsaved.setToolTip("" if self._error is None else self._error.message)

    def _reason(self) -> str:
        words = {
            "full": self.tr("the disk is full"),
            "read-only": self.tr("the workspace is read-only"),
            "locked": self.tr("another program holds the catalogue"),
            "disk": self.tr("the disk gives an error"),
            "damaged": self.tr("the catalogue is damaged"),
            "replaced": self.tr("the catalogue was replaced"),
        }
        return words.get(str(getattr(self._error, "fault", "")), "")

    def _mend(self) -> str:
        return str(getattr(self._error, "mend", "") or getattr(self._error, "hint", ""))

    def _show_change(self) -> None:
        change = None if self._case is None else self._case.source_change
        if change is None or change == self._put_away:
            self.changed.hide()
            return
        error = change.error
        self.changed.show_words(
            error.message, error.hint, self.tr("Open again"), self.tr("Not now")
        )

    # acts -------------------------------------------------------------------------------------

    def _take_over(self) -> None:
        case = self._case
        if case is None:
            return
        if case.is_held and not self._asking:
            self._asking = True
            self.refresh()
            return
        self._asking = False
        self.refresh()
        self.right.button.setEnabled(False)
        self._submit(lambda: case.take_over(self._desk.editor))

    def _leave_it(self) -> None:
        self._asking = False
        self.refresh()

    def _try_again(self) -> None:
        correction = self._correction
        if correction is not None:
            self.unsaved.button.setEnabled(False)
            self._submit(correction.retry)

    def _open_again(self) -> None:
        case = self._case
        if case is not None:
            self._submit(lambda: self._desk.select(case.patient))

    def _ignore_change(self) -> None:
        self._put_away = None if self._case is None else self._case.source_change
        self.refresh()

    def _submit(self, act: Callable[[], Any]) -> None:
        # Its end shows in the signals of the case, its fault in those of the desk.
        self._desk.submit(act)


def _label() -> QLabel:
    label = QLabel(wordWrap=True)
    # Paths have no spaces to wrap at; they must not widen the dock.
    label.setMinimumWidth(1)
    return label
