"""Keys of an effect review: those that do the same for the open case, as they are set now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, Qt
from qtpy.QtGui import QKeySequence

from napari_brainseg.viewer.shortcuts import current_keys

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent

__all__ = ["ACTIONS", "HELD", "action_of", "key_hint", "keys_of"]

_OWN = {"blink": ("Space",), "whole": ("Home",), "done": ("Esc",)}
ACTIONS = {
    "next_case": "Next case",
    "previous_case": "Previous case",
    "next_lesion": "Next slice that differs",
    "previous_lesion": "Previous slice that differs",
    "slice_up": "Previous slice",
    "slice_down": "Next slice",
    "next_modality": "Next modality",
    "hide_masks": "Hide all masks while held",
    "blink": "In use and new in turn while held",
    "whole": "Whole picture",
    "done": "End the review",
}
"""What can be done, with its title. The first eight are names of `viewer.shortcuts`."""
HELD = ("hide_masks", "blink")
"""Those that last as long as their key is down."""
_SPELT = {
    "↑": "Up",
    "↓": "Down",
    "←": "Left",
    "→": "Right",
    "Page up": "PgUp",
    "Page down": "PgDown",
}
_MODIFIERS = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta)


def keys_of(action: str) -> tuple[str, ...]:
    """Keys of an action as they are now, as text for people."""
    return _OWN[action] if action in _OWN else current_keys(action)


def key_hint(action: str) -> str:
    """Title of an action with its keys, for a tooltip."""
    title, keys = QCoreApplication.translate("Effect", ACTIONS[action]), keys_of(action)
    return f"{title} ({keys[0]})" if keys else title


def action_of(event: QKeyEvent) -> str | None:
    """Which action a key event asks for, `None` if it is none of the review's."""
    if event.key() in _MODIFIERS:
        return None
    pad = Qt.KeyboardModifier.KeypadModifier
    modifiers = event.modifiers() & ~pad
    if not event.isAutoRepeat() and event.type() == event.Type.KeyRelease:
        # The modifier may have been let go first.
        modifiers = Qt.KeyboardModifier.NoModifier
    pressed = QKeySequence(int(modifiers) | event.key())
    for action in ACTIONS:
        for key in keys_of(action):
            parts = [_SPELT.get(part, part) for part in key.split("+")]
            if QKeySequence("+".join(parts)) == pressed:
                return action
    return None
