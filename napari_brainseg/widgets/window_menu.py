"""Menu of windows: presets, the automatic one, the way back, inverted grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMenu

from napari_brainseg.viewer.shortcuts import key_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QAction, QWidget

    from napari_brainseg.viewer.display import Display

__all__ = ["WindowMenu"]


class WindowMenu(QMenu):
    """Built when it opens, for the modality on show.

    Parameters
    ----------
    display : Display
        Has the windows.
    """

    def __init__(self, display: Display, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._display = display
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """Offer what there is now."""
        self.clear()
        display = self._display
        texts = {
            "Brain": self.tr("Brain"),
            "Bright lesion": self.tr("Bright lesion"),
            "Soft": self.tr("Soft"),
            "Stroke": self.tr("Stroke"),
            "Subdural": self.tr("Subdural"),
            "Bone": self.tr("Bone"),
            "Whole range": self.tr("Whole range"),
        }
        now = display.window(display.modality)
        for name, window in display.presets().items():
            low, high = window
            action = self._offer(texts[name], lambda name=name: display.apply_preset(name))
            action.setCheckable(True)
            action.setChecked(abs(low - now[0]) + abs(high - now[1]) < 1e-3 * (high - low))
            action.setToolTip(
                self.tr("Width {width}, level {level}").format(
                    width=f"{high - low:.4g}", level=f"{(high + low) / 2:.4g}"
                )
            )
        self.addSeparator()
        self._offer(self.tr("Fit to this slice"), display.auto, "auto_window")
        self._offer(self.tr("Reset"), display.reset, "reset_window")
        self.addSeparator()
        inverted = self._offer(
            self.tr("Inverted grey"), lambda: setattr(display, "inverted", not display.inverted),
            "invert",
        )  # fmt: skip
        inverted.setCheckable(True)
        inverted.setChecked(display.inverted)
        inverted.setEnabled(not display.composite)

    def _offer(self, text: str, act: Callable[[], None], key: str = "") -> QAction:
        keys = key_text(key) if key else ""
        # After a tab Qt writes keys at the right edge, without binding them a second time.
        action = self.addAction(f"{text}\t{keys}" if keys else text)
        action.triggered.connect(lambda _on=False: act())
        return action
