"""The strip of the tool in hand: its parameters, what it would do, and taking or dropping that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.session.tool_specs import REGION, VOLUME, Kind, spec_of
from napari_brainseg.widgets import numbers
from napari_brainseg.widgets.look import set_role
from napari_brainseg.widgets.panel import hint_label, mark_next
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.tool_values import ValueRow

if TYPE_CHECKING:
    from napari_brainseg.session.tool_specs import Parameter
    from napari_brainseg.viewer.tool_bench import ToolBench

__all__ = ["ToolParameters"]

_STEPS = 1000
_LATE_MS = 150
"""So long a run goes on unseen."""


class ToolParameters(QFrame):
    """What is asked of the tool in hand; hidden while there is none and nothing to say.

    Parameters
    ----------
    bench : ToolBench
        Has the tool.

    Attributes
    ----------
    rows : dict of str to ValueRow or QComboBox
        What sets a parameter, by its name.
    """

    def __init__(self, bench: ToolBench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bench = bench
        self._ties = Subscriptions(self)
        self._was_busy = False
        self._shown: tuple[str | None, tuple[Parameter, ...]] = (None, ())
        self.rows: dict[str, Any] = {}
        self.title = QLabel()
        set_role(self.title, "title")
        self._grid_place = QVBoxLayout()
        self._grid_place.setSpacing(0)
        self._grid: QWidget | None = None
        self.counts = QLabel()
        self.message = hint_label()
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        set_role(self.progress, "thin")
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        # Most runs are over before the eye could tell.
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(_LATE_MS)
        self._late.timeout.connect(self._show_state)
        self.region = QPushButton(self.tr("Draw anew"))
        self.region.setToolTip(self.tr("Draw another region on the slice"))
        self.region.clicked.connect(lambda: bench.draw_region())
        self.seeds = _Seeds(bench)
        self.apply = QPushButton(self.tr("Apply"))
        self.apply.setToolTip(self.tr("Do what the preview shows (Enter)"))
        self.apply.clicked.connect(lambda: bench.take())
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setToolTip(self.tr("Stop, and leave the mask as it is (Esc)"))
        self.cancel.clicked.connect(lambda: bench.drop())
        for button in (self.region, self.apply, self.cancel):
            # The keyboard stays with the picture.
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        buttons = QHBoxLayout()
        buttons.setSpacing(3)
        buttons.addWidget(self.progress, 1)
        buttons.addWidget(self.region)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.apply)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.title)
        layout.addWidget(self.seeds)
        layout.addLayout(self._grid_place)
        layout.addWidget(self.message)
        layout.addWidget(self.counts)
        layout.addLayout(buttons)
        self._ties.add(bench.changed, self._on_changed)
        self.refresh()

    def refresh(self) -> None:
        """Follow the bench."""
        bench = self._bench
        tool, parameters = bench.tool, bench.parameters
        if (tool, parameters) != self._shown:
            self._build(parameters)
            self._shown = (tool, parameters)
        self._show_values()
        in_hand = tool is not None
        self.title.setVisible(in_hand)
        if tool is not None:
            self.title.setText(self.tr(spec_of(tool).title))
        self.seeds.setVisible(bench.pointing.wanted == "seeds")
        self.region.setVisible(bench.value("scope") == REGION)
        self._show_state()

    def _on_changed(self, what: str) -> None:
        if what in ("tool", "parameters", "message", "available"):
            self.refresh()
        elif what != "history":
            self._show_state()

    def _show_state(self) -> None:
        bench = self._bench
        in_hand, changes = bench.tool is not None, bench.changes
        is_late = self._is_late()
        self.setVisible(in_hand or bool(bench.message) or is_late)
        self.message.setText(self.tr(bench.message))
        self.message.setVisible(bool(bench.message))
        self.counts.setText("" if changes is None else self._in_words(*changes))
        self.counts.setVisible(in_hand and not bench.message)
        self.counts.setEnabled(not bench.is_busy)
        share = bench.share
        self.progress.setVisible(is_late)
        self.progress.setRange(0, 0 if is_late and share is None else _STEPS)
        self.progress.setValue(int((share or 0.0) * _STEPS))
        self.cancel.setVisible(in_hand or is_late)
        self.apply.setVisible(in_hand and bench.previewed)
        self.apply.setEnabled(bench.can_take)
        mark_next(self.apply, bench.can_take)

    def _is_late(self) -> bool:
        """Whether something has been running for so long that it is to be seen."""
        if not self._bench.is_busy:
            self._late.stop()
            self._was_busy = False
        elif not self._was_busy:
            self._was_busy = True
            self._late.start()
        return self._was_busy and not self._late.isActive()

    def _in_words(self, added: int, removed: int, slices: int) -> str:
        figures = f"+{numbers.voxels(added)}  −{numbers.voxels(removed)}"
        where = self.tr("1 slice") if slices == 1 else self.tr("{n} slices").format(n=slices)
        return self.tr("{figures} vox, {where}").format(figures=figures, where=where)

    def _build(self, parameters: tuple[Parameter, ...]) -> None:
        before, self._grid = self._grid, None
        if before is not None:
            self._grid_place.removeWidget(before)
            before.hide()
            before.deleteLater()
        self.rows = {}
        parameters = tuple(p for p in parameters if p.kind is not Kind.CHOICE or len(p.choices) > 1)
        if not parameters:
            return
        self._grid = QWidget()
        grid = QGridLayout(self._grid)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        grid.setColumnStretch(1, 1)
        for line, parameter in enumerate(parameters):
            row = self._row(parameter)
            title = QLabel(self.tr(parameter.title))
            title.setBuddy(row)
            grid.addWidget(title, line, 0)
            grid.addWidget(row, line, 1)
            self.rows[parameter.name] = row
        self._grid_place.addWidget(self._grid)

    def _row(self, parameter: Parameter) -> QWidget:
        name = parameter.name
        if parameter.kind is not Kind.CHOICE:
            row = ValueRow(parameter)
            row.changed.connect(lambda value: self._bench.set(name, value))
            return row
        box = QComboBox()
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(5)
        for value, title in parameter.choices:
            box.addItem(self.tr(title), value)
        box.activated.connect(lambda index: self._bench.set(name, box.itemData(index)))
        return box

    def _show_values(self) -> None:
        for name, row in self.rows.items():
            value = self._bench.value(name)
            if isinstance(row, ValueRow):
                row.show_value(value)
            else:
                row.setCurrentIndex(row.findData(value))
        if "depth" in self.rows:
            self.rows["depth"].setEnabled(self._bench.value("scope") != VOLUME)


class _Seeds(QWidget):
    """Which scribble is painted, and wiping them."""

    def __init__(self, bench: ToolBench) -> None:
        super().__init__()
        self._seeds = bench.pointing.seeds
        self._ties = Subscriptions(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        self.labels: dict[int, QToolButton] = {}
        if self._seeds is None:
            return
        from napari_brainseg.viewer.seed_scribbles import BACKGROUND, FOREGROUND

        for label, text, hint in (
            (FOREGROUND, self.tr("Lesion"), self.tr("Scribble in the lesion (yellow)")),
            (BACKGROUND, self.tr("Around"), self.tr("Scribble outside the lesion (purple)")),
        ):
            button = QToolButton(text=text, toolTip=hint, checkable=True)
            button.clicked.connect(lambda _on, label=label: self._paint(label))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            layout.addWidget(button, 1)
            self.labels[label] = button
        wipe = QToolButton(text=self.tr("Wipe"), toolTip=self.tr("Remove all scribbles"))
        wipe.clicked.connect(self._seeds.clear)
        layout.addWidget(wipe, 1)
        self._ties.add(self._seeds.changed, self._refresh)
        self._refresh()

    def _paint(self, label: int) -> None:
        if self._seeds is not None:
            self._seeds.label = label
            self._refresh()

    def _refresh(self) -> None:
        for label, button in self.labels.items():
            button.setChecked(self._seeds is not None and self._seeds.label == label)
