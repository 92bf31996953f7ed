"""A dense table without grid, row numbers or editing, for lists in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_brainseg.widgets.look import set_role

if TYPE_CHECKING:
    from qtpy.QtCore import QAbstractItemModel

__all__ = ["compact_table"]


def compact_table(model: QAbstractItemModel, name: str, stretched: int) -> QTableView:
    """Make a table of whole rows.

    Parameters
    ----------
    model : QAbstractItemModel
        What it shows.
    name : str
        What a screen reader calls it.
    stretched : int
        The column that takes the room that the others leave; their widths are fixed.
    """
    table = QTableView()
    set_role(table, "compact")
    table.setModel(model)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setTabKeyNavigation(False)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setAccessibleName(name)
    table.verticalHeader().setMinimumSectionSize(1)
    table.verticalHeader().hide()
    head = table.horizontalHeader()
    head.setHighlightSections(False)
    head.setMinimumSectionSize(1)
    head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    head.setSectionResizeMode(stretched, QHeaderView.ResizeMode.Stretch)
    return table
