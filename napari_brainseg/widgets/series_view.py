"""Which series of the open study stands for which sequence, and the user's choice among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_brainseg.core.imaging import KAGGLE_ORDER, Modality
from napari_brainseg.widgets.fold import Fold
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label, mark_next
from napari_brainseg.widgets.series_rows import SeriesRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QResizeEvent

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import SeriesInfo, Study

__all__ = ["SeriesView"]

_UNUSED = ""
_TRUTH = "truth"
_MOST_ROWS = 200
"""A perfusion series may come as hundreds of stacks; beyond this nobody finds anything."""
_SHOWN_LINES = 26
"""Lines of text that are seen without scrolling."""


class SeriesView(QWidget):
    """A table of the study's series with a role for each.

    Nothing changes before *Use these series* is pressed.

    Attributes
    ----------
    rows : dict of str to SeriesRow
        By key; series without a role come last, folded away.
    missing : QLabel
        Says which sequence is missing.
    use_button, reset_button : QPushButton
        Take the choice; go back to what was recognised.
    """

    chosen = Signal(object, str)
    """Roles (dict of Modality to key) and the key of the ground truth, empty for none."""
    reset = Signal()
    """As recognised."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, SeriesRow] = {}
        self._series: tuple[SeriesInfo, ...] = ()
        self._shown: tuple[dict[str, str], tuple[SeriesInfo, ...]] | None = None
        self._before: dict[str, str] = {}
        self._now: dict[str, str] = {}
        self.missing = hint_label()
        set_role(self.missing, "notice")
        self._area = QScrollArea(widgetResizable=True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # A fold has its new height only after Qt laid it out.
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._fit)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.reset_button = QPushButton(self.tr("As recognised"))
        self.reset_button.setToolTip(
            self.tr("Forget the choice for this patient: descriptions and timing decide again")
        )
        self.reset_button.clicked.connect(lambda _on: self.reset.emit())
        self.use_button = QPushButton(self.tr("Use these series"))
        self.use_button.setToolTip(self.tr("Open the patient again with these series"))
        self.use_button.clicked.connect(lambda _on: self.chosen.emit(self.roles, self.truth))
        buttons = QHBoxLayout()
        buttons.addWidget(self.reset_button)
        buttons.addStretch(1)
        buttons.addWidget(self.use_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(4)
        layout.addWidget(self.missing)
        layout.addWidget(self._area)
        layout.addLayout(buttons)
        layout.addStretch(1)
        self._refresh()

    @property
    def roles(self) -> dict[Modality, str]:
        """Key of the series for each modality, as the boxes stand."""
        return {Modality(role): key for key, role in self._now.items() if role != _TRUTH}

    @property
    def truth(self) -> str:
        """Key of the mask that is the ground truth, as the boxes stand; empty for none."""
        return next((key for key, role in self._now.items() if role == _TRUTH), "")

    @property
    def is_changed(self) -> bool:
        """Whether the boxes stand otherwise than the study was opened."""
        return self._now != self._before

    def show_study(self, study: Study, truth: str | None = None) -> None:
        """Show the series of an open study.

        Parameters
        ----------
        study : Study
            Its series and roles.
        truth : str, optional
            Key of the mask that is its ground truth; the only mask where it is left out.
        """
        if truth is None:
            masks = [series.key for series in study.series if series.is_mask]
            truth = masks[0] if study.truth is not None and len(masks) == 1 else ""
        self.show_series(study.series, study.roles, truth)

    def show_folder(self, folder: StudyFolder) -> None:
        """Show the series of a patient that need not be open."""
        self.show_series(folder.series, dict(folder.roles), folder.truth)

    def show_series(
        self, series: Sequence[SeriesInfo], roles: Mapping[Modality, str], truth: str = ""
    ) -> None:
        """Show series with the roles that they have; a choice not taken is dropped.

        Showing the same again changes nothing, so that a choice in the making is kept.
        """
        before = {key: str(role.value) for role, key in roles.items()}
        if truth:
            before[truth] = _TRUTH
        if self._shown == (before, tuple(series)):
            return
        self._shown = (before, tuple(series))
        self._series = tuple(series)
        self._before = before
        self._now = dict(before)
        self._build()
        self._refresh()

    def _build(self) -> None:
        self.rows = {}
        used = [s for s in self._series if s.key in self._before]
        fitting = [s for s in self._series if s not in used and (s.role is not None or s.is_mask)]
        others = [s for s in self._series if s not in used and s not in fitting]
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(0)
        for series in (*used, *fitting):
            column.addWidget(self._row(series))
        if others:
            column.addWidget(self._folded(others[:_MOST_ROWS], len(others)))
        column.addStretch(1)
        self._area.setWidget(content)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the width: rows wrap."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Make the list as high as its rows, up to a limit from which on it scrolls."""
        content = self._area.widget()
        if content is None:
            return
        width = max(1, self._area.viewport().width())
        wanted = content.layout().totalHeightForWidth(width)
        self._area.setFixedHeight(min(wanted + 2, _SHOWN_LINES * self.fontMetrics().lineSpacing()))

    def _folded(self, others: Sequence[SeriesInfo], count: int) -> Fold:
        below = QWidget()
        column = QVBoxLayout(below)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for series in others:
            column.addWidget(self._row(series))
        if count > len(others):
            text = self.tr("{n} more are not listed here.").format(n=count - len(others))
            column.addWidget(hint_label(text))
        text = self.tr("1 other series") if count == 1 else self.tr("{n} other series")
        fold = Fold(text.format(n=count), below)
        fold.button.setChecked(len(self._before) < len(KAGGLE_ORDER))
        fold.button.toggled.connect(lambda _on: self._soon.start())
        return fold

    def _row(self, series: SeriesInfo) -> SeriesRow:
        roles = [(_UNUSED, self.tr("Not used"))]
        if series.is_mask:
            roles.append((_TRUTH, self.tr("Ground truth")))
        else:
            roles += [(str(m.value), self._word(m)) for m in KAGGLE_ORDER]
        row = SeriesRow(series, roles)
        row.changed.connect(self._take)
        self.rows[series.key] = row
        return row

    def _take(self, key: str, role: str) -> None:
        """Give a series a role; another that had it has none then."""
        self._now = {k: r for k, r in self._now.items() if k != key and r != role}
        if role:
            self._now[key] = role
        self._refresh()

    def _refresh(self) -> None:
        for key, row in self.rows.items():
            row.show_role(self._now.get(key, _UNUSED))
        lines = self._missing()
        self.missing.setText("\n".join(lines))
        self.missing.setVisible(bool(lines))
        self.use_button.setEnabled(self.is_changed and bool(self.roles))
        mark_next(self.use_button, self.use_button.isEnabled())

    def _missing(self) -> list[str]:
        if not self._series:
            return []
        there = set(self.roles)
        lines = []
        if Modality.FLAIR not in there:
            lines.append(self.tr("No FLAIR: if one of these is, choose it."))
        for modality in (Modality.PRE, Modality.POST):
            # What was missing from the beginning stands above, in the panel of the study.
            if modality not in there and Modality.FLAIR in there and self.is_changed:
                text = self.tr("No {sequence}: FLAIR stands in for it.")
                lines.append(text.format(sequence=str(modality)))
        return lines

    def _word(self, modality: Modality) -> str:
        word = str(modality.value)
        return word[:1].upper() + word[1:]
