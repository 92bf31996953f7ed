"""Settings of a fine-tuning run: three that a radiologist understands, the rest folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_brainseg.widgets.config_form import ConfigForm

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FILLED_IN", "LENGTHS", "TrainingSettings"]

LENGTHS = {"quick": 0.5, "standard": 1.0, "thorough": 2.0}
"""Epochs, as shares of what the number of corrections suggests."""
REPLAY_SHARES = (0.0, 0.5, 0.75)
_OWN = "own"
_SAME = 1e-6
FILLED_IN = (
    "data",
    "corrections",
    "base",
    "current",
    "locked",
    "train_patients",
    "validation_patients",
    "replay_patients",
    "locked_patients",
    "lock_reference",
    "validation_share",
    "protocol",
    "folds",
    "fold",
    "test_patients",
    "recipe",
    "bias_correction",
    "skull_stripping",
    "context_slices",
    "cache",
    "what",
    "why",
    "network",
    "features",
    "network_options",
    "encoder_weights",
    "temperature",
    "threshold",
    "minimum_size_vox",
    "spared_share",
    "largest_component",
    "fill_holes",
    "opening_vox",
    "closing_vox",
    "keep",
    "early_stopping",
)
"""Settings that follow from the corrections and the model, or that fine-tuning fixes: nothing is
chosen on the locked patients."""


class TrainingSettings(QWidget):
    """Length, start and replay up front; every other setting in a fold.

    Parameters
    ----------
    defaults : mapping
        Of fine-tuning, where they differ from those of `RunConfig`.

    Attributes
    ----------
    form : ConfigForm
        All settings; the ones up front write into it where they stand for a field.
    length, start_from, replay : QComboBox
    """

    changed = Signal()
    """Another run is meant."""

    def __init__(self, defaults: Mapping[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._writing = False
        self._replayed: int | None = None
        self.form = ConfigForm((), FILLED_IN, defaults)
        self.length = QComboBox()
        for key, text in (
            ("quick", self.tr("Quick")),
            ("standard", self.tr("Standard")),
            ("thorough", self.tr("Thorough")),
        ):
            self.length.addItem(text, key)
        self.length.setCurrentIndex(self.length.findData("standard"))
        self.start_from = QComboBox()
        self.start_from.addItem(self.tr("Bundled model"), "base")
        self.start_from.setToolTip(
            self.tr("Always with all corrections; a chain of fine-tunings drifts")
        )
        self.replay = QComboBox()
        for share in REPLAY_SHARES:
            text = f"{share:.0%}".replace("%", "\u202f%") if share else self.tr("None")
            self.replay.addItem(text, share)
        self.replay.setToolTip(
            self.tr("Share of patients that the model knows already, so that it forgets nothing")
        )
        front = QFormLayout()
        front.setContentsMargins(0, 0, 0, 0)
        front.setVerticalSpacing(3)
        front.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, box in (
            (self.tr("Length"), self.length),
            (self.tr("Start from"), self.start_from),
            (self.tr("Replay"), self.replay),
        ):
            box.setAccessibleName(text)
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            front.addRow(text, box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(front)
        layout.addWidget(self.form)
        self.show_defaults(defaults)
        self.show_starts(None, None)
        self.length.currentIndexChanged.connect(self._on_length)
        self.replay.currentIndexChanged.connect(self._on_replay)
        self.start_from.currentIndexChanged.connect(lambda _row: self._tell())
        self.form.edited.connect(self._on_edited)

    @property
    def starts_from_current(self) -> bool:
        """Whether the version in use is trained on, not the bundled one."""
        return bool(self.start_from.currentData() == "current")

    def changes(self) -> dict[str, Any]:
        """Return what was changed, as `Desk.start_fine_tuning` takes it."""
        changes = self.form.changes()
        return {**changes, "start": "current"} if self.starts_from_current else changes

    def show_defaults(self, defaults: Mapping[str, Any], *, replayed: int | None = None) -> None:
        """Take the defaults that fit the corrections at hand.

        Parameters
        ----------
        defaults : mapping
            Fields of `RunConfig`.
        replayed : int, optional
            How many patients that the base knows are at hand; with none there is no replay.
        """
        chosen = self.length.currentData()
        self._writing = True
        self.form.set_defaults(defaults)
        if chosen in LENGTHS and chosen != "standard":
            self.form.set_value("epochs", self._epochs(chosen))
        self._writing = False
        self._replayed = replayed
        self.replay.setEnabled(replayed != 0)
        self._follow_form()

    def show_starts(self, bundled: str | None, current: str | None) -> None:
        """Offer the version in use as a start where it is another one than the bundled."""
        self._writing = True
        kept = self.start_from.currentData()
        self.start_from.clear()
        self.start_from.addItem(self.tr("Bundled model"), "base")
        if current is not None and current != bundled:
            self.start_from.addItem(self.tr("Model in use"), "current")
        for row, version in enumerate((bundled, current)[: self.start_from.count()]):
            self.start_from.setItemData(row, version or "", Qt.ItemDataRole.ToolTipRole)
        self.start_from.setCurrentIndex(max(self.start_from.findData(kept), 0))
        self.start_from.setEnabled(self.start_from.count() > 1)
        self._writing = False

    def _epochs(self, length: str) -> int:
        return max(round(self.form.default("epochs") * LENGTHS[length]), 1)

    def _on_length(self, _row: int) -> None:
        chosen = self.length.currentData()
        if not self._writing and chosen in LENGTHS:
            self._write("epochs", self._epochs(chosen))

    def _on_replay(self, _row: int) -> None:
        share = self.replay.currentData()
        if not self._writing and isinstance(share, float):
            self._write("replay_share", share)

    def _write(self, name: str, value: Any) -> None:
        self._writing = True
        self.form.set_value(name, value)
        self._writing = False
        self._tell()

    def _on_edited(self, _name: str) -> None:
        if not self._writing:
            self._follow_form()
            self._tell()

    def _follow_form(self) -> None:
        """Show up front what was set in the fold."""
        self._writing = True
        epochs, share = self.form.value("epochs"), self.form.value("replay_share")
        for row in range(len(LENGTHS)):
            key = self.length.itemData(row)
            self.length.setItemData(
                row, self.tr("{n} epochs").format(n=self._epochs(key)), Qt.ItemDataRole.ToolTipRole
            )
        wanted = self.length.currentData()
        if wanted not in LENGTHS or self._epochs(wanted) != epochs:
            wanted = next(
                (key for key in ("standard", *LENGTHS) if self._epochs(key) == epochs), _OWN
            )
        _choose(self.length, wanted, self.tr("{n} epochs").format(n=epochs))
        fitting = next((s for s in REPLAY_SHARES if abs(s - share) < _SAME), _OWN)
        text = f"{share:.0%}".replace("%", "\u202f%")
        if self._replayed == 0:
            fitting, text = _OWN, self.tr("no known patients at hand")
        _choose(self.replay, fitting, text)
        self._writing = False

    def _tell(self) -> None:
        if not self._writing:
            self.changed.emit()


def _choose(box: QComboBox, data: object, text: str) -> None:
    """Choose an item; a value that none stands for gets one of its own."""
    own = next((row for row in range(box.count()) if box.itemData(row) == _OWN), -1)
    if data == _OWN:
        if own < 0:
            box.addItem(text, _OWN)
            own = box.count() - 1
        box.setItemText(own, text)
        box.setCurrentIndex(own)
        return
    if own >= 0:
        box.removeItem(own)
    box.setCurrentIndex(next(row for row in range(box.count()) if box.itemData(row) == data))
