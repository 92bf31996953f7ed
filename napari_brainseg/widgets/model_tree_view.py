"""Model versions as a small tree: a child was fine-tuned from its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import (
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
)

from napari_brainseg.session.health import short_version
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.model_words import detail_lines, state_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtWidgets import QWidget

    from napari_brainseg.session.model_version import ModelVersion

__all__ = ["ModelTreeView"]

VERSION = Qt.ItemDataRole.UserRole
STATE = Qt.ItemDataRole.UserRole + 1
_ROWS = (2, 6)  # fewest and most rows before the list scrolls
_QUIET = 0.66
"""Strength of the second line against the first."""
_GAP = 3


class ModelTreeView(QTreeWidget):
    """A version takes two lines: name and DSC, and below it how it stands."""

    menu_wanted = Signal(str, QPoint)
    """Version, or an empty text beside all, and where on the screen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.versions: tuple[ModelVersion, ...] = ()
        self.setHeaderLabels([self.tr("Version"), self.tr("DSC")])
        self.headerItem().setToolTip(1, self.tr("Mean DSC on the locked patients"))
        self.headerItem().setTextAlignment(1, int(_RIGHT))
        self.setIndentation(12)
        self.setUniformRowHeights(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Model versions"))
        self.setItemDelegate(_TwoLines(self))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)

    @property
    def selected(self) -> str | None:
        """The selected version."""
        items = self.selectedItems()
        return items[0].data(0, VERSION) if items else None

    def select(self, version: str | None) -> None:
        """Select a version, or none."""
        self.clearSelection()
        for item in self._items():
            if item.data(0, VERSION) == version:
                item.setSelected(True)
                self.setCurrentItem(item)

    def state_of(self, version: str) -> str:
        """How a version stands, as shown."""
        return next((i.data(0, STATE) for i in self._items() if i.data(0, VERSION) == version), "")

    def show_versions(
        self,
        versions: Sequence[ModelVersion],
        *,
        fresh: str = "",
        reasons: Mapping[str, str] | None = None,
    ) -> None:
        """Show other versions; the selected one stays selected if it is still there.

        Parameters
        ----------
        versions : sequence of ModelVersion
            Parents before their children.
        fresh : str
            The version that the last run made.
        reasons : mapping of str to str, optional
            Why versions were taken into use.
        """
        before = self.selected
        self.versions = tuple(versions)
        self.blockSignals(True)
        self.clear()
        items: dict[str, QTreeWidgetItem] = {}
        for version in versions:
            item = QTreeWidgetItem(
                [short_version(version.version), numbers.dsc(version.workspace_dsc)]
            )
            item.setData(0, VERSION, version.version)
            item.setData(0, STATE, state_text(version, is_fresh=version.version == fresh))
            item.setTextAlignment(1, int(_RIGHT))
            tip = "\n".join(detail_lines(version, (reasons or {}).get(version.version, "")))
            for column in range(2):
                item.setToolTip(column, tip)
                font = item.font(column)
                font.setBold(version.is_current)
                item.setFont(column, font)
            parent = items.get(version.parent or "")
            if parent is None:
                self.addTopLevelItem(item)
            else:
                parent.addChild(item)
            items[version.version] = item
        self.expandAll()
        # Without children there is nothing to unfold.
        self.setRootIsDecorated(any(item.childCount() for item in items.values()))
        self.fit_height()
        self.select(before)
        self.blockSignals(False)

    def fit_height(self) -> None:
        """Be as high as the versions need, within limits."""
        rows = min(max(len(self.versions), _ROWS[0]), _ROWS[1])
        line = 2 * self.fontMetrics().lineSpacing() + 2 * _GAP
        self.setFixedHeight(line * rows + self.header().sizeHint().height() + 4)

    def showEvent(self, event: Any) -> None:
        """Fit the height to the font, which is known only now."""
        super().showEvent(event)
        self.fit_height()

    def _items(self) -> list[QTreeWidgetItem]:
        found: list[QTreeWidgetItem] = []
        waiting = [self.topLevelItem(n) for n in range(self.topLevelItemCount())]
        while waiting:
            item = waiting.pop(0)
            found.append(item)
            waiting += [item.child(n) for n in range(item.childCount())]
        return found

    def _on_menu(self, place: QPoint) -> None:
        item = self.itemAt(place)
        version = "" if item is None else item.data(0, VERSION)
        if item is not None:
            self.setCurrentItem(item)
        self.menu_wanted.emit(version, self.viewport().mapToGlobal(place))


class _TwoLines(QStyledItemDelegate):
    """Draws the name above the state; the DSC stands beside the name."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        hint = super().sizeHint(option, index)
        hint.setHeight(2 * option.fontMetrics.lineSpacing() + 2 * _GAP)
        return hint

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        self.initStyleOption(option, index)
        text, option.text = option.text, ""
        widget = option.widget
        widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, widget)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if is_chosen else QPalette.ColorRole.Text
        ink = QColor(option.palette.color(role))
        box = option.rect.adjusted(_GAP, _GAP, -_GAP, -_GAP)
        line = option.fontMetrics.lineSpacing()
        painter.save()
        painter.setFont(option.font)
        painter.setPen(ink)
        self._draw(painter, option, QRect(box.left(), box.top(), box.width(), line), text)
        state = index.data(STATE) if index.column() == 0 else ""
        if state:
            plain = option.font
            plain.setBold(False)
            ink.setAlphaF(_QUIET)
            painter.setFont(plain)
            painter.setPen(ink)
            below = QRect(box.left(), box.top() + line, box.width(), line)
            self._draw(painter, option, below, state)
        painter.restore()

    @staticmethod
    def _draw(painter: QPainter, option: QStyleOptionViewItem, box: QRect, text: str) -> None:
        shown = painter.fontMetrics().elidedText(text, option.textElideMode, box.width())
        painter.drawText(box, int(option.displayAlignment & ~_TOP_BOTTOM), shown)


_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
_TOP_BOTTOM = Qt.AlignmentFlag.AlignVertical_Mask
