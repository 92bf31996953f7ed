"""Effect review in the dock: start it, the list of cases, what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_brainseg.widgets.compact_table import compact_table
from napari_brainseg.widgets.effect_model import DSC, KIND, PATIENT, SEEN, EffectModel
from napari_brainseg.widgets.effect_words import progress_text, summary_text
from napari_brainseg.widgets.panel import Panel, hint_label

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex

    from napari_brainseg.core.segmentation.gate_evidence import GateEvidence
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.effect_log import Reviewed
    from napari_brainseg.session.effect_review import EffectReview
    from napari_brainseg.session.effects import Effects
    from napari_brainseg.widgets.effect_cover import EffectCover

__all__ = ["EffectPanel"]

_ROWS = 8
"""Cases in sight at the most; the rest is scrolled."""
_CELL = 10  # pixels around a text


class EffectPanel(Panel):
    """Lists what to look at before a version is promoted, and opens it in the window.

    Parameters
    ----------
    desk : Desk
        The state it shows.
    effects : Effects
        Starts reviews.
    cover : EffectCover
        Shows them.

    Attributes
    ----------
    start_button, done_button : QPushButton
    table : QTableView
        Cases of the review that is under way.
    """

    ended = Signal(object)
    """`Reviewed`: a review ended, with all its cases looked at or not."""

    def __init__(
        self, desk: Desk, effects: Effects, cover: EffectCover, parent: QWidget | None = None
    ) -> None:
        super().__init__(desk, parent)
        self._effects, self._cover = effects, cover
        self._candidate: str | None = None
        self._evidence: GateEvidence | None = None
        self._is_starting = False
        self.heading.setText(self.tr("Effect of the new version"))
        self.hint = hint_label(
            self.tr(
                "Before you promote it, see what it would change: the corrected cases and the "
                "locked ones that lose most, old and new side by side. Nothing is painted or saved."
            )
        )
        self.progress = hint_label()
        self.start_button = QPushButton(self.tr("See what changes"))
        self.start_button.clicked.connect(lambda: self.start())
        self.done_button = QPushButton(self.tr("Done"))
        self.done_button.clicked.connect(cover.end)
        self.model = EffectModel(self)
        self.table = self._make_table()
        self.summary = hint_label()
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.done_button)
        buttons.addStretch(1)
        self.body.addWidget(self.hint)
        self.body.addWidget(self.progress)
        self.body.addWidget(self.table)
        self.body.addWidget(self.summary)
        self.body.addLayout(buttons)
        cover.began.connect(self._on_began)
        cover.ended.connect(self._on_ended)
        self.show_candidate(None)

    @property
    def candidate(self) -> str | None:
        """The version that would be reviewed."""
        return self._candidate

    def show_candidate(self, version: str | None, evidence: GateEvidence | None = None) -> None:
        """Offer to review a version; `None`: there is none to review.

        Parameters
        ----------
        version : str or None
            One that is not in use.
        evidence : GateEvidence, optional
            What the gate measured; the latest that is known if left out.
        """
        self._candidate, self._evidence = version, evidence
        self._refresh()
        if version is not None:
            self.run(lambda: self._effects.reviewed(version), self._show_progress)

    def start(self, version: str | None = None) -> None:
        """Begin to review a version, by default the one that is offered; returns at once."""
        wanted = self._candidate if version is None else version
        if wanted is None or self._is_starting:
            return
        if wanted != self._candidate:
            self._candidate, self._evidence = wanted, None
        evidence = self._evidence
        self._is_starting = True
        self._refresh()
        self.run(
            lambda: self._effects.start(wanted, evidence=evidence), self._begin, self._on_failed
        )

    def _begin(self, review: EffectReview) -> None:
        self._is_starting = False
        self._cover.begin(review)

    def _on_failed(self, error: Any) -> None:
        self._is_starting = False
        self._refresh()
        self.fault.show_error(error)

    def _on_began(self, review: EffectReview) -> None:
        for signal in (review.moved, review.prepared, review.reviewed_changed):
            self.ties.add(signal, lambda _news: self._on_news(review))
        self.ties.add(review.fault, self.fault.show_error)
        hide = self.desk.preferences.get("hide_identifiers")
        self.model.show_review(review, hide_names=hide)
        self._on_news(review)
        self._refresh()

    def _on_news(self, review: EffectReview) -> None:
        if review is not self._shown():
            return
        self.model.refresh()
        self.table.selectRow(review.index)
        self.summary.setText(summary_text(review))
        self.progress.setText(progress_text(review.reviewed))

    def _on_ended(self, found: Reviewed) -> None:
        self.model.show_review(None)
        self._refresh()
        self._show_progress(found)
        self.ended.emit(found)

    def _show_progress(self, found: Reviewed) -> None:
        if self._candidate in (None, found.candidate):
            self.progress.setText(progress_text(found) if found.total else "")

    def _shown(self) -> EffectReview | None:
        view = self._cover.view
        return None if view is None else view.review

    def _choose(self, index: QModelIndex) -> None:
        review = self._shown()
        if review is not None:
            review.go_to(index.row())

    def _refresh(self) -> None:
        on = self._cover.is_on
        self.hint.setVisible(not on)
        self.table.setVisible(on)
        self.done_button.setVisible(on)
        self.start_button.setVisible(not on)
        self.start_button.setEnabled(self._candidate is not None and not self._is_starting)
        self.start_button.setText(
            self.tr("Reading…") if self._is_starting else self.tr("See what changes")
        )
        self.start_button.setToolTip(
            ""
            if self._candidate is not None
            else self.tr("Choose a version that is not in use, or train one")
        )
        if on:
            rows = min(self.model.rowCount(), _ROWS)
            line, head = self._line(), self.table.horizontalHeader().sizeHint().height()
            self.table.setFixedHeight(rows * line + head + 4)
        elif self._candidate is None:
            self.progress.setText("")

    def _line(self) -> int:
        return int(self.fontMetrics().height()) + 8

    def _make_table(self) -> Any:
        table = compact_table(self.model, self.tr("Cases of the review"), PATIENT)
        table.setSelectionMode(table.SelectionMode.SingleSelection)
        table.verticalHeader().setDefaultSectionSize(self._line())
        metrics, head = self.fontMetrics(), table.horizontalHeader()
        for column, text in ((SEEN, "✓"), (KIND, self.tr("corrected")), (DSC, "0.000 → 0.000 ▲")):
            head.resizeSection(column, metrics.horizontalAdvance(text) + _CELL)
        table.clicked.connect(self._choose)
        return table
