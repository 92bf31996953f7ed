"""What correcting cost, case by case and model version by model version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_brainseg.widgets.compact_table import compact_table
from napari_brainseg.widgets.effort_model import FIGURES, PATIENT, SORT_ROLE, EffortModel, icon_of
from napari_brainseg.widgets.effort_plot import EffortPlot
from napari_brainseg.widgets.effort_words import (
    Figure,
    comparison_text,
    figure_text,
    figure_title,
    marks,
    start_of,
    start_text,
    value,
)
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import Panel, hint_label
from napari_brainseg.widgets.throttle import Throttle
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QIcon, QShowEvent

    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.effort import EffortRow, VersionEffort
    from napari_brainseg.session.effort_comparison import EffortRatio

__all__ = ["EffortView"]

_CASES = 6
"""Cases in sight at the least."""
_VERSIONS = 4
"""Model versions in sight at the most."""
_EVERY_MS = 2000
"""So often at most the catalogue is asked while somebody paints beside it."""
_ICON = QSize(12, 12)
_CELL = 10
"""Pixels around a text."""


class EffortView(Panel):
    """Table and plot of the effort; read in a worker, and only while it is in sight.

    Parameters
    ----------
    desk : Desk
        With the catalogue.

    Attributes
    ----------
    figure : QComboBox
        What is plotted.
    comparison : QLabel
        Whether the version in use needs less work than the one before.
    versions : QTreeWidget
        Medians by model version.
    table : QTableView
        Cases.
    plot : EffortPlot
    save_button : QPushButton
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.rows: tuple[EffortRow, ...] = ()
        self._is_stale = True
        self.heading.setText(self.tr("Effort"))
        self.empty = hint_label(
            self.tr(
                "Nothing was corrected here yet. Each correction becomes a point: its time, "
                "strokes and voxels. Once a fine-tuned model is in use, its cases stand beside "
                "those of the model before, and you see whether they need less work."
            )
        )
        self.figure = QComboBox()
        self.figure.setToolTip(self.tr("What is plotted"))
        for figure in Figure:
            self.figure.addItem(figure_title(figure), figure)
        self.figure.currentIndexChanged.connect(lambda _index: self._draw())
        self.save_button = QPushButton(self.tr("Save CSV…"))
        self.save_button.setToolTip(self.tr("Write a line a case, with all figures, to a file"))
        self.save_button.clicked.connect(self.choose_file)
        self.saved = hint_label()
        self.plot = EffortPlot()
        self.comparison = hint_label()
        set_role(self.comparison, "")
        self.comparison.setToolTip(
            self.tr(
                "Ratio of the medians of two versions, with a 95 % bootstrap interval over their "
                "cases. Other cases and a practised hand look like a better model too."
            )
        )
        self.versions = self._make_versions()
        self.model = EffortModel(self)
        self.table = self._make_table()
        self.note = hint_label(
            self.tr(
                "Time: editing, without pauses, strokes taken back included. Strokes and voxels: "
                "those in force. Medians of the cases that were begun."
            )
        )
        choice = QHBoxLayout()
        choice.addWidget(self.figure, 1)
        choice.addWidget(self.save_button)
        self.body.addWidget(self.empty)
        self.body.addLayout(choice)
        self._parts = (
            self.comparison, self.figure, self.save_button, self.plot, self.versions, self.table,
            self.note,
        )  # fmt: skip
        for widget in (
            self.comparison, self.plot, self.versions, self.table, self.note, self.saved,
        ):  # fmt: skip
            self.body.addWidget(widget)
        self._again = Throttle(self._read, self, _EVERY_MS)
        for signal in (desk.models_changed, desk.closed):
            self.ties.add(signal, self.reload)
        for signal in (desk.opened, desk.corrected, desk.status_changed):
            self.ties.add(signal, lambda _news: self.reload())
        self.ties.add(desk.preferences.changed, self._on_preference)
        self._show((), {})

    def reload(self) -> None:
        """Read the catalogue anew; when it is in sight next, if it is not now."""
        self._is_stale = True
        if self.isVisible():
            self._again.ask()

    def showEvent(self, event: QShowEvent) -> None:
        """Read what changed out of sight."""
        super().showEvent(event)
        self._fit()
        if self._is_stale:
            self._again.ask()

    def set_ink(self, colour: str) -> None:
        """Colour of axes and text, from the theme."""
        self.plot.set_ink(colour)

    def choose_file(self) -> None:
        """Ask where to save."""
        name, _filter = QFileDialog.getSaveFileName(
            self, self.tr("Save effort as CSV"), "effort.csv", self.tr("CSV files (*.csv)")
        )
        if name:
            self.save(Path(name))

    def save(self, path: Path) -> None:
        """Write the table to a CSV file."""
        rows = self.rows

        def write() -> None:
            from napari_brainseg.session.effort import write_csv

            write_csv(rows, path)

        self.saved.clear()
        self.run(write, lambda _nothing: self._say_saved(path, len(rows)))

    def _say_saved(self, path: Path, cases: int) -> None:
        text = (
            self.tr("1 case saved: {path}")
            if cases == 1
            else self.tr("{n} cases saved: {path}")
        )  # fmt: skip
        self.saved.setText(text.format(n=cases, path=path))
        self.saved.show()

    def _read(self) -> None:
        self._is_stale = False

        def read() -> tuple[tuple[EffortRow, ...], dict[Figure, EffortRatio | None]]:
            from napari_brainseg.session.effort import effort
            from napari_brainseg.session.effort_comparison import compare_versions

            EffortPlot.preload()
            rows = effort(self.desk.catalogue)
            # Here and not when a figure is chosen: intervals take a tenth of a second.
            return rows, {figure: compare_versions(rows, figure.value) for figure in Figure}

        self.run(read, lambda found: self._show(*found))

    def _show(
        self, rows: tuple[EffortRow, ...], ratios: Mapping[Figure, EffortRatio | None]
    ) -> None:
        self.rows, self.ratios = tuple(row for row in rows if row.is_begun), ratios
        self.empty.setVisible(not self.rows)
        for widget in self._parts:
            widget.setVisible(bool(self.rows))
        self.saved.setVisible(bool(self.saved.text()))
        self._draw()

    def _draw(self) -> None:
        if not self.rows:
            return
        from napari_brainseg.session.effort import summary

        medians = summary(self.rows)
        signs = marks(start_of(row) for row in medians)
        patients = [row.patient for row in self.desk.worklist.rows]
        hidden = bool(self.desk.preferences.get("hide_identifiers"))
        names = Names(patients or [row.patient for row in self.rows], hidden=hidden)
        self.model.show_rows(self.rows, signs, names.short)
        figure = self.figure.currentData()
        self.plot.draw(self.rows, figure, signs, names.short)
        self.comparison.setText(comparison_text(self.ratios.get(figure), figure))
        self.comparison.setVisible(bool(self.comparison.text()))
        self.versions.clear()
        for version in medians:
            self._add_version(version, icon_of(signs[start_of(version)]))
        self._fit()

    def _add_version(self, version: VersionEffort, icon: QIcon) -> None:
        name = start_text(start_of(version))
        of = self.tr("1 case") if version.cases == 1 else self.tr("{n} cases")
        # A line of its own: names of versions are long, and the dock is narrow.
        head = QTreeWidgetItem([f"{name}, {of.format(n=version.cases)}"])
        head.setIcon(0, icon)
        head.setToolTip(0, version.model_version or name)
        texts = [figure_text(figure, value(version, figure)) for figure in FIGURES]
        line = QTreeWidgetItem([self.tr("Median"), *texts])
        for column in range(1, line.columnCount()):
            line.setTextAlignment(column, int(_RIGHT))
        for item in (head, line):
            self.versions.addTopLevelItem(item)
        head.setFirstColumnSpanned(True)

    def _make_versions(self) -> QTreeWidget:
        tree = QTreeWidget()
        tree.setHeaderLabels(
            [self.tr("Version"), self.tr("min:s"), self.tr("Strokes"), self.tr("Voxels")]
        )
        tree.setRootIsDecorated(False)
        tree.setIconSize(_ICON)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        tree.setAccessibleName(self.tr("Medians by model version"))
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(1)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, 4):
            tree.headerItem().setTextAlignment(column, int(_RIGHT))
        return tree

    def _make_table(self) -> QTableView:
        sorted_rows = QSortFilterProxyModel(self)
        sorted_rows.setSourceModel(self.model)
        sorted_rows.setSortRole(SORT_ROLE)
        table = compact_table(sorted_rows, self.tr("Effort by case"), PATIENT)
        table.setTextElideMode(Qt.TextElideMode.ElideLeft)
        table.setIconSize(_ICON)
        table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        table.setSortingEnabled(True)
        return table

    def _fit(self) -> None:
        self.table.ensurePolished()
        metrics = self.table.fontMetrics()
        line = metrics.height() + 4
        self.table.verticalHeader().setDefaultSectionSize(line)
        self.table.setMinimumHeight(line * (_CASES + 1) + 8)
        lines = [
            self.versions.topLevelItem(row) for row in range(self.versions.topLevelItemCount())
        ]
        for column, figure in enumerate(FIGURES, 1):
            texts = {figure_text(figure, value(row, figure)) for row in self.rows}
            texts.add(self.model.headerData(column, Qt.Orientation.Horizontal))
            texts |= {item.text(column) for item in lines}
            width = max(metrics.horizontalAdvance(text) for text in texts) + _CELL
            self.table.setColumnWidth(column, width)
            # One below the other, so that a case can be compared with the median.
            self.versions.setColumnWidth(column, width)
        height = self.versions.sizeHintForRow(0) * min(len(lines), 2 * _VERSIONS)
        self.versions.setFixedHeight(height + self.versions.header().sizeHint().height() + 4)

    def _on_preference(self, name: str) -> None:
        if name == "hide_identifiers":
            self._draw()


_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
