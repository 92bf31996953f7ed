"""Signs a correction off: what to look at first, the decision, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QMenu, QPushButton, QToolButton, QWidget

from napari_brainseg.session.review import OpenFindingsError, SignOffState
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.next_act import Act
from napari_brainseg.widgets.panel import Panel, hint_label, mark_next
from napari_brainseg.widgets.sign_off_findings import FindingsList
from napari_brainseg.widgets.sign_off_words import history_words, state_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QShowEvent

    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.desk import Desk

__all__ = ["SignOffPanel"]

_CALM_MS = 400
"""The checks wait until painting pauses for so long."""


class SignOffPanel(Panel):
    """Findings, a note, and the decisions on the open case.

    Parameters
    ----------
    desk : Desk
        Checks, writes and reads back.
    go_to : callable, optional
        Shows a slice; gets its index (0-based).
    """

    def __init__(
        self,
        desk: Desk,
        go_to: Callable[[int], None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(desk, parent)
        self._entry: ManifestEntry | None = None
        self._state = SignOffState()
        self._busy = False
        self._checked = False
        self._asking: Callable[[str], Any] | None = None
        self.heading.setText(self.tr("Sign-off"))
        self.export_button = QPushButton(self.tr("Approve"))
        self.export_button.setToolTip(
            self.tr(
                "Sign the correction off and add it to the training set: writes images and "
                "corrected masks there and reads them back. The original files are not touched, "
                "and no training starts."
            )
        )
        self.export_button.clicked.connect(self.export)
        self.folder_button = QPushButton(self.tr("Folder"))
        self.folder_button.setToolTip(self.tr("Open the training set in the file manager"))
        self.folder_button.clicked.connect(self._show_folder)
        self.menu_button = QToolButton(text="⋯")
        self.menu_button.setAccessibleName(self.tr("More"))
        self.menu_button.setToolTip(self.tr("Reject, ask a second reader, reopen"))
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        set_role(self.menu_button, "menu")
        self._fill_menu()
        self.head(self.export_button, self.menu_button)
        self.state_line = QLabel(wordWrap=True)
        self.state_line.setMinimumWidth(1)
        self.findings = FindingsList(go_to or (lambda _index: None))
        self.hint = hint_label()
        self.note = QLineEdit()
        self.note.returnPressed.connect(self._confirm)
        self.note_fold = Fold(self.tr("Note"), self.note)
        self.confirm_button = QPushButton()
        self.confirm_button.clicked.connect(self._confirm)
        self.cancel_button = QPushButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(self._stop_asking)
        self._question = QWidget()
        answers = QHBoxLayout(self._question)
        answers.setContentsMargins(0, 0, 0, 0)
        answers.addWidget(self.confirm_button, 1)
        answers.addWidget(self.cancel_button)
        self.result = QLabel(wordWrap=True)
        self.result.setMinimumWidth(1)
        self.waiting = hint_label()
        foot = QHBoxLayout()
        foot.addWidget(self.waiting, 1)
        foot.addWidget(self.folder_button)
        for widget in (
            self.state_line, self.findings, self.hint, self.note_fold, self._question, self.result,
        ):  # fmt: skip
            self.body.addWidget(widget)
        self.body.addLayout(foot)
        self._calm = QTimer(self, singleShot=True, interval=_CALM_MS)
        self._calm.timeout.connect(self.check)
        self._follow()
        self.refresh()

    @property
    def is_checked(self) -> bool:
        """Whether the findings on show are those of the mask as it is."""
        return self._checked and not self._busy

    @property
    def misses_slices(self) -> bool:
        """Whether the checks found slices that nobody has looked at."""
        return any(finding.kind == "unseen" for finding in self._state.findings)

    def export(self) -> None:
        """Approve and export; what the checks found and shows here is let pass."""
        if not self._checked:
            # Nobody can let pass what was not shown.
            self._calm.stop()
            self._run(self.desk.review.state, self._decide_then)
            return
        self._approve()

    def check(self) -> None:
        """Look anew at what the checks find, in the worker."""
        self._checked = False
        if self.desk.case is None:
            self._show(SignOffState())
        elif not self._busy:
            # Not `run`, which would put away the fault of what was tried before.
            self._background.run(self.desk.review.state, self._show, self.fault.show_error)

    def reject(self) -> None:
        """Ask for the reason, then mark the case as not fit for training."""
        self._ask(
            self.desk.review.reject,
            self.tr("Reject"),
            self.tr("Why it is not fit for training"),
        )

    def ask_second_reader(self) -> None:
        """Ask what to look at, then for another person to approve or correct."""
        self._ask(
            self.desk.review.ask_second_reader,
            self.tr("Ask a second reader"),
            self.tr("What to look at (may stay empty)"),
        )

    def reopen(self) -> None:
        """Take the case up again."""
        note = self.note.text()
        self._run(lambda: self.desk.review.reopen(note), self._on_decided)

    def refresh(self) -> None:
        """Follow the desk."""
        case, state = self.desk.case, self._state
        there = case is not None and case.correction is not None
        status = "" if case is None else case.status.value
        last = state.reviews[-1] if state.reviews else None
        done = status == "approved" and last is not None and last.mask_sha256 is not None
        asking = self._asking is not None
        closed = done or status == "rejected"
        self.export_button.setEnabled(
            there and not (self._busy or closed or asking or state.refused is not None)
        )
        anyway = state.must_acknowledge and not closed and state.refused is None
        words = self.tr("Approve anyway") if there and anyway else self.tr("Approve")
        self.export_button.setText(self.tr("Saving…") if self._busy else words)
        self.menu_button.setEnabled(case is not None and not (self._busy or asking))
        self.reject_action.setEnabled(status != "rejected")
        self.ask_action.setEnabled(there and status != "second reader")
        self.reopen_action.setEnabled(status in ("approved", "rejected", "second reader"))
        self._write_state(status)
        self.findings.show_findings(() if closed or asking or not there else state.findings)
        self._write_hint(there, status, done)
        self.note_fold.setVisible(case is not None and not done)
        self._question.setVisible(asking)
        self.result.setVisible(self._entry is not None and done)
        self.folder_button.setVisible(bool(state.waiting) or done)

    def show_next(self, act: Act) -> None:
        """Fill the button of the next act."""
        mark_next(self.export_button, act is Act.EXPORT)

    def showEvent(self, event: QShowEvent) -> None:
        """Look anew if something happened while this was out of sight."""
        super().showEvent(event)
        if not self._checked:
            self._calm.start()

    # what is shown ----------------------------------------------------------------------------

    def _write_state(self, status: str) -> None:
        text = state_words(self._state, status)
        self.state_line.setText(text)
        self.state_line.setToolTip(history_words(self._state.reviews))
        self.state_line.setVisible(bool(text))

    def _write_hint(self, there: bool, status: str, done: bool) -> None:
        if self._state.refused is not None:
            text = self._state.refused
        elif done:
            text = self.tr("Painting again reopens the case.")
        elif status == "rejected":
            text = self.tr("Not for training. Reopen it, or paint again, to go on.")
        elif not there:
            text = self.tr("A corrected mask can be added to the training set.")
        elif not self._checked:
            text = self.tr("Looking for what may have been overlooked…")
        elif not self._state.findings:
            text = self.tr("The checks found nothing to look at again.")
        else:
            text = ""
        self.hint.setText(text)
        self.hint.setVisible(bool(text))
        count = self._state.waiting
        if count is None:
            self.waiting.clear()
        elif count == 1:
            self.waiting.setText(self.tr("1 correction waits for training."))
        else:
            self.waiting.setText(self.tr("{n} corrections wait for training.").format(n=count))
        self.waiting.setVisible(bool(count))

    def _show(self, state: SignOffState) -> None:
        self._state, self._checked = state, True
        self.refresh()

    # decisions --------------------------------------------------------------------------------

    def _decide_then(self, state: SignOffState) -> None:
        self._busy = False
        self._show(state)
        if not state.must_acknowledge and state.refused is None:
            self._approve()

    def _approve(self) -> None:
        note, findings = self.note.text(), self._state.findings
        self._run(lambda: self.desk.review.approve(note, findings), self._on_decided)

    def _ask(self, act: Callable[[str], Any], button: str, question: str) -> None:
        self._asking = act
        self.confirm_button.setText(button)
        self.note.setPlaceholderText(question)
        self.note_fold.button.setChecked(True)
        self.refresh()
        self.note.setFocus()

    def _confirm(self) -> None:
        act, note = self._asking, self.note.text()
        if act is not None:
            self._run(lambda: act(note), self._on_decided)

    def _stop_asking(self) -> None:
        self._asking = None
        self.note.setPlaceholderText(self.tr("Kept with the decision"))
        self.note_fold.button.setChecked(False)
        self.refresh()

    def _run(self, act: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._busy = True
        self.refresh()
        self.run(act, done, self._on_failed)

    def _on_decided(self, _result: Any) -> None:
        self._busy = False
        self.note.clear()
        self._stop_asking()
        self.check()

    def _on_failed(self, error: BrainSegError) -> None:
        self._busy = False
        if not isinstance(error, OpenFindingsError):
            self.fault.show_error(error)
        self.check()
        self.refresh()

    def _on_exported(self, entry: ManifestEntry) -> None:
        self._entry = entry
        changed = self.tr("+{added} −{removed} voxels").format(
            added=numbers.voxels(entry.voxels_added), removed=numbers.voxels(entry.voxels_removed)
        )
        self.result.setText(
            self.tr("Added by {editor}: {changed}; read back, equal.").format(
                changed=changed, editor=entry.editor
            )
        )
        self.refresh()

    # ties -------------------------------------------------------------------------------------

    def _follow(self) -> None:
        desk = self.desk
        self.ties.add(desk.opened, lambda _case: self._forget())
        self.ties.add(desk.closed, self._forget)
        for signal in (
            desk.correction_started, desk.corrected, desk.prediction_ready, desk.status_changed,
            desk.editor_changed,
        ):  # fmt: skip
            self.ties.add(signal, lambda _news: self._look_soon())
        self.ties.add(desk.review.seen_changed, self._look_soon)
        self.ties.add(desk.models_changed, self._look_soon)
        self.ties.add(desk.exported, self._on_exported)
        self._stop_asking()

    def _look_soon(self) -> None:
        self._checked = False
        self.refresh()
        if self.isVisible():
            # While somebody paints on, the checks wait; each stroke begins the time anew.
            self._calm.start()

    def _forget(self) -> None:
        self._entry = None
        self._busy = False
        self._state = SignOffState()
        self.note.clear()
        self._asking = None
        self.note_fold.button.setChecked(False)
        self.fault.clear()
        self._look_soon()

    def _fill_menu(self) -> None:
        menu = QMenu(self.menu_button)
        menu.setToolTipsVisible(True)
        self.reject_action = menu.addAction(self.tr("Reject…"), self.reject)
        self.reject_action.setToolTip(
            self.tr("Not fit for training: leaves the training set, its files are kept")
        )
        self.ask_action = menu.addAction(self.tr("Ask a second reader…"), self.ask_second_reader)
        self.ask_action.setToolTip(self.tr("Another person must approve or correct the case"))
        self.reopen_action = menu.addAction(self.tr("Reopen"), self.reopen)
        self.reopen_action.setToolTip(self.tr("Take the case up again, whatever was decided"))
        self.menu_button.setMenu(menu)

    def _show_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.desk.workspace.training_set)))
