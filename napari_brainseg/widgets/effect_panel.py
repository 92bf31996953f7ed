"""Effect review in the dock: the list of cases, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QFont, QFontMetrics
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QScrollArea, QWidget

from napari_brainseg.widgets.compact_table import compact_table
from napari_brainseg.widgets.effect_model import CHANGE, KIND, PATIENT, SEEN, EffectModel
from napari_brainseg.widgets.effect_words import names_of, progress_text, summary_text
from napari_brainseg.widgets.panel import Panel, hint_label
from napari_brainseg.widgets.subscriptions import Subscriptions

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex

    from napari_brainseg.core.imaging import BrainSegError
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
    """Lists the cases of a review, and says in the end what came of it; hidden before the first.

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
    table : QTableView
        Cases of the review that is under way.
    again_button, done_button : QPushButton
    """

    ended = Signal(object)
    """`Reviewed`: a review ended, with all its cases looked at or not."""

    def __init__(
        self, desk: Desk, effects: Effects, cover: EffectCover, parent: QWidget | None = None
    ) -> None:
        super().__init__(desk, parent)
        self._effects, self._cover = effects, cover
        self._asked: tuple[str, GateEvidence | None] | None = None
        self._is_starting = False
        self.heading.setText(self.tr("Effect of the new version"))
        self.progress = hint_label()
        self.summary = hint_label()
        self.model = EffectModel(self)
        self.table = self._make_table()
        self.again_button = QPushButton(self.tr("Look again"))
        self.again_button.clicked.connect(self._again)
        self.done_button = QPushButton(self.tr("Done"))
        self.done_button.clicked.connect(cover.end)
        buttons = QHBoxLayout()
        buttons.addWidget(self.again_button)
        buttons.addWidget(self.done_button)
        buttons.addStretch(1)
        for widget in (self.progress, self.table, self.summary):
            self.body.addWidget(widget)
        self.body.addLayout(buttons)
        cover.began.connect(self._on_began)
        cover.ended.connect(self._on_ended)
        self.ties.add(desk.models_changed, self._on_models)
        self.hide()

    def start(
        self, version: str, patient: str | None = None, *, evidence: GateEvidence | None = None
    ) -> None:
        """Begin to review a version that is not in use; returns at once.

        Parameters
        ----------
        version : str
            The new one.
        patient : str, optional
            The one to begin with, if it is among the cases.
        evidence : GateEvidence, optional
            What the gate measured; the latest that is known if left out.
        """
        if self._is_starting:
            return
        self._asked, self._is_starting = (version, evidence), True
        self.progress.setText(self.tr("Reading the list of cases…"))
        self.summary.setText("")
        self._refresh()
        self.show()

        def begin() -> EffectReview:
            review = self._effects.start(version, evidence=evidence)
            review.go_to_patient(patient)
            return review

        self.run(begin, self._begin, self._on_failed)

    def _begin(self, review: EffectReview) -> None:
        self._is_starting = False
        self._cover.begin(review)

    def _on_failed(self, error: BrainSegError) -> None:
        self._is_starting = False
        self.progress.setText("")
        self._refresh()
        self.fault.show_error(error)

    def _again(self) -> None:
        if self._asked is not None:
            version, evidence = self._asked
            self.start(version, evidence=evidence)

    def _on_began(self, review: EffectReview) -> None:
        view = self._cover.view
        if view is None:
            return
        ties = Subscriptions(view)  # they end with the review
        for signal in (review.moved, review.prepared, review.reviewed_changed):
            ties.add(signal, lambda _news: self._on_news(review))
        ties.add(review.fault, self.fault.show_error)
        self.model.show_review(review, names_of(review, self.desk))
        self._on_news(review)
        self._refresh()
        self.show()
        # After the layout: the list is what one works with now.
        QTimer.singleShot(0, self._come_into_sight)

    def _come_into_sight(self) -> None:
        area: QWidget | None = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None and self._cover.is_on:
            area.ensureWidgetVisible(self, 0, 0)

    def _on_news(self, review: EffectReview) -> None:
        if review is not self._shown():
            return
        self.model.refresh()
        self.table.selectRow(review.index)
        self.progress.setText(progress_text(review.reviewed))
        self.summary.setText(summary_text(review))
        self._refresh()

    def _on_ended(self, found: Reviewed) -> None:
        self.model.show_review(None)
        self.progress.setText(progress_text(found))
        self._refresh()
        self.ended.emit(found)

    def _on_models(self) -> None:
        # What was reviewed may be in use by now.
        if not (self._cover.is_on or self._is_starting):
            self.hide()

    def _shown(self) -> EffectReview | None:
        view = self._cover.view
        return None if view is None else view.review

    def _choose(self, index: QModelIndex) -> None:
        review = self._shown()
        if review is not None:
            review.go_to(index.row())

    def _refresh(self) -> None:
        on = self._cover.is_on
        self.table.setVisible(on)
        self.done_button.setVisible(on)
        self.again_button.setVisible(not on and not self._is_starting)
        for label in (self.progress, self.summary):
            label.setVisible(bool(label.text()))
        if on:
            rows = min(self.model.rowCount(), _ROWS)
            head = self.table.horizontalHeader().sizeHint().height()
            self.table.setFixedHeight(rows * self._line() + head + 4)

    def _line(self) -> int:
        return int(self.fontMetrics().height()) + 8

    def _make_table(self) -> Any:
        table = compact_table(self.model, self.tr("Cases of the review"), PATIENT)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.setSelectionMode(table.SelectionMode.SingleSelection)
        table.verticalHeader().setDefaultSectionSize(self._line())
        bold = QFont(self.font())
        bold.setBold(True)
        metrics, head = QFontMetrics(bold), table.horizontalHeader()
        for column, text in ((SEEN, "✓"), (KIND, self.tr("corrected")), (CHANGE, "+0.000 ▲")):
            head.resizeSection(column, metrics.horizontalAdvance(text) + _CELL)
        table.clicked.connect(self._choose)
        return table
