"""How a row of the worklist is drawn: two lines beside a picture, or a line of cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QFont, QFontMetricsF
from qtpy.QtWidgets import QStyle, QStyledItemDelegate

from napari_brainseg.widgets.worklist_columns import PATIENT, STATUS
from napari_brainseg.widgets.worklist_filter import Kind, own_kind, status_word
from napari_brainseg.widgets.worklist_marks import Inks, draw_sign, inks
from napari_brainseg.widgets.worklist_model import ROW_ROLE, WorklistModel
from napari_brainseg.widgets.worklist_words import key_figure, missing_words

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex, QObject
    from qtpy.QtGui import QColor, QPainter
    from qtpy.QtWidgets import QStyleOptionViewItem

    from napari_brainseg.session.worklist_row import WorklistRow
    from napari_brainseg.widgets.worklist_thumbnails import Thumbnails

__all__ = ["WorklistDelegate", "fitting_name"]

_BAR = 4
"""Width of the bar beside the open case."""
_GAP = 5
_PAD = 4


class WorklistDelegate(QStyledItemDelegate):
    """Draws rows of a `WorklistModel`.

    Parameters
    ----------
    model : WorklistModel
        Whose rows are drawn.
    thumbnails : Thumbnails
        Pictures of the patients.

    Attributes
    ----------
    wide : bool
        Cells of a table instead of two lines.
    inks : Inks
        Colours of the theme.
    """

    def __init__(
        self, model: WorklistModel, thumbnails: Thumbnails, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._thumbnails = thumbnails
        self.wide = False
        self.inks: Inks = inks("dark")

    def height(self, font: QFont) -> int:
        """Height of a row in pixels; all are equally high."""
        line = QFontMetricsF(font).height()
        return round(line * (1.6 if self.wide else 2.15)) + 2 * _PAD

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """As wide as the text, for columns that fit their content."""
        text = str(index.data() or "")
        height = self.height(option.font)
        is_status = self._model.columns[index.column()].key == STATUS
        if is_status:
            text = self._status_words(index.data(ROW_ROLE))
        width = QFontMetricsF(option.font).horizontalAdvance(text) + 2 * _GAP
        if is_status:
            width += height
        elif index.column() == 0:
            width += height + _BAR + _GAP
        return QSize(round(width) + 1, height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw a row or a cell."""
        row: WorklistRow = index.data(ROW_ROLE)
        painter.save()
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        is_open = row.patient == self._model.open_patient
        box = QRectF(option.rect)
        painter.setClipRect(box)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(box, self.inks.selected)
        elif is_open:
            painter.fillRect(box, self.inks.soft)
        painter.setPen(self.inks.line)
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        key = self._model.columns[index.column()].key
        if key == PATIENT:
            if is_open:
                bar = QRectF(box.left(), box.top(), _BAR, box.height())
                painter.fillRect(bar, self.inks.mark)
            box.setLeft(self._picture(painter, box, row))
            font = QFont(option.font)
            font.setBold(is_open)
            font.setStrikeOut(row.vanished)
            if self.wide:
                painter.setFont(font)
                painter.setPen(self._ink(row))
                self._line(painter, box, self._model.names.full(row.patient))
            else:
                self._two_lines(painter, box, row, font, option.font)
        else:
            self._cell(painter, box.adjusted(_GAP, 0, -_GAP, 0), row, index, option.font)
        painter.restore()

    def _ink(self, row: WorklistRow) -> QColor:
        return self.inks.quiet if row.vanished else self.inks.text

    def _picture(self, painter: QPainter, box: QRectF, row: WorklistRow) -> float:
        """Draw the picture; returns where the text begins."""
        side = int(box.height()) - 2 * _PAD + 2
        place = QRectF(box.left() + _BAR + 2, box.top() + _PAD - 1, side, side)
        pixmap = self._thumbnails.pixmap(row.patient, side, painter.device().devicePixelRatioF())
        if pixmap is None:
            painter.fillRect(place, self.inks.soft)
        else:
            if row.vanished:
                painter.setOpacity(0.4)
            size = pixmap.size() / pixmap.devicePixelRatioF()
            corner = place.center() - QRectF(0, 0, size.width(), size.height()).center()
            painter.drawPixmap(corner, pixmap)
            painter.setOpacity(1.0)
        return place.right() + _GAP

    def _two_lines(
        self, painter: QPainter, box: QRectF, row: WorklistRow, head: QFont, font: QFont
    ) -> None:
        box = box.adjusted(0, _PAD - 1, -_GAP, -_PAD)
        middle = box.center().y()
        upper = QRectF(box.left(), box.top(), box.width(), middle - box.top())
        lower = QRectF(box.left(), middle, box.width(), box.bottom() - middle)
        self._first_line(painter, upper, row, head, font)
        painter.setFont(font)
        self._second_line(painter, lower, row)

    def _first_line(
        self, painter: QPainter, box: QRectF, row: WorklistRow, head: QFont, font: QFont
    ) -> None:
        name, _date = self._name_and_date(row)
        figure = self._figure(row)
        room = box.width() - QFontMetricsF(head).horizontalAdvance(name) - _GAP
        # The name comes first: a figure that leaves no room for it stands in the tooltip only.
        if figure and QFontMetricsF(font).horizontalAdvance(figure) <= room:
            painter.setFont(font)
            painter.setPen(self.inks.quiet)
            painter.drawText(box, _RIGHT, figure)
        painter.setFont(head)
        painter.setPen(self._ink(row))
        painter.drawText(box, _LEFT, fitting_name(name, QFontMetricsF(head), box.width()))

    def _name_and_date(self, row: WorklistRow) -> tuple[str, str]:
        """Name, and the date that stands below it; in the name where a badge has that place."""
        name = self._model.names.short(row.patient)
        dated = _DATED.fullmatch(name)
        return (name, "") if dated is None or row.missing else (dated[1], dated[2])

    def _second_line(self, painter: QPainter, box: QRectF, row: WorklistRow) -> None:
        kind = own_kind(row)
        ink = self.inks.fault if kind == Kind.FAULTS else self.inks.quiet
        text_left = self._sign(painter, box, kind, ink)
        right, words = box.right(), self._status_words(row)
        if row.missing and kind not in (Kind.FAULTS, Kind.VANISHED):
            right = self._badge(painter, box, missing_words(row.missing))
        elif date := self._name_and_date(row)[1]:
            painter.setPen(self.inks.quiet)
            painter.drawText(box, _RIGHT, date)
            right -= painter.fontMetrics().horizontalAdvance(date) + _GAP
        # What is not the status itself must not look like it.
        painter.setPen(ink if words == status_word(kind) else self.inks.text)
        rest = QRectF(text_left, box.top(), right - text_left, box.height())
        self._line(painter, rest, words, Qt.TextElideMode.ElideRight)

    def _status_words(self, row: WorklistRow) -> str:
        kind = own_kind(row)
        if kind in (Kind.FAULTS, Kind.VANISHED):
            return status_word(kind)
        if row.patient == self._model.predicting:
            return self.tr("predicting…")
        if row.open_elsewhere:
            return self.tr("open: {who}").format(who=row.open_elsewhere)
        return status_word(kind)

    @staticmethod
    def _figure(row: WorklistRow) -> str:
        return "" if own_kind(row) in (Kind.FAULTS, Kind.VANISHED) else key_figure(row)

    def _cell(
        self, painter: QPainter, box: QRectF, row: WorklistRow, index: QModelIndex, font: QFont
    ) -> None:
        painter.setFont(font)
        text = str(index.data() or "")
        column = self._model.columns[index.column()]
        painter.setPen(self._ink(row))
        if column.key == STATUS:
            kind = own_kind(row)
            ink = self.inks.fault if kind == Kind.FAULTS else self._ink(row)
            box.setLeft(self._sign(painter, box, kind, ink))
            painter.setPen(ink)
            text = self._status_words(row)
        if column.is_number:
            painter.drawText(box, _RIGHT, text)
        else:
            self._line(painter, box, text, Qt.TextElideMode.ElideRight)

    @staticmethod
    def _sign(painter: QPainter, box: QRectF, kind: str, ink: QColor) -> float:
        """Draw the sign of a status; returns where its word begins."""
        side = painter.fontMetrics().ascent()
        place = QRectF(box.left(), box.center().y() - side / 2, side, side)
        draw_sign(painter, kind, place, ink)
        return place.right() + _GAP - 1

    def _badge(self, painter: QPainter, box: QRectF, text: str) -> float:
        """Draw a word in a frame at the right end; returns where it begins."""
        width = painter.fontMetrics().horizontalAdvance(text) + 8
        frame = QRectF(box.right() - width, box.top() + 0.5, width, box.height() - 2)
        painter.setPen(self.inks.quiet)
        painter.drawRoundedRect(frame, 3, 3)
        painter.drawText(frame, int(Qt.AlignmentFlag.AlignCenter), text)
        return frame.left() - _GAP

    @staticmethod
    def _line(
        painter: QPainter,
        box: QRectF,
        text: str,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> None:
        fitting = painter.fontMetrics().elidedText(text, elide, int(box.width()))
        painter.drawText(box, _LEFT, fitting)


def fitting_name(name: str, metrics: QFontMetricsF, width: float) -> str:
    """Shorten a name: of a person with a date the date stays whole, else both ends are kept."""
    dated = _DATED.fullmatch(name)
    if dated is None or metrics.horizontalAdvance(name) <= width:
        return metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width)
    date = " " + dated[2]
    room = width - metrics.horizontalAdvance(date)
    person = metrics.elidedText(dated[1], Qt.TextElideMode.ElideRight, room)
    return metrics.elidedText(person + date, Qt.TextElideMode.ElideRight, width)


_DATED = re.compile(r"(.+), (\d{4}-\d{2}-\d{2}\w?)")
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
